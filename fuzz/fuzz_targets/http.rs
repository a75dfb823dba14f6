//! Bytes to the real endpoint, over a socket: every answer has a known shape, nothing panics (a panic in any thread ends the process), and
//! without the token nothing is shown.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use ferrometer_cache_api::CacheApi;
use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView};
use ferrometer_http::{Frame, Limits, Server};
use ferrometer_prometheus::Prometheus;
use ferrometer_pull_cache::{PullCacheBackend, Settings};
use ferrometer_scrape::Scrape;
use libfuzzer_sys::fuzz_target;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef-the-token";
/// Its SHA-256.
const DIGEST: &str = "the-reader=sha256:a10a937ce43577c215f0b29a6e96b496fca3d5cd4ba7d61f513c2a9955e3c87a";
const SECRET: &str = "fuzz_secret";

struct Servers {
    open: Server,
    closed: Server,
}

/// Records and totals of the same snapshots.
struct Pair(Prometheus, PullCacheBackend);

impl Backend for Pair {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.0.observe(view);
        self.1.publish(view)
    }
}

fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let totals = Prometheus::new(Default::default());
        let cache = PullCacheBackend::new(Settings::default().generations(3));
        let frame = Frame::new()
            .mount("/", Arc::new(CacheApi::new(cache.handle())))
            .mount("/", Arc::new(Scrape::new(totals.handle())));
        let backend = Pair(totals, cache);
        ferrometer_core::install("pull-cache", Box::new(backend), Duration::from_secs(3600)).expect("installed");
        let logger = ferrometer_core::get_logger(SECRET);
        for generation in 0..3 {
            for i in 0..20 {
                logger.with("i", &i.to_string()).send_counter("c", 1);
                logger.send_timer(format!("t{i}"), Duration::from_millis(i));
            }
            assert!(ferrometer_core::flush(Duration::from_secs(5)).complete);
            std::thread::sleep(Duration::from_millis(if generation < 2 { 1010 } else { 0 }));
        }
        let limits = Limits {
            header_timeout: Duration::from_millis(200),
            idle_timeout: Duration::from_millis(200),
            max_header_bytes: 2048,
            max_query_bytes: 512,
            ..Limits::default()
        };
        let at = "127.0.0.1:0".parse().expect("an address");
        let frame = frame.address(at).limits(limits);
        let open = frame.clone().serve().expect("served");
        let closed = frame.tokens([DIGEST]).serve().expect("served");
        Servers { open, closed }
    })
}

#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    /// Made of parts: the answer is then checked to its end.
    head_only: Option<bool>,
    token: bool,
    closed: bool,
}

const METHODS: &[&str] = &["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT"];
const PATHS: &[&str] =
    &["/v1/metrics", "/v1/metrics", "/v1/metrics", "/metrics", "/", "/healthz", "/readyz", "/v1/metrics/"];
const QUERY: &[&str] = &[
    "name[]=",
    "name[]=fuzz_secret_c_total",
    "name%5B%5D=x",
    "format=",
    "format=text",
    "format=openmetrics",
    "format=protobuf",
    "history=1",
    "history=0",
    "start-time=",
    "start-time=0",
    "start-time=-1",
    "limit=",
    "limit=1",
    "limit=3",
    "after=",
    "name=",
    "name=*",
    "name=fuzz_secret.t1*",
    "id=host",
    "id=",
    "&",
    "=",
    "%",
    "%00",
    "%2A",
    "%f0",
    "+",
];
const HEADERS: &[&str] = &[
    "Accept: application/x-ndjson\r\n",
    "Accept: application/json\r\n",
    "Accept: */*;q=0\r\n",
    "Accept: text/html\r\n",
    "Accept: application/openmetrics-text;version=1.0.0\r\n",
    "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n",
    "Accept-Encoding: gzip\r\n",
    "Accept-Encoding: zstd\r\n",
    "Accept-Encoding: gzip;q=0, *;q=0.5\r\n",
    "If-None-Match: *\r\n",
    "If-None-Match: \"",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Authorization: Bearer ",
    "Authorization: Basic YQ==\r\n",
    "Upgrade: h2c\r\n",
    "Host: evil.example\r\n",
    "Accept: ",
    "X: ",
];

