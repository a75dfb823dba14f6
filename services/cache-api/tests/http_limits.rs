//! Under fire: every limit, met by a client that breaks it, over real sockets.

mod common;

use common::client::{ask_slowly, get, get_in_time, get_with, raw};
use common::{Cache, fill, frame, nothing};
use ferrometer_http::{Limits, ServeError, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

fn empty(limits: Limits) -> Server {
    frame(nothing()).limits(limits).serve().unwrap()
}

fn over(cache: &Cache, limits: Limits) -> Server {
    frame(cache).limits(limits).serve().unwrap()
}

/// Everything that comes until the server closes, well or with a reset.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        thread::sleep(5 * MS);
    }
}

#[test]
fn requests_beyond_the_limit_are_told_to_come_again() {
    let cache = Cache::install(Duration::from_secs(3600));
    fill(&cache, 1, 2000);
    let server = over(&cache, Limits { max_requests: 2, ..Limits::default() });
    let slow = [ask_slowly(&server, "/v1/metrics"), ask_slowly(&server, "/v1/metrics")];
    wait_for("two answers in progress", || server.counts().most_requests == 2);
    for path in ["/v1/metrics", "/metrics", "/", "/nothing"] {
        let busy = get(&server, path);
        assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")), "{path}");
        assert_eq!(busy.error(), "2 answers are in progress, and that is the limit; try again");
    }
    assert_eq!((get(&server, "/healthz").status, get(&server, "/readyz").status), (200, 200));
    assert_eq!((server.counts().busy, server.counts().most_requests), (4, 2));
    drop(slow);
    wait_for("room again", || get(&server, "/v1/metrics").status == 200);
    assert_eq!(server.counts().most_requests, 2);
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let cache = Cache::install(Duration::from_secs(3600));
    fill(&cache, 1, 2000);
    let server = over(&cache, Limits { write_timeout: 1_000 * MS, ..Limits::default() });
    let whole = get(&over(&cache, Limits::default()), "/v1/metrics").body.len();
    let begun = Instant::now();
    let mut slow = ask_slowly(&server, "/v1/metrics");
    wait_for("the slow reader is let go", || server.counts().too_slow == 1);
    assert!(begun.elapsed() >= 1_000 * MS, "{:?}", begun.elapsed());
    assert!(rest(&mut slow).len() < whole);
    // One that reads slowly, but does, gets all. On a busy machine it may come to read too late, and then it says nothing.
    wait_for("all that a patient reader asked for", || {
        let mut patient = ask_slowly(&server, "/v1/metrics");
        let mut all = 0;
        let mut buffer = [0; 64 << 10];
        while let Ok(read @ 1..) = patient.read(&mut buffer) {
            all += read;
            thread::sleep(MS);
        }
        all > whole
    });
}

#[test]
fn no_connection_lasts_longer_than_allowed() {
    let cache = Cache::install(Duration::from_secs(3600));
    fill(&cache, 1, 2000);
    let server = over(&cache, Limits { answer_timeout: 1_000 * MS, write_timeout: 5_000 * MS, ..Limits::default() });
    let whole = get(&over(&cache, Limits::default()), "/v1/metrics").body.len();
    let mut trickle = ask_slowly(&server, "/v1/metrics");
    let begun = Instant::now();
    let (mut all, mut buffer) = (0, [0; 512]);
    // Steps too small for the server's patience with a stalled write to end before the time does.
    while let Ok(read @ 1..) = trickle.read(&mut buffer) {
        all += read;
        thread::sleep(10 * MS);
        assert!(begun.elapsed() < Duration::from_secs(300));
    }
    assert!(all < whole, "{all} of {whole}");
    assert_eq!(server.counts().too_slow, 1);
}

