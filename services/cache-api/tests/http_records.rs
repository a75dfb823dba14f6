//! `/v1/metrics` through a real socket: filters, pages, forms, tags, encodings, and pieces of bounded size.
//!
//! One test for each rule of the records; hence the length.

mod common;

use axum::body::{Body, HttpBody};
use axum::http::{Request, StatusCode};
use common::client::{Answer, get, get_with};
use common::{Cache, fill, frame, nothing, serve};
use ferrometer_core::{Dynamic, get_logger};
use ferrometer_http::Server;
use ferrometer_pull_cache::{PullCacheBackend, Settings};
use serde_json::Value;
use std::pin::Pin;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tower::ServiceExt;

fn start(cache: &Cache) -> Server {
    serve(cache)
}

fn metrics(json: &Value) -> Vec<String> {
    let data = json["data"].as_array().unwrap_or_else(|| panic!("{json}"));
    data.iter().map(|record| record["metric"].as_str().unwrap().to_owned()).collect()
}

/// Waits for the beginning of a second, so that what follows happens within it.
fn second_begins() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    thread::sleep(Duration::from_secs(1) - Duration::from_nanos(u64::from(now.subsec_nanos())));
}

#[test]
fn filters_by_name_and_id() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    let logger = get_logger("filter");
    for name in ["a.x", "a.y", "b.x"] {
        logger.send_counter(Dynamic(name), 1);
    }
    cache.flush();
    for (query, expected) in [
        ("name=filter.a.x", &["filter.a.x"][..]),
        ("name=filter.a.*", &["filter.a.x", "filter.a.y"][..]),
        ("name=filter.*.x", &["filter.a.x", "filter.b.x"][..]),
        ("name=filter.b.x&name=filter.a.y", &["filter.a.y", "filter.b.x"][..]),
        ("name=filter.%2A&id=host", &["filter.a.x", "filter.a.y", "filter.b.x"][..]),
        ("name=filter.*&id=ho*", &["filter.a.x", "filter.a.y", "filter.b.x"][..]),
        ("name=filter.*&id=other", &[][..]),
        ("name=filter", &[][..]),
    ] {
        for history in ["", "&history=1"] {
            let answer = get(&server, &format!("/v1/metrics?{query}{history}"));
            assert_eq!(metrics(&answer.json()), expected, "{query}");
            assert!(answer.json().get("next").is_none());
        }
    }
}

