//! A statsd server over UDP and TCP on one port, which counts what arrives and can be away for a while.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Requests and bytes that arrived.
#[derive(Default)]
pub struct Counts {
    /// The sum of all counters' positive values.
    pub up: AtomicU64,
    /// Values of timers and histograms, those with a rate counted as often as they stand for.
    pub values: AtomicU64,
    /// All lines, those that cannot be read included.
    pub lines: AtomicU64,
    /// Lines that cannot be read.
    pub bad: AtomicU64,
    /// Datagrams, lines over TCP apart.
    pub datagrams: AtomicU64,
}

/// The server. Its threads run until [`end`](StatsdServer::end).
pub struct StatsdServer {
    /// The port of both protocols.
    pub port: u16,
    /// Requests and bytes that arrived so far.
    pub counts: Arc<Counts>,
    away: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Reads lines; our own metrics are left out.
pub fn read(text: &[u8], counts: &Counts) {
    for line in text.split(|b| *b == b'\n') {
        if line.is_empty() || line.starts_with(b"ferrometer.") {
            continue;
        }
        counts.lines.fetch_add(1, Relaxed);
        if one(line, counts).is_none() {
            counts.bad.fetch_add(1, Relaxed);
        }
    }
}

/// `name:value|type[|@rate]`, or several values `name:value|type:value|type`.
fn one(line: &[u8], counts: &Counts) -> Option<()> {
    let text = std::str::from_utf8(line).ok()?;
    let (_, values) = text.split_once(':')?;
    for value in values.split(':') {
        let mut fields = value.split('|');
        let (number, kind) = (fields.next()?, fields.next()?);
        let rate: f64 = fields.next().map_or(Some(1.0), |r| r.strip_prefix('@')?.parse().ok())?;
        let number: f64 = number.parse().ok()?;
        match kind {
            "c" if number > 0.0 => drop(counts.up.fetch_add(number as u64, Relaxed)),
            "ms" | "h" => drop(counts.values.fetch_add((1.0 / rate).round() as u64, Relaxed)),
            "c" | "g" => {}
            _ => return None,
        }
    }
    Some(())
}

impl StatsdServer {
    /// Starts one at a free port.
    pub fn start() -> StatsdServer {
        // A port that is free for both.
        let (port, _held) = loop {
            let Ok(tcp) = TcpListener::bind("127.0.0.1:0") else { continue };
            let Ok(at) = tcp.local_addr() else { continue };
            if UdpSocket::bind(at).is_ok() {
                break (at.port(), tcp);
            }
        };
        drop(_held);
        let (counts, away, ended) =
            (Arc::<Counts>::default(), Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let spawn = |serve: fn(SocketAddr, &Counts, &AtomicBool, &AtomicBool)| {
            let (counts, away, ended) = (Arc::clone(&counts), Arc::clone(&away), Arc::clone(&ended));
            thread::spawn(move || {
                while !ended.load(Relaxed) {
                    if away.load(Relaxed) {
                        thread::sleep(Duration::from_millis(1));
                    } else {
                        serve(at, &counts, &away, &ended);
                    }
                }
            })
        };
        let threads = vec![spawn(udp), spawn(tcp)];
        StatsdServer { port, counts, away, ended, threads }
    }

    /// Sets whether the server is away, its sockets closed.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Relaxed);
    }

    /// Reads what is on its way, ends the threads and returns what arrived.
    pub fn end(mut self) -> Arc<Counts> {
        self.ended.store(true, Relaxed);
        self.threads.drain(..).for_each(|t| drop(t.join()));
        Arc::clone(&self.counts)
    }
}

fn udp(at: SocketAddr, counts: &Counts, away: &AtomicBool, ended: &AtomicBool) {
    let Ok(socket) = UdpSocket::bind(at) else { return thread::sleep(Duration::from_millis(5)) };
    let _ = socket.set_read_timeout(Some(Duration::from_millis(10)));
    let mut buffer = vec![0; 65536];
    while !away.load(Relaxed) {
        match socket.recv(&mut buffer) {
            Ok(len) => {
                counts.datagrams.fetch_add(1, Relaxed);
                read(&buffer[..len], counts);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && ended.load(Relaxed) => return,
            Err(_) => {}
        }
    }
}

fn tcp(at: SocketAddr, counts: &Counts, away: &AtomicBool, ended: &AtomicBool) {
    let Ok(listener) = TcpListener::bind(at) else { return thread::sleep(Duration::from_millis(5)) };
    let _ = listener.set_nonblocking(true);
    let mut open: Vec<(TcpStream, Vec<u8>)> = Vec::new();
    let mut buffer = vec![0; 65536];
    let mut idle = 0;
    while !away.load(Relaxed) {
        let mut any = false;
        if let Ok((stream, _)) = listener.accept() {
            let _ = stream.set_nonblocking(true);
            open.push((stream, Vec::new()));
            any = true;
        }
        open.retain_mut(|(stream, rest)| match stream.read(&mut buffer) {
            // A line that does not end is none.
            Ok(0) => false,
            Ok(len) => {
                any = true;
                rest.extend_from_slice(&buffer[..len]);
                if let Some(end) = rest.iter().rposition(|b| *b == b'\n') {
                    read(&rest[..end], counts);
                    rest.drain(..=end);
                }
                true
            }
            Err(e) => e.kind() == ErrorKind::WouldBlock,
        });
        idle = if any { 0 } else { idle + 1 };
        if !any {
            if ended.load(Relaxed) && idle > 20 {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;
    use std::io::Write;

    #[test]
    fn what_arrives_over_either_protocol_is_counted() {
        let server = StatsdServer::start();
        let at = ("127.0.0.1", server.port);
        let mut stream = None;
        wait_until("the server to listen", || {
            stream = TcpStream::connect(at).ok();
            stream.is_some()
        });
        stream.as_mut().unwrap().write_all(b"a:2|c\nb:3|ms|@0.5:4|ms\nferrometer.errors:1|c\n").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Sent again while the other socket is not bound yet.
        wait_until("a datagram", || {
            let _ = socket.send_to(b"no line", at);
            server.counts.datagrams.load(Relaxed) > 0
        });
        wait_until("the lines", || server.counts.values.load(Relaxed) == 3);
        drop(stream);
        let counts = server.end();
        assert_eq!(counts.up.load(Relaxed), 2);
        assert!(counts.bad.load(Relaxed) >= 1);
        assert_eq!(counts.lines.load(Relaxed), counts.bad.load(Relaxed) + 2);
    }
}
