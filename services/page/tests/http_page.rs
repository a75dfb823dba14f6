//! The page at `/` and what it asks for, over HTTP; what it does in a browser is in `tests/browser`.

#[path = "../../cache-api/tests/common/mod.rs"]
mod common;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use common::client::{get, get_with, raw};
use common::{Cache, Handles, frame, nothing};
use ferrometer_core::get_logger;
use ferrometer_http::{Frame, Server};
use ferrometer_page::Page;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";

fn paged(handles: impl Into<Handles>) -> Frame {
    frame(handles).mount("/", Arc::new(Page::new()))
}

fn endpoint() -> Frame {
    paged(nothing())
}

/// The files that a page names.
fn files(html: &str) -> Vec<String> {
    let named = |attribute: &str| {
        html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut all = [named("src=\""), named("href=\"")].concat();
    all.retain(|file| file.contains("page/"));
    all
}

#[test]
fn a_browser_gets_the_page_and_everyone_else_the_index() {
    let server = endpoint().serve().unwrap();
    let page = get_with(&server, "/", BROWSER);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let named = files(page.text());
    assert!(named.len() >= 5, "{named:?}");
    for file in &named {
        let answer = get(&server, file.strip_prefix('.').unwrap());
        assert_eq!(answer.status, 200, "{file}");
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{file}");
        let tag = answer.header("etag").unwrap().to_owned();
        let again = get_with(&server, file.strip_prefix('.').unwrap(), &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.body.len()), (304, 0), "{file}");
    }
    for accept in ["", "Accept: */*\r\n", "Accept: text/plain\r\n", "Accept: text/html;q=0.5, text/plain\r\n"] {
        let index = get_with(&server, "/", accept);
        assert_eq!((index.status, index.header("content-type")), (200, Some("text/plain; charset=utf-8")), "{accept}");
    }
    assert_eq!(
        get(&server, "/page/nothing.js").error(),
        "there is no file \"nothing.js\" of the page; GET / shows the page"
    );
    for (path, status) in [("/page/", 404), ("/page/../Cargo.toml", 404), ("/page/..%2f..%2fCargo.toml", 404)] {
        assert_eq!(get(&server, path).status, status, "{path}");
    }
    let request = format!("POST /page/app.js HTTP/1.1\r\nHost: {}\r\n\r\n", server.local_addr());
    assert_eq!(raw(&server, request.as_bytes()).unwrap().status, 405);
    let request = format!("GET / HTTP/1.1\r\nHost: evil.example\r\n{BROWSER}\r\n");
    assert_eq!(raw(&server, request.as_bytes()).unwrap().status, 403);
}

#[test]
fn the_page_is_open_and_the_data_are_not() {
    let token = "5f0c3d1a9be24b7c8c1de0aa7f3b6d42";
    let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    let server = endpoint().tokens([format!("page=sha256:{hash}")]).serve().unwrap();
    assert_eq!(get_with(&server, "/", BROWSER).status, 200);
    assert_eq!(get(&server, "/page/app.js").status, 200);
    for path in ["/", "/v1/instruments", "/v1/metrics", "/metrics", "/nothing"] {
        assert_eq!(get(&server, path).status, 401, "{path}");
        let with = get_with(&server, path, &format!("Authorization: Bearer {token}\r\n"));
        assert_eq!(with.status, if path == "/nothing" { 404 } else { 200 }, "{path}");
    }
}