#[test]
fn filters_by_label() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    for (route, method) in [("/a", "GET"), ("/a", "PUT"), ("/b", "GET"), ("*", "x=y&z é")] {
        get_logger("labelled").with("route", route).with("method", method).send_counter("n", 1);
    }
    get_logger("labelled").with("a key", "").send_counter("n", 1);
    get_logger("labelled").send_counter("n", 1);
    cache.flush();
    let found = |query: &str| -> Vec<String> {
        let answer = get(&server, &format!("/v1/metrics?name=labelled.*&{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let json = answer.json();
        let text = |record: &Value| {
            record["labels"].as_object().map_or("-".to_owned(), |labels| {
                labels.values().map(|value| value.as_str().unwrap()).collect::<Vec<_>>().join(" ")
            })
        };
        json["data"].as_array().unwrap().iter().map(text).collect()
    };
    for (query, expected) in [
        ("", &["-", "", "x=y&z é *", "GET /a", "PUT /a", "GET /b"][..]),
        ("label=route=/a", &["GET /a", "PUT /a"][..]),
        ("label=route=/a&label=method=GET", &["GET /a"][..]),
        ("label=route=/a&label=route=/b&label=method=GET", &["GET /a", "GET /b"][..]),
        ("label=route=/%2A", &["GET /a", "PUT /a", "GET /b"][..]),
        ("label=route=*", &["x=y&z é *", "GET /a", "PUT /a", "GET /b"][..]),
        ("label=method=x%3Dy%26z+%C3%A9", &["x=y&z é *"][..]),
        ("label=a_key=", &[""][..]),
        ("label=a_key=x", &[][..]),
        ("label=other=*", &[][..]),
        ("label=route=", &[][..]),
    ] {
        let mut sorted = expected.to_vec();
        sorted.sort_unstable();
        for history in ["", "&history=1"] {
            let mut got = found(&format!("{query}{history}"));
            got.sort_unstable();
            assert_eq!(got, sorted, "{query}");
        }
    }
    // In parts, too; and a tag is one of the question.
    let page = get(&server, "/v1/metrics?name=labelled.n&label=method=GET&limit=1").json();
    let next = page["next"].as_str().unwrap();
    let rest = get(&server, &format!("/v1/metrics?name=labelled.n&label=method=GET&after={next}")).json();
    assert_eq!((page["data"].as_array().unwrap().len(), rest["data"].as_array().unwrap().len()), (1, 1));
    let tag = |query: &str| get(&server, &format!("/v1/metrics?{query}")).header("etag").unwrap().to_owned();
    assert_ne!(tag("label=route=/a"), tag("label=route=/b"));
    assert_eq!(tag("label=route=/a&label=method=GET"), tag("label=method=GET&label=route=/a"));
}

#[test]
fn pages_put_together_are_the_whole() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    let logger = get_logger("page");
    for at in 0..50 {
        logger.send_counter(Dynamic(&format!("c{at:02}")), 1);
    }
    cache.flush();
    thread::sleep(Duration::from_millis(1100));
    cache.flush();
    for (query, per_generation) in [("name=page.*", 1), ("name=page.*&history=1", 2)] {
        let whole = get(&server, &format!("/v1/metrics?{query}")).json();
        assert_eq!(metrics(&whole).len(), 50 * per_generation);
        for limit in [1, 7, 49, 50, 100, 1000] {
            let mut after = String::new();
            let mut data = Vec::new();
            loop {
                let page = get(&server, &format!("/v1/metrics?{query}&limit={limit}{after}")).json();
                let records = page["data"].as_array().unwrap().clone();
                assert_eq!(page["window"], whole["window"]);
                let next = page["next"].as_str().map(|next| format!("&after={next}"));
                assert!(records.len() == limit || next.is_none());
                data.extend(records);
                let Some(next) = next else { break };
                after = next;
            }
            assert_eq!(Value::from(data), whole["data"], "{query} {limit}");
        }
    }
    let gone = get(&server, "/v1/metrics?after=5.1.00000000");
    assert_eq!(gone.status, 410);
    assert!(
        gone.error().starts_with("after is \"5.1.00000000\", but the generation 5 is no longer kept"),
        "{}",
        gone.error()
    );
}

#[test]
fn a_page_of_a_replaced_generation_is_refused_not_mixed() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    let logger = get_logger("replaced");
    logger.send_counter("m1", 1);
    logger.send_counter("m2", 1);
    logger.send_counter("m3", 1);
    let end = std::time::Instant::now() + common::SOON;
    for attempt in 0.. {
        assert!(std::time::Instant::now() < end, "no generation was replaced");
        second_begins();
        cache.flush();
        let first = get(&server, "/v1/metrics?name=replaced.*&limit=2").json();
        let next = first["next"].as_str().unwrap().to_owned();
        // Stands before the others.
        logger.send_counter(Dynamic(&format!("a{attempt}")), 1);
        cache.flush();
        let second = get(&server, &format!("/v1/metrics?name=replaced.*&after={next}"));
        if cache.handle.window().unwrap().1 != first["window"]["to"].as_i64().unwrap() {
            continue;
        }
        assert_eq!(second.status, 410, "{}", second.text());
        return;
    }
}

#[test]
fn lines() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    get_logger("lines").with("odd", "a\nb").send_gauge("one", 1);
    get_logger("lines").send_gauge("two", 2);
    cache.flush();
    let accept = "Accept: application/x-ndjson\r\n";
    let answer = get_with(&server, "/v1/metrics?name=lines.*", accept);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [one, two, tail] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&one["metric"], &two["metric"]), (&"lines.one".into(), &"lines.two".into()));
    let json = get(&server, "/v1/metrics?name=lines.*").json();
    assert_eq!((&json["data"][0], &json["data"][1], &json["window"]), (one, two, &tail["window"]));
    assert!(answer.text().ends_with("}}\n") && tail.get("next").is_none());
    let cut = get_with(&server, "/v1/metrics?name=lines.*&limit=1", accept);
    let tail: Value = serde_json::from_str(cut.text().lines().nth(1).unwrap()).unwrap();
    let rest = get_with(&server, &format!("/v1/metrics?name=lines.*&after={}", tail["next"].as_str().unwrap()), accept);
    assert_eq!(rest.text().lines().next(), answer.text().lines().nth(1));

    let refused = get_with(&server, "/v1/metrics", "Accept: text/html, application/json;q=0\r\n");
    assert_eq!(refused.status, 406);
    assert_eq!(refused.error(), "Accept takes none of what there is: application/json and application/x-ndjson");
}

