//! An API over an archive in a directory of its own.
#![allow(dead_code, reason = "not every test needs all of it")]

use ferrometer_archive::{Archive, Options, Sync};
use ferrometer_gnocchi::{Gnocchi, Settings};
use ferrometer_http::{Frame, Limits, Server};
use http::{HeaderMap, HeaderName, header};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// An API behind a frame, and the directory that goes with it.
pub struct Api {
    pub server: Server,
    archive: Arc<Archive>,
    directory: PathBuf,
}

/// An answer.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Returns the JSON of an answer, null where it has no body.
    pub fn value(&self) -> Value {
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Returns the JSON of an answer with this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.value()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Api {
    pub fn new(settings: Settings) -> Api {
        Api::with(settings, Gnocchi::limits())
    }

    pub fn with(settings: Settings, limits: Limits) -> Api {
        Api::made(settings, limits, None)
    }

    /// Makes one whose frame has the tokens of a file of these lines.
    pub fn with_tokens(settings: Settings, lines: &str) -> Api {
        Api::made(settings, Gnocchi::limits(), Some(lines))
    }

    fn made(settings: Settings, limits: Limits, tokens: Option<&str>) -> Api {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("ferrometer-gnocchi-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let options = Options { sync: Sync::None, workers: 1, ..Options::default() };
        let archive = Arc::new(Archive::open(&directory, options).unwrap());
        let gnocchi = Arc::new(Gnocchi::new(Arc::clone(&archive), settings));
        let frame = Frame::new().address("127.0.0.1:0".parse().unwrap()).limits(limits).allowed_hosts(["here"]);
        let frame = match tokens {
            None => frame,
            Some(lines) => {
                let file = directory.join("tokens");
                std::fs::write(&file, lines).unwrap();
                frame.tokens_file(file)
            }
        };
        Api { server: gnocchi.mount(frame).serve().unwrap(), archive, directory }
    }

    pub fn archive(&self) -> Arc<Archive> {
        Arc::clone(&self.archive)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn send(&self, user: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Told {
        let all: Vec<(&str, &str)> = [("host", "here")].iter().chain(headers).copied().collect();
        send(self.server.local_addr(), user, method, path, &all, body)
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.local_addr()).unwrap()
    }

    pub fn get(&self, path: &str) -> Told {
        self.send("admin", "GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: Value) -> Told {
        self.send("admin", "POST", path, &[], body.to_string().as_bytes())
    }

    pub fn patch(&self, path: &str, body: Value) -> Told {
        self.send("admin", "PATCH", path, &[], body.to_string().as_bytes())
    }

    pub fn delete(&self, path: &str) -> Told {
        self.send("admin", "DELETE", path, &[], b"")
    }

    /// Makes a metric, and returns its id.
    pub fn metric(&self, body: Value) -> String {
        self.post("/v1/metric", body).is(201)["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Sends a request on a connection of its own, to the host `localhost` unless the headers name another.
pub fn send(address: SocketAddr, user: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Told {
    use base64::Engine as _;
    let mut all = HeaderMap::new();
    let name = base64::engine::general_purpose::STANDARD.encode(format!("{user}:"));
    all.insert(header::AUTHORIZATION, format!("basic {name}").parse().unwrap());
    all.insert(header::ACCEPT, "application/json".parse().unwrap());
    all.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    all.insert(header::HOST, "localhost".parse().unwrap());
    for (name, value) in headers {
        all.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n").into_bytes();
    for (name, value) in &all {
        request.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    request.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
    request.extend(body);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&request).unwrap();
    answer(&mut stream)
}

/// Sends a request as the administrator.
pub fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Told {
    send(address, "admin", method, path, &[], body.as_bytes())
}

/// Reads an answer up to the end of its connection.
pub fn answer(stream: &mut TcpStream) -> Told {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let all = String::from_utf8(all).unwrap();
    let (head, text) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {all:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
    };
    let headers: HeaderMap = lines.map(header).collect();
    let length = headers.get(header::CONTENT_LENGTH).map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    assert_eq!(text.len(), length, "{head}");
    Told { status, headers, text: text.to_owned() }
}
