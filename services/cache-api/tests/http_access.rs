//! Who may read: tokens, hosts, addresses, over real sockets; and the same guards in a server of somebody else's.

mod common;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use common::client::{get, get_with, raw};
use common::{frame, nothing};
use ferrometer_http::{Frame, Limits, ServeError, Server};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tower::ServiceExt;

const TOKEN: &str = "5f0c3d1a9be24b7c8c1de0aa7f3b6d42";
const OTHER: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn local() -> Frame {
    frame(nothing()).reload_interval(Duration::ZERO)
}

fn bearer(server: &Server, path: &str, token: &str) -> u16 {
    get_with(server, path, &format!("Authorization: Bearer {token}\r\n")).status
}

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = std::env::temp_dir().join(format!("ferrometer-access-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn with_tokens_everyone_needs_one() {
    let endpoint = local().tokens([format!("one=sha256:{}", hash(TOKEN)), format!("two=sha256:{}", hash(OTHER))]);
    let shown = format!("{endpoint:?}");
    assert!(!shown.contains(&hash(TOKEN)[..8]) && !shown.contains(TOKEN), "{shown}");
    let server = endpoint.serve().unwrap();
    for path in ["/", "/metrics", "/v1/metrics", "/nothing", "/v1/metrics?bad=1"] {
        let none = get(&server, path);
        assert_eq!(
            (none.status, none.header("www-authenticate")),
            (401, Some("Bearer realm=\"ferrometer\"")),
            "{path}"
        );
        assert_eq!(none.error(), "a token is needed: Authorization: Bearer <token>");
        let wrong = get_with(&server, path, "Authorization: Bearer 0123456789abcdef\r\n");
        let challenge = "Bearer realm=\"ferrometer\", error=\"invalid_token\"";
        assert_eq!((wrong.status, wrong.header("www-authenticate")), (401, Some(challenge)));
        assert_eq!(wrong.error(), "the token is not known here");
    }
    for path in ["/healthz", "/readyz"] {
        assert_ne!(get(&server, path).status, 401, "{path}");
    }
    for token in [TOKEN, OTHER] {
        assert_eq!(bearer(&server, "/v1/metrics", token), 200);
    }
    assert_eq!(bearer(&server, "/nothing", TOKEN), 404);
    assert_eq!(bearer(&server, "/v1/metrics", &hash(TOKEN)), 401, "a hash is no token");
    // Who has a token may come under any name.
    let named = format!("GET / HTTP/1.1\r\nHost: metrics.example.com\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    assert_eq!(raw(&server, named.as_bytes()).unwrap().status, 200);
    assert_eq!(server.counts().denied, 11);
}

#[test]
fn the_file_of_tokens_is_read_again() {
    let file = File::new("tokens", &format!("# ours\none=plain:{TOKEN}\n"));
    let server = local().tokens_file(&file.0).serve().unwrap();
    let both = || (bearer(&server, "/", TOKEN), bearer(&server, "/", OTHER));
    assert_eq!(both(), (200, 401));
    fs::write(&file.0, format!("one=sha256:{}\n", hash(OTHER))).unwrap();
    assert_eq!(both(), (401, 200));
    for broken in ["one", "one=plain:short", "\u{0}\u{1}"] {
        fs::write(&file.0, broken).unwrap();
        assert_eq!((both(), both()), ((401, 200), (401, 200)), "{broken:?}");
    }
    // Tokens that are taken away let nobody in, and no mistake brings them back.
    for taken_away in ["", "# none\n", "one"] {
        fs::write(&file.0, taken_away).unwrap();
        assert_eq!(both(), (401, 401), "{taken_away:?}");
    }
    fs::write(&file.0, format!("one=sha256:{}\n", hash(OTHER))).unwrap();
    assert_eq!(both(), (401, 200));
    fs::remove_file(&file.0).unwrap();
    assert_eq!(both(), (401, 401));
    fs::write(&file.0, format!("one=plain:{TOKEN}\ntwo=plain:{OTHER}\n")).unwrap();
    assert_eq!(both(), (200, 200));

    let error = local().tokens_file("/no/such/tokens").check().unwrap_err().to_string();
    assert!(error.starts_with("tokens_file: /no/such/tokens: cannot be read: "), "{error}");
    let error = local().tokens([TOKEN]).serve().unwrap_err().to_string();
    assert_eq!(error, "tokens: token 1 is not of the form name=sha256:<64 hex digits>");
}

#[test]
fn other_hosts_are_refused_where_browsers_could_be_led() {
    let server = local().serve().unwrap();
    let with_host = |server: &Server, line: &str| {
        raw(server, format!("GET /v1/metrics HTTP/1.1\r\n{line}\r\n").as_bytes()).unwrap()
    };
    for host in ["localhost", "LocalHost:80", "127.0.0.1", "[::1]:9620"] {
        assert_eq!(with_host(&server, &format!("Host: {host}\r\n")).status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:9620", "metrics.example.com"] {
        let refused = with_host(&server, &format!("Host: {host}\r\n"));
        let expected = format!(
            "the host {host:?} is not served here; allowed are localhost, loopback addresses, and those in allowed_hosts"
        );
        assert_eq!((refused.status, refused.error()), (403, expected));
    }
    for wrong in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: a b\r\n"] {
        assert!([400, 403].contains(&with_host(&server, wrong).status), "{wrong:?}");
    }
    let absolute = b"GET http://evil.example/v1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(raw(&server, absolute).unwrap().status, 403);
    assert_eq!(server.counts().wrong_host, 7);

    let server = local().allowed_hosts(["metrics.example.com"]).serve().unwrap();
    for (host, status) in [("metrics.example.com:80", 200), ("localhost", 200), ("evil.example", 403)] {
        assert_eq!(with_host(&server, &format!("Host: {host}\r\n")).status, status, "{host}");
    }
    let error = local().allowed_hosts(["http://a"]).check().unwrap_err().to_string();
    assert!(error.starts_with("allowed_hosts: \"http://a\" is no host; expected"), "{error}");
}

#[test]
fn what_others_can_reach_must_be_wanted_so() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let at = || local().address(address.parse().unwrap());
        let error = at().serve().unwrap_err();
        assert!(matches!(error, ServeError::Plaintext { .. }), "{error}");
        let error = error.to_string();
        assert!(error.starts_with(&format!("address = \"{address}\": other machines can reach it")));
        assert!(error.contains("tls_cert") && error.contains("allow_plaintext = true"), "{error}");
        let error = at().allow_plaintext(true).serve().unwrap_err();
        assert!(matches!(error, ServeError::Anonymous { .. }), "{error}");
        assert!(error.to_string().contains("tokens_file") && error.to_string().contains("allow_anonymous = true"));
        at().allow_plaintext(true).allow_anonymous(true).check().unwrap();
        at().allow_plaintext(true).tokens([format!("a=sha256:{}", hash(TOKEN))]).check().unwrap();
        assert!(at().allow_anonymous(true).check().is_err());
    }
    for address in ["127.0.0.1:0", "127.1.2.3:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        local().address(address.parse().unwrap()).check().unwrap();
    }
    let open =
        local().address("0.0.0.0:0".parse().unwrap()).allow_plaintext(true).allow_anonymous(true).serve().unwrap();
    let local: std::net::SocketAddr = ([127, 0, 0, 1], open.local_addr().port()).into();
    let named = raw(local, b"GET /v1/metrics HTTP/1.1\r\nHost: metrics.example.com\r\n\r\n").unwrap();
    assert_eq!(named.status, 200);
}