#[test]
fn tags_change_with_what_is_asked_and_what_there_is() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    let logger = get_logger("tags");
    let tag = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    for _ in 0..5 {
        logger.send_counter("n", 1);
        second_begins();
        cache.flush();
        let first = get(&server, "/v1/metrics?name=tags.*");
        assert_eq!(first.header("cache-control"), Some("private, no-cache"));
        assert!(first.head.to_ascii_lowercase().contains("vary: accept"), "{}", first.head);
        let old = tag(&first);
        assert_eq!(tag(&get(&server, "/v1/metrics?name=tags.*")), old);
        for given in [old.clone(), format!("\"x\", {old}"), old.replace("W/", ""), "*".to_owned()] {
            let same = get_with(&server, "/v1/metrics?name=tags.*", &format!("If-None-Match: {given}\r\n"));
            assert_eq!((same.status, same.body.len(), tag(&same)), (304, 0, old.clone()), "{given}");
        }
        let if_none = format!("If-None-Match: {old}\r\n");
        assert_eq!(get_with(&server, "/v1/metrics?name=tags.n", &if_none).status, 200);
        assert_eq!(get_with(&server, "/v1/metrics", &if_none).status, 200);
        let lines = format!("{if_none}Accept: application/x-ndjson\r\n");
        assert_eq!(get_with(&server, "/v1/metrics?name=tags.*", &lines).status, 200);
        // Another generation of the same second, with the same timestamp.
        logger.send_counter("n", 1);
        cache.flush();
        let second = get_with(&server, "/v1/metrics?name=tags.*", &if_none);
        assert_eq!(second.status, 200);
        assert_ne!(tag(&second), old);
        if second.json()["window"] == first.json()["window"] {
            return;
        }
    }
    panic!("no generation was replaced in five seconds");
}

