//! `/metrics` through a real socket: which format is answered, which families, and what is refused.

#[path = "../../cache-api/tests/common/mod.rs"]
mod common;

use common::serve;
use common::{Cache, openmetrics, parse, protobuf};
use ferrometer_core::get_logger;
use ferrometer_http::{Frame, Server};
use ferrometer_prometheus::{Format, Prometheus, Scrape, Settings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn ask(server: &Server, method: &str, target: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    // Version 1.0: the answer comes in one part and ends with the connection.
    write!(stream, "{method} {target} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n").unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: all.split_off(end + 4) }
}

fn start(cache: &Cache) -> Server {
    serve(cache)
}

#[test]
fn the_format_is_what_accept_asks_for() {
    let cache = Cache::install(Duration::from_secs(3600));
    get_logger("web").send_counter("hits", 3);
    cache.flush();
    let server = start(&cache);
    let open = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
    let messages = format!("Accept: {};q=0.9\r\nAccept: text/plain;q=0.5\r\n", Format::Protobuf.content_type());
    for (headers, format) in [
        ("", Format::Text),
        ("Accept: \r\n", Format::Text),
        ("Accept: application/json\r\n", Format::Text),
        ("Accept: \u{ff}\r\n", Format::Text),
        (open, Format::OpenMetrics),
        (messages.as_str(), Format::Protobuf),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&server, method, "/metrics", headers);
            let expected = format!("content-type: {}", format.content_type().to_lowercase());
            assert!(answer.status == 200 && answer.head.lines().any(|l| l == expected), "{headers}: {}", answer.head);
            assert!(answer.head.contains("vary: accept") && answer.head.contains("cache-control: no-store"));
            assert_eq!(answer.body.is_empty(), method == "HEAD");
        }
        let body = ask(&server, "GET", "/metrics", headers).body;
        let text = || std::str::from_utf8(&body).unwrap();
        match format {
            Format::Text => assert_eq!(parse(text()).unwrap()["web_hits_total"].samples[0].value, 3.0),
            Format::OpenMetrics => assert_eq!(openmetrics::parse(text()).unwrap()["web_hits"].samples[0].value, 3.0),
            _ => {
                let families = protobuf::parse(&body).unwrap();
                let hits = families.iter().find(|f| f.name.as_deref() == Some("web_hits_total")).unwrap();
                assert_eq!(hits.metric[0].counter.as_ref().unwrap().value, Some(3.0));
            }
        }
    }
}

#[test]
fn names_leave_families_and_anything_else_is_refused() {
    let cache = Cache::install(Duration::from_secs(3600));
    get_logger("named").send_gauge("a", 1);
    get_logger("named").send_gauge("b", 2);
    cache.flush();
    let server = start(&cache);
    for (query, expected) in [
        ("?name[]=named_a", "named_a 1\n"),
        ("?name%5B%5D=named%5Fa&name[]=nothing_of_the_kind", "named_a 1\n"),
        ("?name[]=named_b&name[]=named_a", "named_a 1\nnamed_b 2\n"),
        ("?name[]=nothing_of_the_kind", ""),
    ] {
        let answer = ask(&server, "GET", &format!("/metrics{query}"), "");
        let text = String::from_utf8(answer.body).unwrap();
        let samples: String = text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
        assert_eq!((answer.status, samples.as_str()), (200, expected), "{query}");
    }
    for (query, expected) in [
        ("?x=1", r#"unknown parameter \"x\"; allowed is name[]"#),
        ("?name=a", r#"did you mean \"name[]\"?"#),
        ("?name[]=a&name[]=", r#"name[] is \"\"; allowed are names"#),
        ("?name[]=%0A", r#"name[] is \"\\n\"; allowed are names"#),
    ] {
        let answer = ask(&server, "GET", &format!("/metrics{query}"), "");
        let body = String::from_utf8(answer.body).unwrap();
        assert!(answer.status == 400 && answer.head.contains("content-type: application/json"), "{}", answer.head);
        assert!(body.starts_with("{\"error\":\"") && body.contains(expected), "{body}");
    }
}

#[test]
fn fresh_totals_come_over_http_to_many_at_once() {
    let _cache = Cache::install(Duration::from_secs(3600));
    let totals = Prometheus::new(Settings::default().scrape(Scrape::Fresh)).handle();
    let scrape = Arc::new(ferrometer_scrape::Scrape::new(totals));
    let server = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", scrape).serve().unwrap();
    let counter = get_logger("fresh.http").counter("c");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = 0.0;
                for _ in 0..25 {
                    counter.increment();
                    let answer = ask(&server, "GET", "/metrics?name[]=fresh_http_c_total", "");
                    let value = parse(std::str::from_utf8(&answer.body).unwrap()).unwrap()["fresh_http_c_total"]
                        .samples[0]
                        .value;
                    assert!(value > last, "{value} after {last}");
                    last = value;
                }
            });
        }
    });
    let answer = ask(&server, "GET", "/metrics?name[]=fresh_http_c", "");
    assert!(answer.body.ends_with(b"\nfresh_http_c_total 100\n"));
}
