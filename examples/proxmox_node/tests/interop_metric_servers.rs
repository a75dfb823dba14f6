//! The real Python client of Proxmox, `proxmoxer`, unchanged, manages metric servers over TLS, as it does those of Proxmox VE and Proxmox Backup
//! Server.

#[allow(dead_code)]
#[path = "support/certificate.rs"]
mod certificate;

use certificate::certificate;
use ferrometer_testkit::Scratch;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SECRET: &str = "correct-horse-battery-staple";

/// Everything that a client does with servers, and what it gets.
const SCRIPT: &str = r#"
import json, sys
from concurrent.futures import ThreadPoolExecutor
from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException

port, secret, ca, influx = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
def client(service, token):
    return ProxmoxAPI("127.0.0.1", port=port, user="root@pam", token_name=token, token_value=f"{token}-{secret}",
                      verify_ssl=ca, service=service, backend="https", timeout=60)
said = {}
def refused(what, call):
    try:
        said[what] = {"done": call()}
    except ResourceException as error:
        said[what] = {"status": error.status_code, "message": error.content, "errors": error.errors}

pve = client("PVE", "modify")
servers = pve.cluster.metrics.server
said["index"] = pve.cluster.metrics.get()
said["empty"] = servers.get()
where = {"server": "127.0.0.1", "port": influx}
http = {**where, "influxdbproto": "http", "timeout": 20}
servers("one").post(type="influxdb", token="right-token", bucket="shop", **http)
servers("two").post(type="graphite", **where)
said["list"] = servers.get()
said["one"] = servers("one").get()
refused("exists", lambda: servers("one").post(type="graphite", **where))
refused("untested", lambda: servers("three").post(type="influxdb", token="wrong-token", **http))
refused("unknown", lambda: servers("three").post(type="graphite", nonsense=1, **where))
refused("missing", lambda: servers("none").get())
refused("no-put", lambda: servers("none").put(**where))
refused("no-delete", lambda: servers("none").delete())
refused("audit", lambda: client("PVE", "audit").cluster.metrics.server("two").delete())
said["audited"] = client("PVE", "audit").cluster.metrics.server.get()
digest = said["one"]["digest"]
def put(mtu):
    try:
        client("PVE", "modify").cluster.metrics.server("two").put(mtu=mtu, digest=digest, **where)
        return "won"
    except ResourceException as error:
        return error.content
with ThreadPoolExecutor(2) as pool:
    said["race"] = sorted(pool.map(put, [1400, 1401]))
servers("one").put(delete="bucket", disable=1, **where)
said["changed"] = servers("one").get()
servers("one").put(disable=0, **where)
servers("two").delete()

pbs = client("PBS", "modify")
pbs.config.metrics("influxdb-udp").post(name="udp", host="127.0.0.1:9", comment="by hand")
pbs.config.metrics("influxdb-http").post(name="web", url="http://127.0.0.1:%d" % influx, token="right-token", enable=0)
said["pbs"] = pbs.admin.metrics.get()
said["udp"] = pbs.config.metrics("influxdb-udp")("udp").get()
pbs.config.metrics("influxdb-udp")("udp").put(delete="comment")
pbs.config.metrics("influxdb-udp")("udp").delete()
refused("pbs-none", lambda: pbs.config.metrics("influxdb-udp")("udp").delete())
refused("pbs-type", lambda: pbs.config.metrics("influxdb-udp")("web").get())
print(json.dumps(said))
"#;

struct Node {
    process: Child,
    address: SocketAddr,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An InfluxDB that takes one token and keeps what it is sent.
fn influx() -> (u16, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let kept = Arc::<Mutex<String>>::default();
    let keep = Arc::clone(&kept);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let keep = Arc::clone(&keep);
            thread::spawn(move || serve(stream, &keep));
        }
    });
    (port, kept)
}

