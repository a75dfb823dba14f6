//! The least that a program with statsd and a configuration file does: as `lean.rs`, with an address from a file of TOML.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

static COUNTED: AtomicU64 = AtomicU64::new(0);

fn address() -> Result<String, String> {
    if let Ok(address) = std::env::var("METRICS_STATSD") {
        return Ok(address);
    }
    let text = std::fs::read_to_string("metrics.toml").unwrap_or_default();
    let table = toml::de::DeTable::parse(&text).map_err(|error| error.to_string())?;
    let mut address = "127.0.0.1:8125".to_owned();
    for (key, value) in table.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref().as_str()) {
            ("statsd", Some(text)) => address = text.to_owned(),
            (key, _) => tracing::warn!("{key} is like {}", strsim::jaro(key, "statsd")),
        }
    }
    Ok(address)
}

fn main() {
    let (address, socket) = (address().expect("a file"), UdpSocket::bind("0.0.0.0:0").expect("a socket"));
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
