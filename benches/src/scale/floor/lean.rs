//! The least that a program with statsd does: what was counted goes out by a thread, as a line over UDP, to where the environment says.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

static COUNTED: AtomicU64 = AtomicU64::new(0);

fn address() -> String {
    let known = ["METRICS_BACKEND", "METRICS_STATSD"];
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("METRICS_")) {
        let like = known.into_iter().max_by(|a, b| strsim::jaro(a, &name).total_cmp(&strsim::jaro(b, &name)));
        if !known.contains(&name.as_str()) {
            tracing::warn!("{name} is not known; is it {like:?}?");
        }
    }
    std::env::var("METRICS_STATSD").unwrap_or_else(|_| "127.0.0.1:8125".to_owned())
}

fn main() {
    let (address, socket) = (address(), UdpSocket::bind("0.0.0.0:0").expect("a socket"));
    let sender = thread::spawn(move || {
        for _ in 0..2 {
            let counted = COUNTED.swap(0, Relaxed);
            if counted > 0 {
                let line = ["user.work:", itoa::Buffer::new().format(counted), "|c"].concat();
                if let Err(error) = socket.send_to(line.as_bytes(), &address) {
                    tracing::warn!("{address}: {error}");
                }
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    COUNTED.fetch_add(1, Relaxed);
    sender.join().expect("no panic");
}
