//! Tests of a service's declarations and their effect in the frame: methods, privileges, the form of refusals, the index, readiness.

mod support;

use ferrometer_http::{
    Bytes, Credentials, Frame, HeaderMap, Refusal, Response, Route, ServeError, Service, StatusCode, respond,
};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use support::{Client, Small, frame};

/// SHA-256 of `0123456789abcdef-the-token`.
const HASH: &str = "a10a937ce43577c215f0b29a6e96b496fca3d5cd4ba7d61f513c2a9955e3c87a";
const TOKEN: &str = "Authorization: Bearer 0123456789abcdef-the-token\r\n";

#[test]
fn allow_lists_the_methods_of_the_route() {
    let server = frame().serve().unwrap();
    let mut client = Client::to(&server);
    for (method, path, allow, message) in [
        ("POST", "/small/hello", "GET, HEAD", "small: POST is not allowed; GET and HEAD are"),
        ("GET", "/small/measures", "POST", "small: GET is not allowed; POST is"),
        ("DELETE", "/small/open", "GET, HEAD, PUT", "small: DELETE is not allowed; GET, HEAD and PUT are"),
        ("BREW", "/small/open", "GET, HEAD, PUT", "small: BREW is not allowed; GET, HEAD and PUT are"),
        ("PUT", "/", "GET, HEAD", r#"{"error":"PUT is not allowed; GET and HEAD are"}"#),
    ] {
        let refused = client.ask(method, path, "", "");
        assert_eq!((refused.status, refused.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(refused.body, message);
    }
}

#[test]
fn a_service_says_refusals_in_its_own_form_below_its_mount_point() {
    let server = frame().serve().unwrap();
    let mut client = Client::to(&server);
    let below = client.get("/small/nothing");
    assert_eq!(below.body, "small: there is nothing at \"/small/nothing\"; GET / lists what there is");
    assert_eq!(below.header("content-type"), Some("text/plain; charset=utf-8"));
    let beside = client.get("/smaller");
    assert_eq!(beside.body, r#"{"error":"there is nothing at \"/smaller\"; GET / lists what there is"}"#);
}

#[test]
fn a_path_that_is_no_text_is_refused_in_the_form_of_the_service() {
    let server = frame().serve().unwrap();
    let mut client = Client::to(&server);
    assert_eq!(client.get("/small/named/a%20b").body, "a b");
    let refused = client.get("/small/named/%ff");
    assert_eq!(refused.status, 400);
    assert!(refused.body.starts_with("small: the path \"/small/named/%ff\" cannot be read: "), "{}", refused.body);
}

#[test]
fn tokens_do_what_their_list_says() {
    let with = |list: &str| frame().tokens([format!("one=sha256:{HASH}{list}")]).serve().unwrap();
    let (plain, writer, below) = (with(""), with(";Measures.Write@/"), with(";Measures.Write@/a"));
    let status = |server, method: &str, path: &str, token: &str| Client::to(server).ask(method, path, token, "").status;
    for (method, path, expected) in [
        ("GET", "/small/hello", [200, 403, 403]),
        ("POST", "/small/measures", [403, 200, 403]),
        ("GET", "/small/open", [200, 200, 200]),
        ("GET", "/small/who", [200, 200, 200]),
        ("GET", "/small/nothing", [404, 404, 404]),
        ("GET", "/", [200, 200, 200]),
    ] {
        for (server, expected) in [&plain, &writer, &below].into_iter().zip(expected) {
            assert_eq!(status(server, method, path, TOKEN), expected, "{method} {path}");
            let open = if path == "/small/open" { 200 } else { 401 };
            assert_eq!(status(server, method, path, ""), open, "{method} {path}");
        }
    }
    assert_eq!(plain.counts().denied, 1 + 5);
    let unknown = frame().tokens([format!("one=sha256:{HASH};Sys.Audit@/")]).check().unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "tokens: token 1 (\"one\"): privilege 1 has a name that is not known; expected Measures.Write@<path>, such as Measures.Write@/"
    );
}

#[test]
fn credentials_are_read_as_the_services_say() {
    struct Keyed;
    impl Service for Keyed {
        fn name(&self) -> &'static str {
            "keyed"
        }
        fn routes(self: Arc<Self>) -> Vec<Route> {
            vec![Route::get("/", async || respond(StatusCode::OK, "text/plain", "keyed"))]
        }
        fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
            Some(Credentials::new(headers.get("x-auth-token")?.as_bytes()))
        }
    }
    let server = frame().mount("/keyed", Arc::new(Keyed)).tokens([format!("one=sha256:{HASH}")]).serve().unwrap();
    let own = "X-Auth-Token: 0123456789abcdef-the-token\r\n";
    for (path, headers, expected) in [
        ("/keyed/", own, 200),
        ("/keyed/", TOKEN, 200),
        ("/keyed/", "X-Auth-Token: other\r\n", 401),
        ("/keyed/", "", 401),
        ("/small/hello", own, 200),
    ] {
        assert_eq!(Client::to(&server).ask("GET", path, headers, "").status, expected, "{path} {headers}");
    }
}

#[test]
fn index_and_readiness_are_those_of_what_is_mounted() {
    let small = Arc::new(Small::default());
    let two: Arc<dyn Service> = Arc::<Small>::clone(&small);
    let frame = Frame::new().title("two of them").address("127.0.0.1:0".parse().unwrap());
    let server = frame.mount("/a", Arc::new(Small::default())).mount("/b/", two).serve().unwrap();
    let mut client = Client::to(&server);
    assert_eq!(
        client.get("/").body,
        "two of them\n\n\
         GET /small/hello                       greets\n\
         GET /small/hello                       greets\n\
         GET /healthz                           the process answers\n\
         GET /readyz                            it is not broken\n"
    );
    assert_eq!((client.get("/a/hello").status, client.get("/b/hello").status), (200, 200));
    assert_eq!(client.get("/readyz").body, r#"{"ok":true}"#);
    small.broken.store(true, Relaxed);
    let broken = client.get("/readyz");
    assert_eq!((broken.status, broken.body.as_str()), (503, r#"{"ok":false,"reason":"it is broken"}"#));
    assert_eq!(client.get("/healthz").status, 200);
}

/// Has the root, and everything that nothing else has; a body may be larger than axum's own limit.
struct Everything;

impl Service for Everything {
    fn name(&self) -> &'static str {
        "everything"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let say = async |body: Bytes| respond(StatusCode::OK, "text/plain", format!("{}", body.len()));
        vec![Route::get("/", say), Route::post("/{*rest}", say).max_body_bytes(4 << 20)]
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        respond(refusal.status(), "text/plain", format!("{:?}", refusal.accept()))
    }
}

#[test]
fn a_service_may_have_the_root_and_all_below() {
    let frame = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", Arc::new(Everything));
    assert!(matches!(frame.check(), Err(ServeError::Route { .. })));
    let server = frame.without_index().serve().unwrap();
    let mut client = Client::to(&server);
    assert_eq!(client.get("/").body, "0");
    assert_eq!(client.get("/healthz").body, r#"{"ok":true}"#);
    let bytes = 3 << 20;
    let large = client.ask("POST", "/a/b", &format!("Content-Length: {bytes}\r\n"), &"x".repeat(bytes));
    assert_eq!((large.status, large.body), (200, bytes.to_string()));
    let refused = client.ask("PUT", "/a", "Accept: text/html\r\n", "");
    assert_eq!((refused.status, refused.body.as_str()), (405, "Some(\"text/html\")"));
    assert_eq!(client.ask("PUT", "/", "", "").body, "None");
}

#[test]
fn two_services_at_one_path_are_an_error() {
    let twice = frame().mount("/small", Arc::new(Small::default())).check().unwrap_err();
    assert!(matches!(twice, ServeError::Route { .. }));
    let message = "the service small has a route \"/small/hello\" that is no path, or that is served already";
    assert_eq!(twice.to_string(), message);
    let strange = frame().mount("small{", Arc::new(Small::default())).check().unwrap_err();
    assert!(matches!(strange, ServeError::Route { .. }), "{strange}");
}
