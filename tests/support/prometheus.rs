//! A real Prometheus, its `promtool`, and the official Python client.

#![allow(dead_code)]

use ferrometer_testkit::Scratch;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// A free port below those that outgoing connections take.
pub fn low_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port =
            20_000 + (std::process::id() as u16).wrapping_mul(31).wrapping_add(NEXT.fetch_add(1, Relaxed)) % 12_000;
        // Not by listening there: a process that another test starts at that moment has the listener too, until it becomes its program.
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}

/// One GET; status, head and body.
pub fn get(address: SocketAddr, target: &str, accept: Option<&str>) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let accept = accept.map_or(String::new(), |accept| format!("Accept: {accept}\r\n"));
    // Version 1.0: the answer ends with the connection, in one part.
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {address}\r\n{accept}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer.split_off(end + 4))
}

/// A server of Debian's `prometheus`, which scrapes one target each second.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    _scratch: Scratch,
}

impl Prometheus {
    pub fn start(name: &str, native: bool, target: SocketAddr) -> Prometheus {
        let scratch = Scratch::new(&format!("prometheus-{name}"));
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n- job_name: app\n  static_configs: [{{targets: ['{target}']}}]\n"
        );
        let config = scratch.file("prometheus.yml", config.as_bytes());
        let log = std::fs::File::create(scratch.path().join("log")).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log);
        let features = if native { "native-histograms,exemplar-storage" } else { "exemplar-storage" };
        command.arg(format!("--enable-feature={features}"));
        let process = command.spawn().expect("prometheus runs: scripts/test installs it");
        let prometheus = Prometheus { process, address, _scratch: scratch };
        let until = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(address).is_err() || get(address, "/-/ready", None).0 != 200 {
            assert!(Instant::now() < until, "prometheus does not answer");
            thread::sleep(Duration::from_millis(100));
        }
        prometheus
    }

    pub fn api(&self, target: &str) -> serde_json::Value {
        let (_, _, body) = get(self.address, target, None);
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"].clone()
    }

    /// Returns the result of a PromQL query now, by the labels that tell the results apart.
    pub fn query(&self, query: &str) -> BTreeMap<String, f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.api(&format!("/api/v1/query?query={encoded}"));
        let results = data["result"].as_array().unwrap_or_else(|| panic!("{query}: {data}"));
        let one = |result: &serde_json::Value| {
            let labels = result["metric"].as_object().unwrap();
            let own = labels.iter().filter(|(key, _)| !["__name__", "instance", "job"].contains(&key.as_str()));
            let own: Vec<String> = own.map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
            (own.join(","), result["value"][1].as_str().unwrap_or("NaN").parse().unwrap())
        };
        results.iter().map(one).collect()
    }

    /// The only result of a query.
    pub fn value(&self, query: &str) -> Option<f64> {
        let results = self.query(query);
        assert!(results.len() <= 1, "{query}: {results:?}");
        results.into_values().next()
    }

    /// Waits until a query gives this value.
    pub fn settle(&self, query: &str, expected: f64) {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let got = self.value(query);
            if got == Some(expected) {
                return;
            }
            assert!(Instant::now() < until, "{query} is {got:?}, not {expected}: {}", self.target());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns its description of its target.
    pub fn target(&self) -> serde_json::Value {
        self.api("/api/v1/targets")["activeTargets"][0].clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program over an input; what it printed, and whether it was content.
pub fn feed(command: &mut Command, input: &[u8]) -> (bool, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// The Python with the official client in it. `INTEROP_PYTHON` names it; `scripts/test` installs it.
pub fn python() -> PathBuf {
    let python =
        std::env::var("INTEROP_PYTHON").expect("INTEROP_PYTHON is not set: run scripts/test, which installs it");
    assert!(Path::new(&python).exists(), "{python} is not there: run scripts/test, which installs it");
    PathBuf::from(python)
}

/// Reads an answer with the official client's parser, `prometheus_client.openmetrics.parser` or `prometheus_client.parser`: every
/// sample, as `name`, `labels`, `value`, `kind`, `unit` and `help`.
pub fn parse_with_python(module: &str, answer: &[u8]) -> Vec<serde_json::Value> {
    const SCRIPT: &str = r#"
import sys, json, importlib
parser = importlib.import_module(sys.argv[1])
text = sys.stdin.buffer.read().decode("utf-8")
for family in parser.text_string_to_metric_families(text):
    for s in family.samples:
        print(json.dumps(dict(name=s.name, labels=s.labels, value=str(float(s.value)), kind=family.type, unit=family.unit,
                              family=family.name, help=family.documentation)))
"#;
    let (ok, said) = feed(Command::new(python()).args(["-c", SCRIPT, module]), answer);
    assert!(ok, "{module}: {said}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