#[test]
fn health() {
    let empty = serve(nothing());
    assert_eq!((get(&empty, "/healthz").status, get(&empty, "/healthz").text()), (200, r#"{"ok":true}"#));
    let ready = get(&empty, "/readyz");
    assert_eq!((ready.status, ready.text()), (503, r#"{"ok":false,"reason":"there is no generation yet"}"#));
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    cache.flush();
    assert_eq!((get(&server, "/readyz").status, get(&server, "/readyz").text()), (200, r#"{"ok":true}"#));
}

/// The sizes of the pieces of an answer, and their number, with the body.
async fn pieces(handle: &ferrometer_pull_cache::PullCacheHandle, encoding: &str) -> (usize, usize, Vec<u8>) {
    let request =
        Request::get("/v1/metrics?history=1").header("Accept-Encoding", encoding).body(Body::empty()).unwrap();
    let response = frame(handle.clone()).router().unwrap().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    if encoding != "identity" {
        assert_eq!(response.headers()["content-encoding"], encoding);
    }
    let mut body = response.into_body();
    let (mut longest, mut number, mut all) = (0, 0, Vec::new());
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let data = frame.unwrap().into_data().unwrap();
        longest = longest.max(data.len());
        number += 1;
        all.extend_from_slice(&data);
    }
    (longest, number, all)
}

#[test]
fn pieces_are_bounded_and_every_encoding_says_the_same() {
    let cache = Cache::install(Duration::from_secs(3600));
    fill(&cache, 3, 1000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (longest, number, plain) = pieces(&cache.handle, "identity").await;
        let records = serde_json::from_slice::<Value>(&plain).unwrap()["data"].as_array().unwrap().len();
        let kept: usize = cache.handle.history(None).map(|generation| generation.len()).sum();
        assert_eq!(records, kept);
        // A record is far shorter than 4 KiB here.
        assert!(longest <= 20 << 10 && number > 50, "{longest} {number}");
        {
            use std::io::Read;
            let (longest, _, packed) = pieces(&cache.handle, "gzip").await;
            let mut gzip = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut gzip).unwrap();
            assert!(gzip == plain && longest <= 300 << 10, "{longest}");
            let gzip_len = packed.len();
            let (longest, _, packed) = pieces(&cache.handle, "zstd").await;
            assert!(zstd::decode_all(&packed[..]).unwrap() == plain && longest <= 300 << 10, "{longest}");
            println!(
                "history of {records} records: {} bytes; gzip {gzip_len} (1:{:.1}), zstd {} (1:{:.1})",
                plain.len(),
                plain.len() as f64 / gzip_len as f64,
                packed.len(),
                plain.len() as f64 / packed.len() as f64
            );
        }
    });
}

#[test]
fn a_filter_that_leaves_nothing_holds_up_nobody() {
    let cache = Cache::install(Duration::from_secs(3600));
    fill(&cache, 1, 1000);
    let records = cache.handle.most_recent().unwrap().len();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let request = Request::get("/v1/metrics?history=1&name=nothing").body(Body::empty()).unwrap();
    let mut body = runtime.block_on(frame(&cache).router().unwrap().oneshot(request)).unwrap().into_body();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let (mut handed_back, mut all) = (0, Vec::new());
    loop {
        match Pin::new(&mut body).poll_frame(&mut context) {
            std::task::Poll::Pending => handed_back += 1,
            std::task::Poll::Ready(Some(frame)) => all.extend_from_slice(&frame.unwrap().into_data().unwrap()),
            std::task::Poll::Ready(None) => break,
        }
    }
    // Looked at in steps of 1024 records.
    assert!(handed_back >= records / 1024, "{handed_back} {records}");
    assert!(all.starts_with(b"{\"data\":[],\"window\":{"), "{}", String::from_utf8_lossy(&all));
}

/// How long this thread has run: on a busy machine it waits too, which is not what is measured.
#[cfg(target_os = "linux")]
fn ran() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn the_way_to_the_first_generation_holds_up_nobody() {
    let cache = Cache::install(Duration::from_secs(3600));
    fill(&cache, 1, 200);
    let mut backend = PullCacheBackend::new(Settings::default());
    for at in 1..=181 {
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 10 * at);
        backend.make(time, ferrometer_core::snapshot().totals(), &ferrometer_core::Naming::default());
    }
    let newest = backend.handle().window().unwrap().1;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let target = format!("/v1/metrics?history=1&start-time={}", newest - 20);
    let request = Request::get(target).body(Body::empty()).unwrap();
    let begun = std::time::Instant::now();
    let answer = runtime.block_on(frame(backend.handle()).router().unwrap().oneshot(request)).unwrap();
    // Done on another thread.
    let found = begun.elapsed();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let (mut longest, mut all) = (Duration::ZERO, Vec::new());
    loop {
        let begun = ran();
        let polled = Pin::new(&mut body).poll_frame(&mut context);
        longest = longest.max(ran() - begun);
        match polled {
            std::task::Poll::Pending => {}
            std::task::Poll::Ready(Some(frame)) => all.extend_from_slice(&frame.unwrap().into_data().unwrap()),
            std::task::Poll::Ready(None) => break,
        }
    }
    assert!(longest < found / 3, "one step took {longest:?}, and the way to the first {found:?}");
    let read: Value = serde_json::from_slice(&all).unwrap();
    assert_eq!(read["data"].as_array().unwrap().len(), 2 * backend.handle().most_recent().unwrap().len());
}

#[test]
fn encodings_are_negotiated() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = start(&cache);
    fill(&cache, 1, 20);
    for path in ["/v1/metrics", "/metrics"] {
        let plain = get(&server, path);
        assert_eq!(plain.header("content-encoding"), None);
        for (accept, expected) in [
            ("gzip", Some("gzip")),
            ("zstd;q=0.9, gzip;q=0.8", Some("zstd")),
            ("gzip, zstd;q=0", Some("gzip")),
            ("*", Some("zstd")),
            ("br", None),
            ("identity;q=1, *;q=0.5", None),
        ] {
            let answer = get_with(&server, path, &format!("Accept-Encoding: {accept}\r\n"));
            assert_eq!((answer.status, answer.header("content-encoding")), (200, expected), "{accept}");
            assert!(answer.head.to_ascii_lowercase().contains("vary: accept-encoding"), "{}", answer.head);
            let body = match expected {
                Some("gzip") => {
                    let mut body = Vec::new();
                    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut body).unwrap();
                    body
                }
                Some(_) => zstd::decode_all(&answer.body[..]).unwrap(),
                None => answer.body,
            };
            assert!(body == plain.body, "{path} {accept}");
        }
        let refused = get_with(&server, path, "Accept-Encoding: br, identity;q=0\r\n");
        assert_eq!(refused.status, 406);
        assert_eq!(refused.error(), "Accept-Encoding takes none of what there is: zstd, gzip, identity");
    }
    // Not worth it.
    assert_eq!(get_with(&server, "/v1/metrics?name=", "Accept-Encoding: gzip\r\n").header("content-encoding"), None);
}