fn serve(mut stream: std::net::TcpStream, keep: &Mutex<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).is_ok_and(|len| len > 2) {
            head.push_str(&line);
            line.clear();
        }
        if head.is_empty() {
            return;
        }
        let lower = head.to_ascii_lowercase();
        let length = lower
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let is_right = head.contains("Token right-token");
        keep.lock().unwrap().push_str(&format!("{} {is_right}\n", head.lines().next().unwrap_or_default()));
        let answer: &[u8] = if is_right {
            b"HTTP/1.1 204 No Content\r\n\r\n"
        } else {
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nwrong token!"
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

fn start(scratch: &Scratch, certificate: &certificate::Certificate) -> Node {
    let tokens = [("modify", "Sys.Audit@/;Sys.Modify@/"), ("audit", "Sys.Audit@/")].map(|(name, list)| {
        let digest: String = Sha256::digest(format!("{name}-{SECRET}")).iter().map(|b| format!("{b:02x}")).collect();
        format!("\"{name}=sha256:{digest};{list}\"")
    });
    let config = format!(
        "[metrics]\nbackend = \"pull-cache\"\n[metrics.pull_cache]\ninterval = 1\nhttp = true\nproxmox = true\n\
         address = \"127.0.0.1:0\"\ntls_cert = {:?}\ntls_key = {:?}\ntokens = [{}]\n\
         [metrics.metric_servers]\npath = {:?}\ninterval = \"200ms\"\n",
        certificate.cert,
        certificate.key,
        tokens.join(", "),
        scratch.path().join("status.cfg"),
    );
    let config = scratch.file("metrics.toml", config.as_bytes());
    let mut process = Command::new(env!("CARGO_BIN_EXE_proxmox_node"))
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the node starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("serving at ").expect("it says where it serves").parse().unwrap();
    Node { process, address }
}

#[test]
#[ignore = "needs proxmoxer; scripts/test installs it and runs this"]
fn proxmoxer_manages_metric_servers() {
    let python =
        std::env::var("INTEROP_PYTHON").expect("INTEROP_PYTHON names a Python with proxmoxer: scripts/test sets it");
    let scratch = Scratch::new("proxmoxer-servers");
    let certificate = certificate(&scratch, "a");
    let node = start(&scratch, &certificate);
    let (port, kept) = influx();
    let output = Command::new(python)
        .env("PYTHONWARNINGS", "ignore")
        .args([
            "-c",
            SCRIPT,
            &node.address.port().to_string(),
            SECRET,
            certificate.cert.to_str().unwrap(),
            &port.to_string(),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["index"], serde_json::json!([{"name": "server"}]));
    assert_eq!(said["empty"], serde_json::json!([]));
    let listed = serde_json::json!([
        {"id": "one", "disable": 0, "type": "influxdb", "server": "127.0.0.1", "port": port},
        {"id": "two", "disable": 0, "type": "graphite", "server": "127.0.0.1", "port": port},
    ]);
    assert_eq!(said["list"], listed);
    assert_eq!(said["audited"], listed);
    assert_eq!((said["one"]["bucket"].as_str(), said["one"]["token"].as_str()), (Some("shop"), None));
    for (what, status, message) in [
        ("exists", 500, "Metric server 'one' already exists"),
        ("untested", 500, "answers 401: wrong token!"),
        ("unknown", 400, "Parameter verification failed."),
        ("missing", 500, "status server entry 'none' does not exist"),
        ("no-put", 500, "no such server 'none'"),
        ("no-delete", 500, "no such server 'none'"),
        ("audit", 403, "Permission check failed (/, Sys.Modify)"),
        ("pbs-none", 400, "name 'udp' does not exist."),
        ("pbs-type", 400, "got unexpected type 'influxdb-http' for influxdb-udp 'web'"),
    ] {
        let found = &said[what];
        assert_eq!(found["status"], status, "{what}: {found}");
        assert!(found["message"].as_str().unwrap().contains(message), "{what}: {found}");
    }
    assert!(said["unknown"]["errors"]["nonsense"].is_string(), "{}", said["unknown"]);
    assert_eq!(
        said["race"],
        serde_json::json!(["detected modified configuration - file changed by other user? Try again.", "won"])
    );
    assert_eq!((said["changed"]["disable"].as_u64(), said["changed"].get("bucket")), (Some(1), None));
    assert_eq!(said["udp"], serde_json::json!({"name": "udp", "host": "127.0.0.1:9", "comment": "by hand"}));
    assert_eq!(said["pbs"].as_array().map(Vec::len), Some(2), "{}", said["pbs"]);
    let file = std::fs::read_to_string(scratch.path().join("status.cfg")).unwrap();
    let expected = format!(
        "influxdb: one\n\tport {port}\n\tserver 127.0.0.1\n\tinfluxdbproto http\n\ttimeout 20\n\n\
         influxdb-http: web\n\tenable false\n\turl http://127.0.0.1:{port}\n\n"
    );
    assert_eq!(file, expected);
    // The program delivers meanwhile.
    let until = Instant::now() + Duration::from_secs(120);
    while !kept.lock().unwrap().contains("POST /api/v2/write?org=proxmox&bucket=proxmox HTTP/1.1 true") {
        assert!(Instant::now() < until, "{}", kept.lock().unwrap());
        thread::sleep(Duration::from_millis(100));
    }
}
