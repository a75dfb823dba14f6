//! The endpoint, asked through a real socket.

mod common;

use common::client::{Answer, ask, get, raw};
use common::{Cache, frame, nothing, parse, serve};
use ferrometer_core::get_logger;
use ferrometer_http::{DEFAULT_ADDRESS, Limits, ServeError, Server};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

fn start(cache: &Cache) -> Server {
    serve(cache)
}

/// An endpoint over a cache that stays empty.
fn empty() -> Server {
    serve(nothing())
}

fn stamps(answer: &Answer) -> Vec<i64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut stamps: Vec<i64> =
        answer.json()["data"].as_array().unwrap().iter().map(|r| r["timestamp"].as_i64().unwrap()).collect();
    assert!(stamps.is_sorted());
    stamps.dedup();
    stamps
}

#[test]
fn records_by_history_and_start_time() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    let logger = get_logger("web").with("quote", "\"\\\n</script>");
    for _ in 0..3 {
        logger.send_counter("hits", 1);
        cache.flush();
        thread::sleep(Duration::from_millis(1100));
    }
    let all: Vec<i64> = cache.handle.history(None).map(|g| g.timestamp()).collect();
    let [a, b, c] = all[..] else { panic!("{all:?}") };
    for (query, expected) in [
        (String::new(), vec![c]),
        ("?history=0".into(), vec![c]),
        ("?history=1".into(), vec![a, b, c]),
        ("?history=true".into(), vec![a, b, c]),
        (format!("?history=1&start-time={}", a - 1), vec![a, b, c]),
        (format!("?start-time={a}&history=1"), vec![b, c]),
        (format!("?history=1&start-time={c}"), vec![]),
        ("?history=1&start-time=99999999999".into(), vec![]),
        (format!("?start-time={a}"), vec![c]),
        (format!("?history=false&start-time={c}"), vec![]),
    ] {
        let answer = get(&server, &format!("/v1/metrics{query}"));
        assert_eq!(stamps(&answer), expected, "{query}");
        assert_eq!(answer.json()["window"], serde_json::json!({"from": a, "to": c}));
        assert!(answer.text().starts_with("{\"data\":[") && answer.has("x-content-type-options: nosniff"));
    }
    let answer = get(&server, "/v1/metrics");
    let json = answer.json();
    let hits = json["data"].as_array().unwrap().iter().find(|r| r["metric"] == "web.hits").unwrap();
    let expected = serde_json::json!({
        "id": "host", "metric": "web.hits", "timestamp": c, "type": "derive", "value": 3.0,
        "labels": {"quote": "\"\\\n</script>"},
    });
    assert_eq!(*hits, expected);
}

#[test]
fn prometheus_text_and_index() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    get_logger("web").send_gauge("level", 4);
    // There is no generation yet.
    assert!(get(&server, "/metrics").text().contains("\nweb_level 4\n"));
    cache.flush();
    let answer = get(&server, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.has("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
    let families = parse(answer.text()).unwrap();
    assert_eq!(families["web_level"].value("web_level", &[]), Some(4.0));
    let index = get(&server, "/");
    assert!(index.text().contains("/v1/metrics") && index.text().contains("GET /metrics"));
    let head = ask(&server, "HEAD", "/metrics");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.has("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", head.head);
}

#[test]
fn the_largest_names_and_labels_are_told() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    for user in 0..50u32 {
        get_logger("largest").with("user_of_largest", user).send_counter("clicks", 1);
    }
    let answer = get(&server, "/v1/cardinality");
    assert_eq!(answer.status, 200);
    let json = answer.json();
    let (names, labels) = (json["names"].as_array().unwrap(), json["labels"].as_array().unwrap());
    // Other tests of this process have names of their own.
    assert!(names.contains(&serde_json::json!({"name": "largest.clicks", "series": 50})), "{json}");
    assert!(labels.contains(&serde_json::json!({"label": "user_of_largest", "values": 50, "series": 50})), "{json}");
    assert!(names.len() <= 10 && labels.len() <= 10 && json["series"].as_u64().unwrap() >= 50, "{json}");
    let counts: Vec<_> = names.iter().map(|name| name["series"].as_u64().unwrap()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "{json}");
    // Who asks again soon gets the same report.
    get_logger("largest").with("user_of_largest", 50).send_counter("clicks", 1);
    assert_eq!(get(&server, "/v1/cardinality").json(), json);
}