#[test]
fn half_a_request_and_silence() {
    let server = empty(Limits { header_timeout: 200 * MS, ..Limits::default() });
    for half in ["", "GET /v1/met", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let begun = Instant::now();
        let answer = raw(&server, half.as_bytes());
        assert!(begun.elapsed() >= 200 * MS, "{half:?} {:?}", begun.elapsed());
        let answer = answer.unwrap_or_else(|| panic!("{half:?}: no answer"));
        assert_eq!((answer.status, answer.error().as_str()), (408, "no whole request came within 0.2 s"));
    }
    assert_eq!(server.counts().too_slow, 3);
    // Byte by byte is not quick enough either.
    let mut drip = TcpStream::connect(server.local_addr()).unwrap();
    let begun = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".iter().cycle() {
        thread::sleep(20 * MS);
        if drip.write_all(&[*byte]).is_err() || server.counts().too_slow == 4 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(300));
    }
    wait_for("the end of the drip", || server.counts().too_slow == 4);
    assert_eq!(get_in_time(&server, "/healthz").status, 200);
}

#[test]
fn queries_and_headers_have_an_end() {
    let server = empty(Limits { max_query_bytes: 100, max_header_bytes: 300, ..Limits::default() });
    let query = |bytes: usize| get(&server, &format!("/v1/metrics?name={}", "x".repeat(bytes - 5)));
    assert_eq!(query(100).status, 200);
    let long = query(101);
    assert_eq!((long.status, long.error().as_str()), (414, "the query has 101 bytes; allowed are 100"));
    // Host: localhost and Connection: close have 28 bytes.
    let header = |bytes: usize| get_with(&server, "/", &format!("X: {}\r\n", "x".repeat(bytes - 29)));
    assert_eq!(header(300).status, 200);
    let long = header(301);
    assert_eq!((long.status, long.error().as_str()), (431, "the headers have 301 bytes; allowed are 300"));
    // A head that is far too long is not read to its end, and is answered all the same.
    for head in [
        format!("GET /v1/metrics?name={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1_000_000)),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(200)),
    ] {
        let answer = raw(&server, head.as_bytes()).unwrap_or_else(|| panic!("{head:.60}: no answer"));
        assert!(answer.status == 431 || answer.status == 414, "{head:.60}: {}", answer.status);
    }
    assert_eq!(server.counts().malformed, 5);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let server = empty(Limits { max_connections: 4, header_timeout: 500 * MS, ..Limits::default() });
    let begun = Instant::now();
    let mut silent: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(server.local_addr()).unwrap()).collect();
    wait_for("four connections", || server.counts().connections == 4);
    assert_eq!(get_in_time(&server, "/healthz").status, 200);
    assert!(begun.elapsed() >= 490 * MS, "{:?}", begun.elapsed());
    for stream in &mut silent {
        assert!(rest(stream).starts_with(b"HTTP/1.1 408 "));
    }
    assert_eq!(server.counts().most_connections, 4);
}

#[test]
fn limits_out_of_range_are_refused() {
    let limit = |limits: Limits| {
        let error = frame(nothing()).limits(limits).check().unwrap_err();
        assert!(matches!(error, ServeError::Setting { .. }));
        error.to_string()
    };
    let ok = Limits::default();
    for (limits, expected) in [
        (Limits { max_connections: 0, ..ok }, "max_connections = 0: allowed is 1 to 65536"),
        (Limits { max_requests: 65_537, ..ok }, "max_requests = 65537: allowed is 1 to 65536"),
        (Limits { max_query_bytes: 63, ..ok }, "max_query_bytes = 63: allowed is 64 to 65536"),
        (Limits { max_header_bytes: 255, ..ok }, "max_header_bytes = 255: allowed is 256 to 1048576"),
        (Limits { header_timeout: 9 * MS, ..ok }, "header_timeout = 9ms: allowed is 10ms to 24h"),
        (Limits { write_timeout: Duration::ZERO, ..ok }, "write_timeout = 0ns: allowed is 10ms to 24h"),
    ] {
        assert_eq!(limit(limits), expected);
    }
}
