//! The client against our own server: bodies, kept connections, and what becomes of one that was closed meanwhile.

#![cfg(all(feature = "client", feature = "compression"))]

mod support;

use ferrometer_http::{Bytes, Client, Frame, HeaderMap, Limits, Route, Server, Service, StatusCode, json, respond};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::MS;

struct Echo;

impl Service for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let echo = async |headers: HeaderMap, body: Bytes| {
            let text = match headers.get("content-encoding").map(|value| value.as_bytes()) {
                Some(b"gzip") => {
                    let mut text = String::new();
                    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
                    text
                }
                _ => String::from_utf8(body.to_vec()).unwrap(),
            };
            respond(StatusCode::ACCEPTED, "text/plain", text)
        };
        vec![
            Route::post("/echo", echo).max_body_bytes(1 << 20),
            Route::get("/json", async || respond(StatusCode::OK, "application/json", json(&[1, 2]))),
        ]
    }
}

fn server(limits: Limits) -> Server {
    Frame::new().address("127.0.0.1:0".parse().unwrap()).limits(limits).mount("/", Arc::new(Echo)).serve().unwrap()
}

fn client(server: &Server) -> Client {
    Client::new(&format!("http://{}", server.local_addr()), None, None, Duration::ZERO).unwrap()
}

#[tokio::test]
async fn bodies_go_over_one_connection_where_it_is_kept() {
    let server = server(Limits::default());
    let client = client(&server).keep_alive(true);
    for turn in 0..5 {
        let reply = client.post("/echo", HeaderMap::new(), format!("body {turn}").into(), 100).await.unwrap();
        assert_eq!(reply.bytes, format!("body {turn}").as_bytes());
        let long = "abc ".repeat(10_000);
        let reply = client.post_gzip("/echo", HeaderMap::new(), long.as_bytes(), 1 << 20).await.unwrap();
        assert_eq!(reply.bytes, long.as_bytes());
        assert_eq!(client.get_json("/json", HeaderMap::new(), 10, None).await.unwrap().bytes, b"[1,2]");
    }
    assert_eq!(server.counts().connections, 1);
}

#[tokio::test]
async fn a_connection_closed_meanwhile_is_made_anew() {
    let server = server(Limits { idle_timeout: 20 * MS, ..Limits::default() });
    let client = client(&server).keep_alive(true);
    let (mut answered, begun) = (0, Instant::now());
    while server.counts().connections < 4 {
        // On a busy machine the server may close one late, with a request on its way: that is no answer.
        if let Ok(reply) = client.post("/echo", HeaderMap::new(), "x".into(), 100).await {
            assert_eq!(reply.bytes, b"x");
            answered += 1;
        }
        tokio::time::sleep(200 * MS).await;
        assert!(begun.elapsed() < Duration::from_secs(120), "the server closes none");
    }
    assert!(answered >= 3, "{answered}");
}

#[tokio::test]
async fn what_is_no_success_is_a_failure_that_names_the_status() {
    let server = server(Limits::default());
    let client = client(&server);
    let failed = client.post("/nothing", HeaderMap::new(), Bytes::new(), 100).await.unwrap_err();
    assert_eq!((failed.status, failed.to_string().as_str()), (Some(404), "answers 404"));
    let large = client.post("/echo", HeaderMap::new(), "0123456789".into(), 5).await.unwrap_err();
    assert_eq!((large.status, large.why.as_str()), (None, "answers more than there is room for"));
    let text = client.get_json("/", HeaderMap::new(), 10_000, None).await.unwrap_err();
    assert_eq!(text.why, "answers something else than plain JSON");
    // Each over a connection of its own.
    assert_eq!(server.counts().connections, 3);
}
