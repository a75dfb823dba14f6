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
    let all = all(server, request).unwrap();
    let (status, head, body) = parts(&all)?;
    let body = if is_chunked(&head) { unchunk(&body) } else { body };
    Some(Answer { status, head, body })
}

/// Asks for JSON; `None` where the answer, or its end, does not come: the server leaves a client that is late to read.
pub fn get_whole(server: impl ToAddr, target: &str) -> Option<Answer> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (status, head, body) = parts(&all(server, request.as_bytes()).ok()?)?;
    let is_whole = !is_chunked(&head) || body.ends_with(b"\r\n0\r\n\r\n");
    let body = if is_whole && is_chunked(&head) { unchunk(&body) } else { body };
    Some(Answer { status, head, body }).filter(|_| is_whole)
}

fn is_chunked(head: &str) -> bool {
    head.to_ascii_lowercase().contains("transfer-encoding: chunked")
}

/// Everything that the server says until it closes.
fn all(server: impl ToAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    // The server may have answered and closed before it has read everything.
    let _ = stream.write_all(request);
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        Err(e) => return Err(e),
    }
    Ok(all)
}

/// The status, the head and what stands behind it.
fn parts(all: &[u8]) -> Option<(u16, String, Vec<u8>)> {
    let end = all.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, head, all[end + 4..].to_vec()))
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

/// Asks until the request comes within a short limit of the server: on a busy machine a thread may not get to send it in time.
pub fn get_in_time(server: impl ToAddr, target: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let ask = || raw(server, request.as_bytes()).filter(|answer| answer.status != 408);
    (0..200).find_map(|_| ask()).expect("an answer to a request that is in time")
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
