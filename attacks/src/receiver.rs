//! A statsd server, over UDP and TCP on one port, that can be away for a while: counts what arrives.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What arrived.
#[derive(Default)]
pub struct Counts {
    /// The sum of all counters' positive values.
    pub up: AtomicU64,
    /// Values of timers and histograms, those with a rate counted as often as they stand for.
    pub values: AtomicU64,
    pub lines: AtomicU64,
    /// Lines that are none.
    pub bad: AtomicU64,
    pub datagrams: AtomicU64,
}

pub struct Receiver {
    pub port: u16,
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

impl Receiver {
    pub fn start() -> Receiver {
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
        Receiver { port, counts, away, ended, threads }
    }

    /// Whether the server is away: its sockets closed.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Relaxed);
    }

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
