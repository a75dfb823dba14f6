//! A real Prometheus, and folders that go away.

#![allow(dead_code)]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Time after which something that should have happened is said not to.
pub const NEVER: Duration = Duration::from_secs(120);

/// A folder that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ferrometer-collector-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that is free now, below those that outgoing connections take.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 8_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 4_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until something holds.
pub fn until(says: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < NEVER, "never: {says}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A Prometheus that ends with this value.
pub struct Prometheus {
    child: Child,
    pub port: u16,
}

impl Prometheus {
    /// Starts one in a folder, with such scrape configurations and further arguments.
    pub fn start(folder: &Path, scrape: &str, arguments: &[String]) -> Prometheus {
        let port = free_port();
        let config = folder.join("prometheus.yml");
        std::fs::write(
            &config,
            format!("global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs: {scrape}\n"),
        )
        .unwrap();
        let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=100y")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is needed (Debian: apt-get install prometheus)");
        let mut server = Prometheus { child, port };
        until("prometheus listens", || {
            assert_eq!(
                server.child.try_wait().unwrap(),
                None,
                "{}",
                std::fs::read_to_string(folder.join("prometheus.log")).unwrap()
            );
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        server
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes blocks of samples that Prometheus reads as its own.
pub fn blocks(folder: &Path, openmetrics: &str) {
    let input = folder.join("samples.om");
    std::fs::write(&input, openmetrics).unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([input, folder.join("data")])
        .output()
        .expect("promtool is needed (Debian: apt-get install prometheus)");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
