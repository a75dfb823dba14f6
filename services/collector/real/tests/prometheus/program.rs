//! A program with ferrometer, whose metrics a Prometheus scrapes. It is this test binary itself.

use super::support::free_port;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CONFIGURATION: &str = "FERROMETER_COLLECTOR_PROGRAM";

/// A gauge of four series in two groups, and a third.
pub const USAGE: &str = "app_usage";
/// A counter with the same labels.
pub const WORK: &str = "app_work_total";
/// A gauge that is 1.
pub const ONE: &str = "app_one";

/// A program that ends with this value.
pub struct Program {
    child: Child,
    pub port: u16,
}

impl Program {
    /// Starts one that serves `/metrics`, with further lines of its endpoint's configuration.
    pub fn start(endpoint: &str) -> Program {
        let port = free_port();
        let toml = format!(
            "[metrics]\nbackend = \"prometheus\"\n[metrics.prometheus]\naddress = \"127.0.0.1:{port}\"\n{endpoint}"
        );
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env(CONFIGURATION, toml)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Program { child, port }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Records until the standard input ends.
pub fn run() {
    let Ok(toml) = std::env::var(CONFIGURATION) else { return };
    let config = ferrometer::Config::from_toml(&toml).unwrap_or_else(|e| panic!("{e}"));
    let metrics = ferrometer::init(config).unwrap_or_else(|e| panic!("{e}"));
    let logger = ferrometer::get_logger("app").with("namespace", "s");
    let series = [("a", "ssd", "x"), ("a", "ssd", "y"), ("a", "hdd", "x"), ("b", "", "x")];
    let series = series.map(|(container, volume, pod)| {
        logger.with("container_id", container).with("volume_type", volume).with("pod", pod)
    });
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0; 1]);
        std::process::exit(0);
    });
    logger.gauge("one").set(1);
    let mut random = 88_172_645_463_325_252u64;
    loop {
        for one in &series {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            one.gauge("usage").set((random % 2048) as f64 / 4.0 - 128.0);
            one.counter("work").add(1 + random % 7);
        }
        // The next scrape shows it.
        metrics.flush(Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(20));
    }
}
