//! Answers that are large, or take long to find, are made in steps: anyone who asks for little is answered meanwhile.

mod common;

use axum::body::{Body, HttpBody};
use axum::http::Request;
use common::client::get;
use common::{fill, frame};
use ferrometer_http::CHUNK_BYTES;
use serde_json::Value;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime};
use tower::ServiceExt;

#[tokio::test]
async fn the_list_of_instruments_comes_in_pieces() {
    let cache = common::Cache::install(Duration::from_secs(3600));
    fill(&cache, 1, 2500);
    let app = frame(&cache).router().unwrap();
    let response = app.oneshot(Request::get("/v1/instruments").body(Body::empty()).unwrap()).await.unwrap();
    let mut body = response.into_body();
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        pieces.push(frame.unwrap().into_data().unwrap().to_vec());
    }
    // No instrument here takes a KiB.
    assert!(pieces.iter().all(|piece| piece.len() < CHUNK_BYTES + 1024));
    assert!(pieces.len() > 10, "{}", pieces.len());
    let answer: Value = serde_json::from_slice(&pieces.concat()).unwrap();
    let expected = serde_json::to_value(&*cache.handle.instruments()).unwrap();
    assert!(expected.as_array().unwrap().len() >= 2500);
    assert_eq!(answer["instruments"], expected);
    assert_eq!((answer["interval"].as_f64(), answer["left_out"].as_u64()), (Some(10.0), Some(0)));
}

#[test]
fn a_walk_along_the_history_that_leaves_nothing_holds_up_nobody() {
    const CLIENTS: usize = 8;
    let mut backend = ferrometer_pull_cache::PullCacheBackend::new(
        ferrometer_pull_cache::Settings::default().generations(100).window(Duration::from_secs(86_400)),
    );
    let cache = common::Cache::install(Duration::from_secs(3600));
    fill(&cache, 1, 150);
    let (now, naming) = (SystemTime::now(), ferrometer_core::Naming::default());
    for at in (0..100_u64).rev() {
        backend.make(now - Duration::from_secs(10 * at), ferrometer_core::snapshot().totals(), &naming);
    }
    let server = frame(backend.handle()).serve().unwrap();
    let (from, to) = backend.handle().window().unwrap();
    assert_eq!(to - from, 990);
    let whole = get(&server, "/v1/metrics?history=1&name=fill.orders.service.endpoint_0007.request.time.count").json();
    let whole = whole["data"].as_array().unwrap();
    assert_eq!(whole.len(), 100);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    let path = format!("/v1/metrics?history=1&start-time={}&name=x{client}", to - 15);
                    let answer = get(server, &path);
                    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 0);
                }
            });
        }
        for _ in 0..5 {
            assert_eq!(get(&server, "/v1/metrics?limit=1").json()["data"].as_array().unwrap().len(), 1);
            assert_eq!(get(&server, "/healthz").status, 200);
        }
        // The search behind a cursor finds exactly that part of the whole history.
        for back in [0, 5, 15, 500] {
            let name = "fill.orders.service.endpoint_0007.request.time.count";
            let some = get(&server, &format!("/v1/metrics?history=1&name={name}&start-time={}", to - back)).json();
            let newer = whole.iter().filter(|record| record["timestamp"].as_i64().unwrap() > to - back);
            assert_eq!(some["data"], Value::Array(newer.cloned().collect()));
        }
        stop.store(true, Relaxed);
    });
}