#[test]
fn without_the_page_there_is_the_index() {
    let server = frame(nothing()).serve().unwrap();
    assert_eq!(get_with(&server, "/", BROWSER).header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(get(&server, "/page/app.js").status, 404);
}

#[tokio::test]
async fn mounted_elsewhere_the_page_finds_its_files() {
    let app = Router::new().nest("/in/ternal", endpoint().router().unwrap());
    let ask = |path: String| {
        let request = Request::get(&path).header("accept", "text/html").body(Body::empty()).unwrap();
        app.clone().oneshot(request)
    };
    let page = ask("/in/ternal".into()).await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let body = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
    for file in files(std::str::from_utf8(&body).unwrap()) {
        // As a browser resolves it.
        let path = format!("/in/{}", file.strip_prefix("./").unwrap());
        assert_eq!(ask(path.clone()).await.unwrap().status(), 200, "{path}");
    }
}

#[test]
fn a_name_of_a_file_that_is_no_text_is_refused_as_json() {
    let server = endpoint().serve().unwrap();
    let refused = get(&server, "/page/%ff");
    assert_eq!((refused.status, refused.header("content-type")), (400, Some("application/json")));
    let error = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("the path \"/page/%ff\" cannot be read: "), "{error}");
}

fn instruments(server: &Server) -> serde_json::Value {
    get(server, "/v1/instruments").json()
}

#[test]
fn the_catalog_says_what_names_stand_for() {
    let cache = Cache::install(Duration::from_secs(3600));
    let server = paged(&cache).serve().unwrap();
    let shop = get_logger("shop.front");
    shop.with("till", "3").send_counter("a..sold", 1);
    shop.with("till", "4").send_counter("a..sold", 1);
    shop.send_timer("time", Duration::from_millis(3));
    shop.histogram("basket").unit("items").description("what <b>people</b> \"buy\"").record(3);
    let _never_set = shop.gauge("cold");
    cache.flush();
    let said = instruments(&server);
    assert_eq!(
        (said["interval"].as_f64(), said["generations"].as_u64(), said["left_out"].as_u64()),
        (Some(10.0), Some(180), Some(0))
    );
    let all: Vec<_> =
        said["instruments"].as_array().unwrap().iter().filter(|i| i["logger"] == "shop.front").cloned().collect();
    let expected = [
        serde_json::json!({"name": "shop.front.a.sold", "logger": "shop.front", "kind": "counter"}),
        serde_json::json!({"name": "shop.front.time", "logger": "shop.front", "kind": "timer", "unit": "ms"}),
        serde_json::json!({"name": "shop.front.basket", "logger": "shop.front", "kind": "histogram", "unit": "items", "description": "what <b>people</b> \"buy\""}),
    ];
    assert_eq!(all, expected, "{said}");

    // A later description is there later.
    shop.describe("time", ferrometer_core::Unit::None, "how long it takes");
    shop.gauge("cold").set(1.0);
    cache.flush();
    let said = instruments(&server);
    let find =
        |name: &str| said["instruments"].as_array().unwrap().iter().find(|i| i["name"] == name).cloned().unwrap();
    assert_eq!(find("shop.front.time")["description"], "how long it takes");
    assert_eq!(find("shop.front.cold")["kind"], "gauge");
    cache.remove();
}

#[test]
fn the_page_of_an_archive_finds_its_files_and_its_api_wherever_it_is() {
    let data = |html: &str| html.split("data-api=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let live = |html: &str| html.contains("id=\"live\" href=\"./\">");
    // Beside the cache.
    let beside = frame(nothing()).mount("/", Arc::new(Page::new().with_archive("/gnocchi"))).serve().unwrap();
    assert!(get_with(&beside, "/", BROWSER).text().contains("href=\"./archive\">Archive"));
    let page = get(&beside, "/archive");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));
    assert_eq!((data(page.text()).as_str(), live(page.text())), ("./gnocchi", true));
    for file in files(page.text()) {
        assert_eq!(get(&beside, file.strip_prefix('.').unwrap()).status, 200, "{file}");
    }
    // Alone, also in front.
    let alone = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", Arc::new(Page::of_archive("")));
    let alone = alone.serve().unwrap();
    for path in ["/", "/archive"] {
        let page = get_with(&alone, path, BROWSER);
        assert_eq!((data(page.text()).as_str(), live(page.text())), (".", false), "{path}");
    }
    // Without one, there is no way to it.
    let without = endpoint().serve().unwrap();
    assert!(get_with(&without, "/", BROWSER).text().contains("href=\"./archive\" hidden>Archive"));
    assert_eq!(get(&without, "/archive").status, 404);
}
