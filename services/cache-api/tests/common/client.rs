//! A client that speaks just enough HTTP to say anything, and to see everything.

use ferrometer_http::Server;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Where to ask.
pub trait ToAddr: Copy {
    fn addr(self) -> SocketAddr;
}

impl ToAddr for &Server {
    fn addr(self) -> SocketAddr {
        self.local_addr()
    }
}

impl ToAddr for SocketAddr {
    fn addr(self) -> SocketAddr {
        self
    }
}

/// An answer, its body put together from its chunks.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        assert!(self.has("content-type: application/json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The one value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        let mut found = self.head.lines().filter(|l| line(l)).filter_map(|l| Some(l.split_once(':')?.1.trim()));
        let one = found.next();
        assert_eq!(found.next(), None, "{}", self.head);
        one
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn has(&self, header: &str) -> bool {
        self.head.to_ascii_lowercase().lines().filter(|l| *l == header).count() == 1
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

/// Sends bytes and reads until the server closes: where a head is whole and does not say so, it is told to. `None` when it closed without
/// an answer.
pub fn raw(server: impl ToAddr, request: &[u8]) -> Option<Answer> {
    let close = b"Connection: close\r\n";
    let line = request.windows(2).position(|w| w == b"\r\n").map(|at| at + 2);
    let has_head = request.windows(4).any(|w| w == b"\r\n\r\n") && request.windows(5).any(|w| w == b"HTTP/");
    let told = request.windows(close.len()).any(|w| w == close);
    let request = match line.filter(|_| has_head && !told) {
        Some(at) => [&request[..at], close, &request[at..]].concat(),
        None => request.to_vec(),
    };
    exactly(server, &request)
}

/// Sends these bytes and no others, and reads until the server closes.
pub fn exactly(server: impl ToAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    // The server may have answered and closed before it has read everything.
    let _ = stream.write_all(request);
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        Err(e) => panic!("{e}"),
    }
    let end = all.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = all[end + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunk(&body);
    }
    Some(Answer { status, head, body })
}

pub fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if len == 0 {
            return out;
        }
        out.extend(&rest[end + 2..end + 2 + len]);
        rest = &rest[end + 2 + len + 2..];
    }
}

pub fn ask(server: impl ToAddr, method: &str, target: &str) -> Answer {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    raw(server, request.as_bytes()).unwrap()
}

pub fn get(server: impl ToAddr, target: &str) -> Answer {
    ask(server, "GET", target)
}

/// A GET with further header lines, each with its line feed.
pub fn get_with(server: impl ToAddr, target: &str, headers: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    raw(server, request.as_bytes()).unwrap()
}

/// Asks over a connection that takes in little before it is read from, and does not read.
pub fn ask_slowly(server: impl ToAddr, target: &str) -> TcpStream {
    ask_slowly_with(server, target, "")
}

/// Asks with further header lines, each with its line feed.
pub fn ask_slowly_with(server: impl ToAddr, target: &str, headers: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.connect(&server.addr().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    stream
}
