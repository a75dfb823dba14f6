//! A disk that is full: measures are refused with the reason, and nothing that was acknowledged is lost.

mod common;

use ferrometer_archive::{Archive, Options};
use ferrometer_gnocchi::{Gnocchi, Settings};
use ferrometer_http::Frame;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const DIRECTORY: &str = "FERROMETER_GNOCCHI_FULL_DIRECTORY";

/// Runs in a process of its own, which may not write files of more than a megabyte.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let archive = Archive::open(Path::new(&directory), Options::default()).unwrap();
    let api = Arc::new(Gnocchi::new(archive.into(), Settings::default()));
    let frame = Frame::new().address("127.0.0.1:0".parse().unwrap()).limits(Gnocchi::limits());
    let server = api.mount(frame).serve().unwrap();
    // One write for a line.
    std::io::stderr().write_all(format!("listens at {}\n", server.local_addr()).as_bytes()).unwrap();
    loop {
        std::thread::park();
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts one; with `limit`, no file of it may grow beyond this many blocks of 512 bytes, and the system says so instead of ending it.
    fn start(directory: &Path, limit: Option<u32>) -> Server {
        let limit = limit.map_or_else(String::new, |blocks| format!("trap '' XFSZ; ulimit -f {blocks};"));
        let exe = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit} exec \"$0\" --exact child --ignored --nocapture")])
            .arg(exe)
            .env(DIRECTORY, directory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the child listens").unwrap();
            if let Some(address) = line.strip_prefix("listens at ") {
                break address.parse().unwrap();
            }
        };
        // Whatever else it says is read, so that it never waits.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, address }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let told = common::ask(self.address, method, path, body);
        (told.status, told.value())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing_that_was_acknowledged() {
    let directory = std::env::temp_dir().join(format!("ferrometer-gnocchi-full-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let server = Server::start(&directory, Some(1024));
    let policy =
        r#"{"name": "p", "definition": [{"granularity": 60, "points": 100000}], "aggregation_methods": ["count"]}"#;
    assert_eq!(server.ask("POST", "/v1/archive_policy", policy).0, 201);
    let (status, made) = server.ask("POST", "/v1/metric", r#"{"archive_policy_name": "p"}"#);
    assert_eq!(status, 201);
    let path = format!("/v1/metric/{}/measures", made["id"].as_str().unwrap());
    let (mut acknowledged, mut refused) = (0, 0);
    let mut at = 0.0;
    while refused < 3 {
        let mut body = Vec::new();
        for _ in 0..1000 {
            at += 0.37;
            // Values that no encoding makes small.
            body.push(format!("{{\"timestamp\": {at}, \"value\": {}}}", (at * 12_345.678_9_f64).sin()));
        }
        match server.ask("POST", &path, &format!("[{}]", body.join(","))) {
            (202, _) => acknowledged += 1000,
            (status, told) => {
                assert_eq!(status, 507, "{told}");
                let words = told["description"].as_str().unwrap();
                assert!(words.starts_with("the disk refused: "), "{words}");
                refused += 1;
                at -= 370.0;
            }
        }
        assert!(acknowledged < 10_000_000, "the limit holds");
    }
    assert!(acknowledged > 0);
    // Stored measures can be read all the same.
    let count = |server: &Server| -> f64 {
        let (status, rows) = server.ask("GET", &format!("{path}?aggregation=count"), "");
        assert_eq!(status, 200, "{rows}");
        rows.as_array().unwrap().iter().map(|row| row[2].as_f64().unwrap()).sum()
    };
    assert_eq!(count(&server), f64::from(acknowledged));
    drop(server);
    // With room again it is all there, and goes on.
    let server = Server::start(&directory, None);
    assert_eq!(count(&server), f64::from(acknowledged));
    let next = format!("[{{\"timestamp\": {}, \"value\": 1}}]", at + 1.0);
    assert_eq!(server.ask("POST", &path, &next).0, 202);
    assert_eq!(count(&server), f64::from(acknowledged) + 1.0);
    drop(server);
    let _ = std::fs::remove_dir_all(&directory);
}
