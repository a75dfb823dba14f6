//! The API in the HTTP frame: its limits in Gnocchi's words, and what is the frame's and what the API's.

mod common;

use common::{Api, answer};
use ferrometer_gnocchi::{Gnocchi, Settings};
use ferrometer_http::Limits;
use serde_json::json;
use std::io::Write;
use std::time::Duration;

#[test]
fn a_body_over_the_limit_is_refused_in_gnocchis_shape() {
    let api = Api::new(Settings { max_body: 3 << 20, ..Settings::default() });
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{metric}/measures");
    let body = |bytes: usize| format!("[{}]", " ".repeat(bytes - 2));
    assert_eq!(api.send("admin", "POST", &path, &[], body(3 << 20).as_bytes()).status, 202);
    let over = body((3 << 20) + 1);
    // Its length is told: the answer comes before the body is sent.
    let refused = |accept: &str| {
        let mut stream = api.connect();
        let head = format!("POST {path} HTTP/1.1\r\nhost: here\r\n{accept}content-length: {}\r\n\r\n", over.len());
        stream.write_all(head.as_bytes()).unwrap();
        answer(&mut stream)
    };
    let told = refused("accept: application/json\r\n");
    let description = "a body may have 3145728 bytes; send the measures in several requests";
    let expected = json!({"code": 413, "title": "Payload Too Large", "description": description});
    assert_eq!(told.is(413), expected);
    assert_eq!((told.header("content-type"), told.header("connection")), ("application/json", "close"));
    let page = refused("");
    assert_eq!((page.status, page.header("content-type")), (413, "text/html; charset=UTF-8"));
    assert!(page.text.contains(description) && page.text.starts_with("<html>"), "{}", page.text);
    let text = refused("accept: text/plain\r\n");
    assert_eq!((text.status, text.header("content-type")), (413, "text/plain; charset=UTF-8"));
}

#[test]
fn a_slow_client_does_not_hold_the_server() {
    let limits = Limits { body_timeout: Some(Duration::from_secs(3)), ..Gnocchi::limits() };
    let api = Api::with(Settings::default(), limits);
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let head = format!("POST /v1/metric/{metric}/measures HTTP/1.1\r\nhost: here\r\naccept: application/json\r\n");
    let slow = |_| {
        let mut stream = api.connect();
        stream.write_all(format!("{head}content-length: 100\r\n\r\n[").as_bytes()).unwrap();
        stream
    };
    // More of them than there are threads.
    let mut slow: Vec<_> = (0..40).map(slow).collect();
    api.post(&format!("/v1/metric/{metric}/measures"), json!([{"timestamp": 1, "value": 1}])).is(202);
    assert_eq!(api.get("/healthcheck").status, 200);
    for stream in &mut slow {
        let told = answer(stream).is(408);
        assert_eq!(told["description"], "no whole body came within 3 s");
    }
    assert_eq!(api.server.counts().too_slow, 40);
}

#[test]
fn bodies_together_have_a_limit() {
    let limits = Limits { max_bodies_bytes: 64 << 10, ..Gnocchi::limits() };
    let api = Api::with(Settings::default(), limits);
    let told = api.send("admin", "POST", "/v1/batch/metrics/measures", &[], " ".repeat((64 << 10) + 1).as_bytes());
    assert_eq!(told.is(503)["title"], "Service Unavailable");
    assert!(!told.header("retry-after").is_empty());
    // The permit that was taken is given back.
    let told = api.send("admin", "POST", "/v1/batch/metrics/measures", &[], " ".repeat(64 << 10).as_bytes());
    assert_eq!(told.status, 400);
}

#[test]
fn queries_of_a_thousand_metrics_are_read_and_longer_ones_refused() {
    let api = Api::new(Settings::default());
    let list = |count: usize| {
        format!("/v1/aggregation/metric?{}", "metric=00000000-0000-0000-0000-000000000000&".repeat(count))
    };
    assert_eq!(api.get(&list(1000)).status, 404);
    let small = Api::with(Settings::default(), Limits { max_query_bytes: 4096, ..Gnocchi::limits() });
    let told = small.get(&list(100)).is(414);
    assert_eq!(told["description"], "the query has 4400 bytes; allowed are 4096");
}

#[test]
fn paths_are_the_apis_and_health_is_the_frames() {
    let api = Api::new(Settings::default());
    assert_eq!(api.get("/").is(200)["versions"][0]["id"], "v1.0");
    assert_eq!(api.get("/healthcheck").text, "OK");
    assert_eq!(api.get("/healthz").is(200), json!({"ok": true}));
    assert_eq!(api.get("/readyz").is(200), json!({"ok": true}));
    assert_eq!(api.get("//v1//capabilities/").status, 200);
    assert_eq!(api.send("admin", "TRACE", "/v1/status", &[], b"").is(405)["title"], "Method Not Allowed");
    let other = api.send("admin", "GET", "/v1/status", &[("host", "evil.example")], b"").is(403);
    assert!(other["description"].as_str().unwrap().contains("evil.example"), "{other}");
    let below = Api::new(Settings { prefix: "/gnocchi".into(), ..Settings::default() });
    for path in ["/gnocchi", "/gnocchi/"] {
        assert_eq!(below.get(path).is(200)["versions"][0]["links"][0]["href"], "http://here/gnocchi/v1/");
    }
    assert_eq!(below.get("/gnocchi/healthcheck").text, "OK");
    assert_eq!(below.get("/v1/status").status, 404);
    assert!(below.get("/").text.contains("GET /readyz"));
}