impl<'a> Arbitrary<'a> for Request {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Request> {
        let closed = u.arbitrary()?;
        if u.ratio(1, 4)? {
            return Ok(Request { bytes: u.arbitrary::<Vec<u8>>()?, head_only: None, token: false, closed });
        }
        let piece = |u: &mut Unstructured<'a>, bytes: &mut Vec<u8>, known: &[&str]| -> arbitrary::Result<()> {
            if u.ratio(3, 4)? {
                bytes.extend_from_slice(u.choose(known)?.as_bytes());
            } else {
                // Whatever may stand there without ending the line.
                bytes.extend(
                    u.arbitrary::<&[u8]>()?.iter().copied().filter(|b| !b"\r\n \0".contains(b) && *b > b' ').take(300),
                );
            }
            Ok(())
        };
        let method = *u.choose(METHODS)?;
        let mut bytes = format!("{method} ").into_bytes();
        piece(u, &mut bytes, PATHS)?;
        if u.arbitrary()? {
            bytes.push(b'?');
            for at in 0..u.int_in_range(0..=8)? {
                if at > 0 && u.arbitrary()? {
                    bytes.push(b'&');
                }
                piece(u, &mut bytes, QUERY)?;
            }
        }
        bytes.extend_from_slice(b" HTTP/1.1\r\nConnection: close\r\n");
        if !u.ratio(1, 20)? {
            bytes.extend_from_slice(b"Host: localhost\r\n");
        }
        let token = closed && u.ratio(1, 2)?;
        if token {
            bytes.extend_from_slice(format!("Authorization: Bearer {TOKEN}\r\n").as_bytes());
        }
        for _ in 0..u.int_in_range(0..=5)? {
            let begin = bytes.len();
            piece(u, &mut bytes, HEADERS)?;
            if !bytes[begin..].ends_with(b"\r\n") {
                bytes.extend(u.arbitrary::<&[u8]>()?.iter().copied().filter(|b| !b"\r\n\0".contains(b)).take(300));
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes.extend_from_slice(b"\r\n");
        Ok(Request { bytes, head_only: Some(method == "HEAD"), token, closed })
    }
}

fn exchange(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.local_addr()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    // The server may have answered and closed before it has read everything.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(e) if e.kind() != ErrorKind::ConnectionReset => panic!("no end of an answer: {e}"),
        _ => all,
    }
}

/// A body put together from its chunks; `None` when they do not end as they should.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n")?;
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = &rest[end + 2..];
        out.extend(rest.get(..len)?);
        if rest.get(len..len + 2)? != b"\r\n" {
            return None;
        }
        rest = &rest[len + 2..];
        if len == 0 {
            return rest.is_empty().then_some(out);
        }
    }
}

const STATUS: &[u16] = &[200, 304, 400, 401, 403, 404, 405, 406, 408, 410, 413, 414, 431, 503];

fn check(request: &Request, answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head that ends");
    let head = std::str::from_utf8(&answer[..end]).expect("a head of text");
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|l| l.strip_prefix("HTTP/1.1 ").or(l.strip_prefix("HTTP/1.0 "))).expect("a status line");
    let status: u16 = status[..3].parse().expect("a status");
    assert!(STATUS.contains(&status), "{head}");
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("header {line:?}"));
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{line:?}");
        assert!(!value.chars().any(char::is_control), "{line:?}");
        headers.push((name, value));
    }
    let header = |name: &str| {
        let mut found = headers.iter().filter(|(n, _)| *n == name).map(|(_, v)| *v);
        let one = found.next();
        assert_eq!(found.next(), None, "{name} twice in {head}");
        one
    };
    let Some(head_only) = request.head_only else { return };
    let mut body = answer[end + 4..].to_vec();
    if head_only || status == 304 {
        assert!(body.is_empty(), "a body where there is none: {head}");
        return;
    }
    if header("transfer-encoding") == Some("chunked") {
        body = unchunk(&body).expect("whole chunks");
    } else if let Some(length) = header("content-length") {
        assert_eq!(length.parse::<usize>().ok(), Some(body.len()), "{head}");
    }
    if header("content-encoding").is_some() {
        return;
    }
    let kind = header("content-type");
    if kind.is_some_and(|k| k.starts_with("application/vnd.google.protobuf")) {
        ferrometer_fuzz::prometheus::protobuf::parse(&body).unwrap_or_else(|e| panic!("{e}"));
        return;
    }
    let text = std::str::from_utf8(&body).expect("a body of text");
    match kind {
        Some("application/json") => {
            let value: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
            let said = ["error", "reason"].iter().any(|key| value[key].as_str().is_some_and(|e| !e.is_empty()));
            assert!(status == 200 || said, "{status} {text}");
        }
        Some("application/x-ndjson") => text.lines().for_each(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        }),
        Some(kind) if kind.starts_with("text/plain; version=0.0.4") => {
            ferrometer_fuzz::prometheus::parse(text).unwrap_or_else(|e| panic!("{e}"));
        }
        Some(kind) if kind.starts_with("application/openmetrics-text") => {
            ferrometer_fuzz::prometheus::openmetrics::parse(text).unwrap_or_else(|e| panic!("{e}"));
        }
        Some(kind) if kind.starts_with("text/plain") => {}
        // hyper's own refusals of what is not HTTP have no body.
        None => assert!(body.is_empty(), "{head}"),
        Some(kind) => assert!(status == 200, "{kind}"),
    }
    if request.closed && !request.token {
        assert!(!text.contains(SECRET) || status != 200, "shown without a token: {head}");
    }
}

fuzz_target!(|request: Request| {
    let servers = servers();
    let server = if request.closed { &servers.closed } else { &servers.open };
    let answer = exchange(server, &request.bytes);
    check(&request, &answer);
    if request.closed && !request.token && !request.bytes.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes()) {
        let told = answer.windows(12).any(|w| w == b"fuzz_secret.");
        // An error may repeat what the request named, and no more.
        assert!(!told || request.bytes.windows(12).any(|w| w == b"fuzz_secret."), "shown without a token");
    }
});
