//! A server of metrics on a thread of its own, whose CPU time is known: it keeps what it is sent, and says at once that all of it was written. What it kept
//! is read when nothing is measured.

use crate::drive::clock_ns;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::thread::JoinHandleExt;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// The meaning of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Lines,
    RemoteWrite,
    Otlp,
}

type Bodies = Arc<Mutex<Vec<(bool, Vec<u8>)>>>;

pub struct Sink {
    pub address: SocketAddr,
    format: Format,
    bodies: Bodies,
    thread: JoinHandle<()>,
}

impl Sink {
    pub fn start(format: Format) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let bodies = Bodies::default();
        let kept = Arc::clone(&bodies);
        // One connection at a time: each client keeps one.
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &kept);
            }
        });
        Sink { address, format, bodies, thread }
    }

    /// The CPU time of its thread so far.
    pub fn cpu_ns(&self) -> u64 {
        let mut clock = 0;
        // SAFETY: the thread is not joined, and `clock` is valid for writing.
        let failed = unsafe { libc::pthread_getcpuclockid(self.thread.as_pthread_t(), &mut clock) };
        assert!(failed == 0, "no clock of a thread");
        clock_ns(clock)
    }

    pub fn forget(&self) {
        self.bodies.lock().expect("no panic").clear();
    }

    pub fn delivery(&self) -> Arrived<'_> {
        Arrived(self)
    }

    pub fn connect(&self) -> Way {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Way(stream)
    }
}

fn serve(stream: TcpStream, bodies: &Mutex<Vec<(bool, Vec<u8>)>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    loop {
        let (mut length, mut is_gzip) = (0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            is_gzip |= line == "content-encoding: gzip";
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        bodies.lock().expect("no panic").push((is_gzip, body));
        // The header says to who speaks remote write 2.0 that everything was written.
        writer.write_all(
            b"HTTP/1.1 200 OK\r\nX-Prometheus-Remote-Write-Samples-Written: 1000000000\r\nContent-Length: 0\r\n\r\n",
        )?;
    }
}

/// A client that does nothing but send.
pub struct Way(TcpStream);

impl Way {
    pub fn post(&mut self, body: &[u8]) {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        self.0.write_all(head.as_bytes()).expect("a request");
        self.0.write_all(body).expect("a request");
        let mut answer = [0; 1024];
        let mut read = 0;
        while !answer[..read].ends_with(b"\r\n\r\n") {
            read += self.0.read(&mut answer[read..]).expect("an answer");
        }
    }
}

/// One delivery as it arrived.
pub struct Arrived<'s>(&'s Sink);

impl Arrived<'_> {
    /// How many bytes it had on the wire.
    pub fn bytes(&self) -> usize {
        self.0.bodies.lock().expect("no panic").iter().map(|(_, body)| body.len()).sum()
    }

    /// Returns what the series `id` have come to together.
    pub fn sum(&self) -> u64 {
        let bodies = self.0.bodies.lock().expect("no panic");
        bodies.iter().map(|(is_gzip, body)| of_body(self.0.format, &plain(self.0.format, *is_gzip, body))).sum()
    }
}

fn plain(format: Format, is_gzip: bool, body: &[u8]) -> Vec<u8> {
    match format {
        Format::RemoteWrite => snap::raw::Decoder::new().decompress_vec(body).expect("snappy"),
        _ if is_gzip => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain).expect("gzip");
            plain
        }
        _ => body.to_vec(),
    }
}

fn of_body(format: Format, body: &[u8]) -> u64 {
    // Series of ferrometer itself have no label `id`.
    match format {
        Format::Lines => {
            let text = std::str::from_utf8(body).expect("text");
            let ours = text.lines().filter(|line| line.starts_with("app.requests,id="));
            ours.map(|line| line.split("value=").nth(1).expect("a value").split('i').next().expect("a number"))
                .map(|n| n.parse::<u64>().expect("a number"))
                .sum()
        }
        // The first bodies are of 1.0 before the server is known to take 2.0, whose requests begin with a symbol.
        Format::RemoteWrite if body.first() != Some(&(4 << 3 | 2)) => {
            let mut sum = 0.0;
            fields(body, &mut |field, series| {
                if field == 1 && contains(series, b"app_requests_total") {
                    at(series, &[2, 1], &mut |value| sum += f64::from_le_bytes(value.try_into().expect("a double")));
                }
            });
            sum as u64
        }
        Format::RemoteWrite => {
            let (mut symbols, mut sum) = (Vec::new(), 0.0);
            at(body, &[4], &mut |symbol| symbols.push(symbol.to_vec()));
            let id = symbols.iter().position(|symbol| symbol == b"app_requests_total").map(|at| at as u64);
            at(body, &[5], &mut |series| {
                let mut refs = Vec::new();
                at(series, &[1], &mut |packed| {
                    let mut rest = packed;
                    while !rest.is_empty() {
                        refs.push(varint(&mut rest));
                    }
                });
                if id.is_some_and(|id| refs.contains(&id)) {
                    at(series, &[2, 1], &mut |value| sum += f64::from_le_bytes(value.try_into().expect("a double")));
                }
            });
            sum as u64
        }
        Format::Otlp => {
            let mut sum = 0;
            at(body, &[1, 2, 2], &mut |metric| {
                at(metric, &[1], &mut |name| {
                    if name == b"app.requests" {
                        at(metric, &[7, 1, 6], &mut |value| {
                            sum += u64::from_le_bytes(value.try_into().expect("eight bytes"));
                        });
                    }
                });
            });
            sum
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Calls `each` with every field at a path of numbers, as bytes.
fn at(message: &[u8], path: &[u64], each: &mut dyn FnMut(&[u8])) {
    let Some((first, rest)) = path.split_first() else { return each(message) };
    fields(message, &mut |field, value| {
        if field == *first {
            at(value, rest, each);
        }
    });
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first().expect("a number");
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn fields<'b>(mut rest: &'b [u8], each: &mut dyn FnMut(u64, &'b [u8])) {
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let length = match key & 7 {
            0 => {
                varint(&mut rest);
                continue;
            }
            1 => 8,
            2 => varint(&mut rest) as usize,
            other => panic!("a field of type {other}"),
        };
        let (value, behind) = rest.split_at(length);
        rest = behind;
        each(key >> 3, value);
    }
}
