//! Connections that are kept: many requests over one, also when they come all at once; and an end for every client that only holds a place.

mod support;

use ferrometer_http::Limits;
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{Client, MS, frame, wait_for};

#[test]
fn many_requests_go_over_one_connection() {
    let server = frame().serve().unwrap();
    let mut client = Client::to(&server);
    for turn in 0..50 {
        let answer = client.get("/small/hello");
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"), "{turn}");
        assert_eq!(answer.header("connection"), None);
        // A refusal does not end it either.
        assert_eq!(client.get("/small/nothing").status, 404);
    }
    let counts = server.counts();
    assert_eq!((counts.connections, counts.requests, counts.mistaken), (1, 100, 50));
    // A client that wants it closed gets it closed.
    let last = client.ask("GET", "/small/hello", "Connection: close\r\n", "");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    client.wait_for_end();
}

#[test]
fn requests_sent_at_once_are_answered_in_their_order() {
    let server = frame().serve().unwrap();
    let mut client = Client::to(&server);
    let paths = ["/small/hello", "/small/slow", "/nothing", "/small/open", "/healthz"];
    let all: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).collect();
    client.send(all.repeat(2));
    for turn in 0..2 {
        let found: Vec<(u16, String)> =
            paths.iter().map(|_| client.answer().map(|answer| (answer.status, answer.body)).unwrap()).collect();
        assert_eq!(found.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 404, 200, 200], "{turn}");
        assert_eq!([&found[0].1, &found[1].1, &found[3].1], ["hello", "at last", "open"]);
    }
    assert_eq!((server.counts().connections, server.counts().most_requests), (1, 1));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = frame().limits(Limits { idle_timeout: 200 * MS, ..Limits::default() }).serve().unwrap();
    let mut client = Client::to(&server);
    assert_eq!(client.get("/small/hello").status, 200);
    client.wait_for_end();
    assert_eq!(server.counts().too_slow, 0);
    // Requests that come in time keep it. Where one was late, there was nothing to keep.
    wait_for("a connection that is kept", || {
        let mut client = Client::to(&server);
        let begun = Instant::now();
        while begun.elapsed() < 600 * MS {
            let Some(answer) = client.get_in_time("/small/hello") else { return false };
            assert_eq!(answer.status, 200);
        }
        true
    });
}

#[test]
fn a_further_request_has_the_time_of_the_first() {
    let limits = Limits { header_timeout: 200 * MS, ..Limits::default() };
    let server = frame().limits(limits).serve().unwrap();
    wait_for("two requests in time", || {
        let (mut client, before) = (Client::to(&server), server.counts().too_slow);
        let Some(first) = client.get_in_time("/small/hello") else { return false };
        // Silence is no request that is late, and the next one starts over.
        std::thread::sleep(300 * MS);
        let Some(next) = client.get_in_time("/small/hello") else { return false };
        assert_eq!((first.status, next.status), (200, 200));
        client.send("GET /small/hel");
        let late = client.answer().unwrap();
        assert_eq!((late.status, late.header("connection")), (408, Some("close")));
        client.wait_for_end();
        assert_eq!(server.counts().too_slow, before + 1);
        true
    });
}

#[test]
fn each_answer_has_its_own_time() {
    let limits = Limits { answer_timeout: 1_000 * MS, ..Limits::default() };
    let server = frame().limits(limits).serve().unwrap();
    // Together they take longer than one may. Where a busy machine makes one that long, it says nothing.
    wait_for("three answers over one connection", || {
        let mut client = Client::to(&server);
        (0..3).all(|_| client.get_in_time("/small/slow").is_some_and(|answer| answer.body == "at last"))
    });
    let limits = Limits { answer_timeout: 100 * MS, ..Limits::default() };
    let server = frame().limits(limits).serve().unwrap();
    let mut client = Client::to(&server);
    client.send("GET /small/slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.wait_for_end();
    assert_eq!(server.counts().too_slow, 1);
}

#[test]
fn a_reader_that_stops_reading_is_let_go() {
    let limits = Limits { write_timeout: 300 * MS, ..Limits::default() };
    let server = frame().limits(limits).serve().unwrap();
    let mut client = Client::to(&server);
    assert_eq!(client.get("/small/hello").status, 200);
    client.send("GET /small/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for("the reader is let go", || server.counts().too_slow == 1);
}

#[test]
fn idle_connections_make_room_for_others() {
    let limits = Limits { max_connections: 3, idle_timeout: Duration::from_secs(600), ..Limits::default() };
    let server = frame().limits(limits).serve().unwrap();
    let mut idle: Vec<Client> = (0..3).map(|_| Client::to(&server)).collect();
    let begun = Instant::now();
    for client in &mut idle {
        assert_eq!(client.get("/small/hello").status, 200);
    }
    // There is no place left, and no one has to wait for the end of the idle time.
    for _ in 0..10 {
        assert_eq!(Client::to(&server).get("/small/hello").status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(300));
    assert!(server.counts().most_connections <= 3);
    // One whose answer is under way is closed behind it.
    let mut slow = Client::to(&server);
    slow.send("GET /small/slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for("the slow one", || server.counts().requests == 14);
    let _others: Vec<Client> = (0..3).map(|_| Client::to(&server)).collect();
    assert_eq!(slow.answer().unwrap().body, "at last");
    slow.wait_for_end();
}

#[test]
fn connections_that_never_ask_hold_their_place_for_a_short_while() {
    let limits = Limits { max_connections: 2, header_timeout: 300 * MS, ..Limits::default() };
    let server = frame().limits(limits).serve().unwrap();
    let mut silent: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(server.local_addr()).unwrap()).collect();
    wait_for("both", || server.counts().connections == 2);
    assert_eq!(Client::to(&server).get("/small/hello").status, 200);
    for stream in &mut silent {
        let mut said = String::new();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let _ = stream.read_to_string(&mut said);
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    }
}

#[test]
fn a_server_that_ends_sends_the_answers_in_progress() {
    let server = frame().serve().unwrap();
    let (mut idle, mut busy) = (Client::to(&server), Client::to(&server));
    assert_eq!(idle.get("/small/hello").status, 200);
    busy.send("GET /small/slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_for("the answer is in progress", || server.counts().requests == 2);
    let ending = std::thread::spawn(move || server.finish(Duration::from_secs(60)));
    assert_eq!(busy.answer().unwrap().body, "at last");
    idle.wait_for_end();
    drop((idle, busy));
    assert_eq!(ending.join().unwrap().requests, 2);
}

#[test]
fn a_server_that_ends_does_not_wait_for_ever() {
    let server = frame().serve().unwrap();
    let mut stuck = Client::to(&server);
    stuck.send("POST /small/measures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n");
    wait_for("the body is waited for", || server.counts().requests == 1);
    server.finish(50 * MS);
    assert!(stuck.answer().is_none());
}
