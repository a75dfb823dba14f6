//! Bodies: which route takes one, how large it may be, how long it may take, and what becomes of the connection when it is refused.

mod support;

use ferrometer_http::Limits;
use support::{Client, MS, frame, wait_for};

#[test]
fn a_route_takes_as_much_as_it_says() {
    let server = frame().serve().unwrap();
    let mut client = Client::to(&server);
    let post = |client: &mut Client, bytes: usize| {
        client.ask("POST", "/small/measures", &format!("Content-Length: {bytes}\r\n"), &"x".repeat(bytes))
    };
    for bytes in [0, 1, 1000] {
        let answer = post(&mut client, bytes);
        assert_eq!((answer.status, answer.body), (200, format!("{bytes} bytes")));
    }
    let answer = client.ask(
        "POST",
        "/small/measures",
        "Transfer-Encoding: chunked\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, "11 bytes"));
    assert_eq!(server.counts().connections, 1);
    // Too long by its own account: told before it is sent.
    client.send("POST /small/measures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n");
    let long = client.answer().unwrap();
    assert_eq!((long.status, long.header("connection")), (413, Some("close")));
    assert_eq!(long.body, "small: the body has 99999999999 bytes; allowed are 1000");
    client.wait_for_end();
    // Too long in fact.
    let mut client = Client::to(&server);
    let chunk = format!("3e8\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", "x".repeat(1000));
    let long = client.ask("POST", "/small/measures", "Transfer-Encoding: chunked\r\n", &chunk);
    assert_eq!((long.status, long.body.as_str()), (413, "small: the body has more than 1000 bytes"));
    client.wait_for_end();
    assert_eq!(server.counts().malformed, 2);
}

#[test]
fn a_route_that_says_nothing_takes_none() {
    let server = frame().serve().unwrap();
    for (method, path) in [("GET", "/small/hello"), ("PUT", "/small/open"), ("POST", "/nothing"), ("GET", "/healthz")] {
        let mut client = Client::to(&server);
        let refused = client.ask(method, path, "Content-Length: 5\r\n", "hello");
        assert_eq!((refused.status, refused.header("connection")), (413, Some("close")), "{path}");
        assert!(refused.body.contains("no body is accepted"), "{}", refused.body);
        client.wait_for_end();
    }
    assert_eq!(server.counts().malformed, 4);
    let empty = Client::to(&server).ask("PUT", "/small/open", "Content-Length: 0\r\n", "");
    assert_eq!((empty.status, empty.body.as_str()), (200, "0 bytes"));
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let server = frame().limits(Limits { header_timeout: 200 * MS, ..Limits::default() }).serve().unwrap();
    // On a busy machine the head may be what comes late.
    wait_for("a head that is there in time", || {
        let (mut client, before) = (Client::to(&server), server.counts());
        client.send("POST /small/measures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello");
        let late = client.answer().unwrap();
        assert_eq!(late.status, 408);
        client.wait_for_end();
        assert_eq!(server.counts().too_slow, before.too_slow + 1);
        let has_a_head = server.counts().requests > before.requests;
        assert!(!has_a_head || late.body == "small: no whole body came within 0.2 s", "{}", late.body);
        has_a_head
    });
    // The place of the answer is free again.
    wait_for("an answer", || {
        Client::to(&server).get_in_time("/small/hello").is_some_and(|answer| answer.status == 200)
    });
}

#[test]
fn a_body_has_its_own_time_where_it_is_given_one() {
    let limits = Limits { body_timeout: Some(100 * MS), ..Limits::default() };
    let server = frame().limits(limits).serve().unwrap();
    let mut client = Client::to(&server);
    client.send("POST /small/measures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello");
    assert_eq!(client.answer().unwrap().body, "small: no whole body came within 0.1 s");
    for (limits, wrong) in [
        (Limits { body_timeout: Some(MS), ..Limits::default() }, "body_timeout = 1ms: allowed is 10ms to 24h"),
        (Limits { offload_threads: 0, ..Limits::default() }, "offload_threads = 0: allowed is 2 to 256"),
        (Limits { max_bodies_bytes: 1, ..Limits::default() }, "max_bodies_bytes = 1: allowed is 65536 to 68719476736"),
    ] {
        assert_eq!(frame().limits(limits).check().unwrap_err().to_string(), wrong);
    }
}
