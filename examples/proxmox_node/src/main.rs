//! A program that a collector of Proxmox VE or Proxmox Backup Server can read: it serves their routes, and records what they know:
//! its node, a virtual machine and a datastore.
//!
//! `cargo run -p proxmox_node -- metrics.toml` serves what the file says, until its standard input ends:
//!
//! ```toml
//! [metrics]
//! backend = "pull-cache"
//! [metrics.pull_cache]
//! http = true
//! proxmox = true
//! host_metrics = true
//! [metrics.metric_servers]
//! path = "status.cfg"
//! ```

use ferrometer::{get_logger, init};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

static DONE: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("the path of a configuration is needed: proxmox_node metrics.toml")?;
    let metrics = init(path.as_str())?;
    if let Some(address) = metrics.http_address() {
        println!("serving at {address}");
    }
    let work = thread::spawn(work);
    // Until its parent goes away.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    DONE.store(true, Relaxed);
    drop(work.join());
    Ok(())
}

fn work() {
    // Loggers without a name: their metrics are called as Proxmox calls them.
    let machine = get_logger("").for_object("qemu/100");
    let stores = ["store1", "store2"].map(|store| get_logger("").for_object(&format!("datastore/{store}")));
    let (traffic, memory) = (machine.counter("net_in"), machine.gauge("mem_used"));
    machine.send_gauge("mem_total", 1u64 << 30);
    for second in 0.. {
        traffic.add(1500);
        memory.set(f64::from(200 + second % 7) * 1e6);
        for (at, store) in stores.iter().enumerate() {
            store.send_gauge("disk_total", 1e12);
            store.send_gauge("disk_used", (at + 1) as f64 * 1e11);
        }
        if DONE.load(Relaxed) {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}
