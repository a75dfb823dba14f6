//! A statsd receiver that counts: a thread that reads datagrams, at the kernel's default receive buffer.

use crate::drive::{cores, pin, thread_cpu_ns};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Received lines and bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// The sum of counters' values.
    pub sum: u64,
    /// How many values.
    pub values: u64,
    pub datagrams: u64,
    /// Processor time of the thread.
    pub cpu_ns: u64,
}

pub struct Receiver {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    datagrams: Arc<AtomicU64>,
    thread: JoinHandle<Received>,
}

impl Receiver {
    /// Counts the lines whose name ends with `name`, which includes the colon.
    pub fn start(name: &'static str) -> Receiver {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let address = socket.local_addr().expect("an address");
        let (stop, datagrams) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopping, seen) = (Arc::clone(&stop), Arc::clone(&datagrams));
        let thread = thread::spawn(move || {
            let cores = cores();
            pin(cores[cores.len() - 1]);
            let mut received = Received::default();
            let mut buffer = vec![0; 65536];
            while !stopping.load(Relaxed) {
                let Ok(length) = socket.recv(&mut buffer) else { continue };
                received.datagrams += 1;
                buffer[..length].split(|b| *b == b'\n').for_each(|line| received.line(line, name.as_bytes()));
                seen.store(received.datagrams, Relaxed);
            }
            received.cpu_ns = thread_cpu_ns();
            received
        });
        Receiver { address, stop, datagrams, thread }
    }

    /// Waits until nothing more comes in.
    pub fn settle(&self) {
        let mut before = u64::MAX;
        loop {
            let now = self.datagrams.load(Relaxed);
            if now == before {
                return;
            }
            before = now;
            thread::sleep(Duration::from_millis(60));
        }
    }

    pub fn stop(self) -> Received {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the receiver")
    }
}

impl Received {
    /// `name:1|c`, `name:1|ms:2|ms`, `name:1:2|ms|#tag`.
    fn line(&mut self, line: &[u8], name: &[u8]) {
        // ferrometer's own metrics are not what is measured.
        if line.starts_with(b"ferrometer.") {
            return;
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else { return };
        let (head, rest) = line.split_at(colon + 1);
        if !head.ends_with(name) {
            return;
        }
        // Tags have colons of their own.
        let rest = rest.split(|b| *b == b'#').next().unwrap_or_default();
        for value in rest.split(|b| *b == b':') {
            self.values += 1;
            let digits = value.iter().take_while(|b| b.is_ascii_digit());
            self.sum += digits.fold(0, |n, d| n * 10 + u64::from(d - b'0'));
        }
    }
}
