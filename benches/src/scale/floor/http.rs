//! The least that a program with an endpoint of its own does: one thread that answers `GET /metrics`, one connection after the other.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

static COUNTED: AtomicU64 = AtomicU64::new(0);

fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let (mut head, mut len) = ([0; 8192], 0);
    loop {
        let read = stream.read(&mut head[len..])?;
        len += read;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head[..len]) {
            Ok(httparse::Status::Partial) if read > 0 => continue,
            Ok(httparse::Status::Complete(_)) if request.path == Some("/metrics") => {
                let text = ["user_work_total ", itoa::Buffer::new().format(COUNTED.load(Relaxed)), "\n"].concat();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", text.len());
                return stream.write_all(&[head.as_bytes(), text.as_bytes()].concat());
            }
            _ => return stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        }
    }
}

fn main() {
    let address = std::env::var("METRICS_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(&address).expect("a port");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            if let Err(error) = answer(&mut stream) {
                tracing::warn!("{address}: {error}");
            }
        }
    });
    COUNTED.fetch_add(1, Relaxed);
}
