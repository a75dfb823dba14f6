//! A server that keeps what it is sent and answers as it is told; and requests to real ones.

use flate2::read::GzDecoder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request that arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `POST`, say.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub wire: Vec<u8>,
    /// Decompressed where it says `gzip`.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, further headers as lines, and a body.
    Status(u16, &'static str, Vec<u8>),
    /// The connection is cut after the request was read.
    Cut,
    /// The status, then bytes without an end.
    Endless,
    /// No answer for so long.
    Slow(Duration),
    /// Bytes that are no answer.
    Garbage,
}

impl Answer {
    /// A status without a body.
    pub fn status(status: u16) -> Answer {
        Answer::Status(status, "", Vec::new())
    }
}

type Handler = dyn FnMut(&Request) -> Answer + Send;

/// The server. It stops taking connections when it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<std::sync::atomic::AtomicBool>,
}

impl Server {
    /// Starts one whose answers a function gives.
    ///
    /// # Panics
    /// When no socket can be had.
    pub fn start(handler: impl FnMut(&Request) -> Answer + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, stopped) = (Arc::default(), Arc::default());
        let server = Server { address, requests: Arc::clone(&requests), stopped: Arc::clone(&stopped) };
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), handler, requests) = (stream, Arc::clone(&handler), Arc::clone(&requests)) else {
                    continue;
                };
                let requests: Arc<Mutex<Vec<Request>>> = requests;
                thread::spawn(move || {
                    let _ = serve(&stream, &handler, &requests);
                });
            }
        });
        server
    }

    /// Returns the requests that have arrived.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns the requests that have arrived, and forgets them.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    /// Its address as `http://…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, handler: &Mutex<Handler>, requests: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream.try_clone()?;
    while let Some(request) = read(&mut reader)? {
        let answer = (handler.lock().unwrap())(&request);
        requests.lock().unwrap().push(request);
        match answer {
            Answer::Status(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
                let head = if status == 204 { head.replace("Content-Length: 0\r\n", "") } else { head };
                stream.write_all(head.as_bytes())?;
                stream.write_all(&body)?;
            }
            Answer::Cut => return Ok(()),
            Answer::Slow(pause) => {
                thread::sleep(pause);
                return Ok(());
            }
            Answer::Garbage => return stream.write_all(b"\0\x01 what?\r\n\r\n\r\n"),
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 4096])?;
                }
            }
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    request.wire = vec![0; length];
    reader.read_exact(&mut request.wire)?;
    request.body = request.wire.clone();
    if request.header("content-encoding") == Some("gzip") {
        request.body.clear();
        GzDecoder::new(request.wire.as_slice()).read_to_end(&mut request.body)?;
    }
    Ok(Some(request))
}

/// One request to a real server; status and body.
///
/// # Panics
/// When there is no answer.
pub fn ask(address: SocketAddr, method: &str, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    // Version 1.0: the answer ends with the connection, in one part.
    write!(stream, "{method} {target} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}

/// A text as a part of a query.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