#[test]
fn an_empty_cache_answers() {
    let server = empty();
    assert_eq!(get(&server, "/v1/metrics").text(), r#"{"data":[],"window":{"from":null,"to":null}}"#);
    assert_eq!(get(&server, "/v1/metrics?history=1").text(), r#"{"data":[],"window":{"from":null,"to":null}}"#);
    assert_eq!(get(&server, "/metrics").status, 200);
}

#[test]
fn mistakes_are_told_as_json() {
    let server = empty();
    for (target, expected) in [
        (
            "/v1/metrics?start=1",
            r#"unknown parameter "start"; did you mean "start-time"? allowed are history, start-time, id, name, label, limit and after"#,
        ),
        ("/v1/metrics?history=2", r#"history is "2"; allowed are 1, 0, true and false"#),
        ("/v1/metrics?start-time=", r#"start-time is ""; allowed are whole seconds since 1970, such as 1700000000"#),
    ] {
        let answer = get(&server, target);
        assert_eq!((answer.status, answer.error().as_str()), (400, expected));
    }
    for path in ["/v1", "/v1/metrics/", "/metrics/x", "/%00", "/../etc/passwd"] {
        let answer = get(&server, path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.error().contains(path));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/", "/metrics", "/v1/metrics"] {
            let answer = ask(&server, method, path);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.has("allow: get, head") && answer.error().contains(method), "{}", answer.head);
        }
    }
    // Each is counted, and nothing else is.
    assert_eq!((server.counts().mistaken, server.counts().requests), (3 + 5 + 21, 3 + 5 + 21));
}

#[test]
fn bodies_large_heads_and_nonsense_are_refused() {
    let server = empty();
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let answer = raw(&server, format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{body}").as_bytes()).unwrap();
        assert_eq!((answer.status, answer.error().as_str()), (413, "no body is accepted"));
    }
    let none = raw(&server, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(none.status, 200);
    // A body that never comes is not waited for: that would end with 408.
    let endless = raw(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n").unwrap();
    assert_eq!(endless.status, 413);

    let long = "x".repeat(100_000);
    let many: String = (0..200).map(|i| format!("h{i}: 1\r\n")).collect();
    for head in [
        format!("GET /?{long} HTTP/1.1\r\n"),
        format!("GET / HTTP/1.1\r\nA: {long}\r\n"),
        format!("GET / HTTP/1.1\r\n{many}"),
    ] {
        let answer = raw(&server, format!("{head}\r\n").as_bytes());
        assert!(answer.is_none_or(|a| a.status == 431 || a.status == 414), "{head:.40}");
    }
    for nonsense in
        [&b"\x16\x03\x01\x02\x00"[..], b"\r\n\r\n\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let answer = raw(&server, nonsense);
        assert!(answer.is_none_or(|a| a.status >= 400));
    }
    assert_eq!(get(&server, "/").status, 200);
}

#[test]
fn slow_and_silent_clients_are_shut_out_and_hold_up_nobody() {
    let limits = Limits { max_connections: 128, ..Limits::default() };
    let server = frame(nothing()).limits(limits).serve().unwrap();
    // Fewer than there are places: others are served at once.
    let mut slow: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.local_addr()).unwrap()).collect();
    for (i, stream) in slow.iter_mut().enumerate().filter(|(i, _)| i % 2 == 0) {
        let _ = write!(stream, "GET /{i} HTTP/1.1\r\nA: ");
    }
    assert_eq!(get(&server, "/").status, 200);
    // More than there are: they wait until the slow ones are out.
    slow.extend((0..60).map(|_| TcpStream::connect(server.local_addr()).unwrap()));
    assert_eq!(get(&server, "/").status, 200);
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{answer:?}");
    }
}

#[test]
fn dropping_stops_at_once_and_frees_the_port() {
    let server = empty();
    let address = server.local_addr();
    assert!(address.port() != 0 && address.ip().is_loopback());
    let mut idle = TcpStream::connect(address).unwrap();
    assert_eq!(get(&server, "/").status, 200);
    let taken = frame(nothing()).address(address).serve().unwrap_err();
    assert!(matches!(&taken, ServeError::Bind { cause, .. } if cause.kind() == ErrorKind::AddrInUse), "{taken}");
    // Well before the idle connection would have to end by itself.
    drop(server);
    idle.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    assert!(matches!(idle.read(&mut [0; 8]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).is_err());
    drop(frame(nothing()).address(address).serve().unwrap());
    assert_eq!(DEFAULT_ADDRESS.to_string(), "127.0.0.1:9620");
}