#[tokio::test]
async fn a_mounted_router_has_the_same_guards() {
    async fn ask(app: &Router, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }
    let endpoint = frame(nothing())
        .tokens([format!("a=sha256:{}", hash(TOKEN))])
        .allowed_hosts(["metrics.example.com"])
        .limits(Limits { max_requests: 1, max_query_bytes: 64, ..Limits::default() });
    let app = Router::new().nest("/internal", endpoint.router().unwrap());
    let bearer = format!("Bearer {TOKEN}");
    let (host, token) = (("host", "metrics.example.com"), ("authorization", bearer.as_str()));
    for (path, headers, status) in [
        ("/internal/healthz", &[][..], 200),
        ("/internal/readyz", &[][..], 503),
        ("/internal/v1/metrics", &[host][..], 401),
        ("/internal/v1/metrics", &[token, ("host", "evil.example")][..], 403),
        ("/internal/v1/metrics", &[host, token][..], 200),
        ("/internal/metrics", &[host, token][..], 200),
        ("/internal/nothing", &[host][..], 401),
        ("/internal/nothing", &[host, token][..], 404),
        (
            "/internal/v1/metrics?x=0123456789012345678901234567890123456789012345678901234567890123",
            &[host, token][..],
            414,
        ),
        ("/internal/v1/metrics", &[host, token, ("content-length", "5")][..], 413),
    ] {
        assert_eq!(ask(&app, path, headers).await.status().as_u16(), status, "{path} {headers:?}");
    }
    // The first answer is in progress until its body is taken or dropped.
    let first = ask(&app, "/internal/v1/metrics", &[host, token]).await;
    assert_eq!(ask(&app, "/internal/v1/metrics", &[host, token]).await.status(), 503);
    drop(first);
    assert_eq!(ask(&app, "/internal/v1/metrics", &[host, token]).await.status(), 200);
}
