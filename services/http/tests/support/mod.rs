//! A small service, and connections that are kept.

#![allow(dead_code)]

use ferrometer_http::{
    Bytes, Extension, Frame, Path, Privilege, Refusal, Response, Rights, Route, Server, Service, StatusCode, respond,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

pub const MS: Duration = Duration::from_millis(1);
pub const WRITE: Privilege = Privilege::new("Measures.Write");
const TEXT: &str = "text/plain; charset=utf-8";

/// Greets, takes measures, and waits where it is told to.
#[derive(Default)]
pub struct Small {
    pub broken: AtomicBool,
}

impl Service for Small {
    fn name(&self) -> &'static str {
        "small"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let count = async |body: Bytes| respond(StatusCode::OK, TEXT, format!("{} bytes", body.len()));
        let large = async || respond(StatusCode::OK, TEXT, "x".repeat(4 << 20));
        let slow = async || {
            tokio::time::sleep(400 * MS).await;
            respond(StatusCode::OK, TEXT, "at last")
        };
        let who = async |Extension(rights): Extension<Rights>| respond(StatusCode::OK, TEXT, format!("{rights:?}"));
        vec![
            Route::get("/hello", async || respond(StatusCode::OK, TEXT, "hello")).about("GET /small/hello", "greets"),
            Route::post("/measures", count).require(WRITE, "/").max_body_bytes(1000),
            Route::get("/open", async || respond(StatusCode::OK, TEXT, "open"))
                .also(ferrometer_http::Method::PUT, count)
                .public(),
            Route::get("/large", large),
            Route::get("/slow", slow),
            Route::get("/who", who).any_token(),
            Route::get("/named/{name}", async |Path(name): Path<String>| respond(StatusCode::OK, TEXT, name)),
        ]
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[WRITE]
    }

    fn ready(&self) -> Result<(), String> {
        if self.broken.load(Relaxed) { Err("it is broken".to_owned()) } else { Ok(()) }
    }

    fn readiness(&self) -> Option<&'static str> {
        Some("it is not broken")
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        respond(refusal.status(), TEXT, format!("small: {}", refusal.message()))
    }
}

pub fn frame() -> Frame {
    Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/small", Arc::new(Small::default()))
}

/// An answer over a connection that may be kept.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name);
        found.map(|(_, value)| value)
    }
}

/// A connection of a client.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Client(BufReader::new(stream))
    }

    pub fn to(server: &Server) -> Client {
        Client::connect(server.local_addr())
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// A request with further header lines, each with its line feed, and a body.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}"));
        self.answer().expect("an answer")
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// Asks, and returns `None` where the server found this client late: on a busy machine a thread may not get to send within a short limit.
    pub fn get_in_time(&mut self, path: &str) -> Option<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        // It may have closed the connection already.
        let _ = self.0.get_mut().write_all(request.as_bytes());
        self.answer().filter(|answer| answer.status != 408)
    }

    /// The next answer, or `None` when the server has closed.
    pub fn answer(&mut self) -> Option<Answer> {
        let mut head = String::new();
        loop {
            let before = head.len();
            if self.0.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if head[before..] == *"\r\n" {
                break;
            }
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer { status, head, body: String::from_utf8(body).unwrap() })
    }

    /// Waits until the server closes; nothing may come before.
    pub fn wait_for_end(&mut self) {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}

pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        thread::sleep(5 * MS);
    }
}
