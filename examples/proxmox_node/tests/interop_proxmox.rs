//! Against the real Python client of Proxmox, `proxmoxer`, unchanged, over TLS: what it reads is what was recorded, and who may not read
//! does not. And a cluster of our own: three processes, of which one is killed, one slow and one not the one it should be.

#[path = "support/certificate.rs"]
mod certificate;
#[path = "../../../tests/support/mod.rs"]
mod support;

use certificate::{Certificate, certificate};
use ferrometer_testkit::Scratch;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SECRET: &str = "correct-horse-battery-staple";
/// Each with the name of a token and its privileges; the secret is the name and [`SECRET`].
const TOKENS: [(&str, &str); 4] = [
    ("all", ";Sys.Audit@/;Datastore.Audit@/"),
    ("plain", ""),
    ("none", ";"),
    ("one", ";Datastore.Audit@/datastore/store1"),
];

/// A process of our own that serves as a node.
struct Node {
    process: Child,
    _input: ChildStdin,
    address: SocketAddr,
}

impl Node {
    fn start(scratch: &Scratch, name: &str, certificate: &Certificate, peers: &str) -> Node {
        let tokens = TOKENS.map(|(name, list)| {
            let digest: String =
                Sha256::digest(format!("{name}-{SECRET}")).iter().map(|b| format!("{b:02x}")).collect();
            format!("\"{name}=sha256:{digest}{list}\"")
        });
        let config = format!(
            "[metrics]\nbackend = \"pull-cache\"\n[metrics.pull_cache]\ninterval = 1\nhttp = true\nproxmox = true\n\
             host_metrics = true\nnode = \"{name}\"\naddress = \"127.0.0.1:0\"\npeer_timeout = \"1s\"\n\
             tls_cert = {:?}\ntls_key = {:?}\ntokens = [{}]\n{peers}",
            certificate.cert,
            certificate.key,
            tokens.join(", "),
        );
        let config = scratch.file(&format!("{name}.toml"), config.as_bytes());
        let mut process = Command::new(env!("CARGO_BIN_EXE_proxmox_node"))
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("serving at ").expect("it says where it serves").parse().unwrap();
        let input = process.stdin.take().unwrap();
        Node { process, _input: input, address }
    }

    fn peer(name: &str, port: u16, fingerprint: &str) -> String {
        format!(
            "[[metrics.pull_cache.peers]]\nname = \"{name}\"\nurl = \"https://127.0.0.1:{port}\"\n\
             fingerprint = \"{fingerprint}\"\n"
        )
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const SCRIPT: &str = r#"
import json, sys
from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException

service, port, token, secret, ca, params = sys.argv[1:7]
api = ProxmoxAPI("127.0.0.1", port=int(port), user="root@pam", token_name=token, token_value=secret,
                 verify_ssl=ca or False, service=service, backend="https", timeout=20)
route = api.cluster.metrics.export if service == "PVE" else api.status.metrics
try:
    print(json.dumps({"rows": route.get(**json.loads(params))["data"]}))
except ResourceException as error:
    print(json.dumps({"status": error.status_code, "message": error.content, "errors": error.errors}))
"#;

/// Returns the client's answer: `rows`, or `status` and the error. An empty CA has it trust anybody, as `verify_ssl=False` does.
fn proxmoxer(service: &str, node: &Node, token: &str, ca: Option<&Path>, params: &str) -> Value {
    let python =
        std::env::var("INTEROP_PYTHON").expect("INTEROP_PYTHON names a Python with proxmoxer: scripts/test sets it");
    let output = Command::new(python)
        .env("PYTHONWARNINGS", "ignore")
        .args(["-c", SCRIPT, service, &node.address.port().to_string(), token, &format!("{token}-{SECRET}")])
        .args([ca.map_or("", |ca| ca.to_str().unwrap()), params])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn rows(answer: &Value) -> Vec<&Value> {
    answer["rows"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().collect()
}

/// Every pair of id and name, of the newest time stamp or of all.
fn has(answer: &Value, id: &str, metric: &str) -> bool {
    rows(answer).iter().any(|row| row["id"] == id && row["metric"] == metric)
}

/// Asks until the answer has a row.
fn until(mut ask: impl FnMut() -> Value, id: &str, metric: &str) -> Value {
    let limit = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = ask();
        if answer["rows"].is_array() && has(&answer, id, metric) {
            return answer;
        }
        assert!(Instant::now() < limit, "no {metric} of {id}: {answer}");
        thread::sleep(Duration::from_millis(300));
    }
}

#[test]
#[ignore = "needs proxmoxer; scripts/test installs it and runs this"]
fn proxmoxer_reads_both_routes() {
    let scratch = Scratch::new("proxmoxer");
    let certificate = certificate(&scratch, "a");
    let node = Node::start(&scratch, "pve-1", &certificate, "");
    let ca = Some(certificate.cert.as_path());
    let ask =
        |service: &'static str, token: &'static str, params: &'static str| proxmoxer(service, &node, token, ca, params);

    // A second generation, so that the share of the processors is known.
    let newest = until(|| ask("PVE", "all", "{}"), "node/pve-1", "cpu_current");
    for (id, metric, kind) in [
        ("node/pve-1", "uptime", "gauge"),
        ("node/pve-1", "cpu_avg1", "gauge"),
        ("node/pve-1", "cpu_avg5", "gauge"),
        ("node/pve-1", "cpu_avg15", "gauge"),
        ("node/pve-1", "cpu_max", "gauge"),
        ("node/pve-1", "cpu_iowait", "gauge"),
        ("node/pve-1", "mem_total", "gauge"),
        ("node/pve-1", "mem_used", "gauge"),
        ("node/pve-1", "swap_total", "gauge"),
        ("node/pve-1", "swap_used", "gauge"),
        ("node/pve-1", "disk_total", "gauge"),
        ("node/pve-1", "disk_used", "gauge"),
        ("node/pve-1", "net_in", "derive"),
        ("node/pve-1", "net_out", "derive"),
        ("qemu/100", "net_in", "derive"),
        ("qemu/100", "mem_total", "gauge"),
        ("datastore/store1", "disk_used", "gauge"),
    ] {
        let row = rows(&newest).into_iter().find(|row| row["id"] == id && row["metric"] == metric);
        let row = row.unwrap_or_else(|| panic!("no {metric} of {id} in {newest}"));
        assert_eq!(row["type"], kind, "{row}");
        assert!(row["value"].is_f64() && row["timestamp"].is_i64(), "{row}");
    }
    let of = |metric: &str| {
        let all = rows(&newest);
        all.iter().find(|row| row["id"] == "node/pve-1" && row["metric"] == metric).unwrap()["value"].as_f64().unwrap()
    };
    // The kernel says so to others, too.
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let total: f64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(of("mem_total"), total * 1024.0);
    assert!(of("mem_used") > 0.0 && of("mem_used") < of("mem_total"));
    let processors = fs::read_to_string("/proc/stat").unwrap().matches("\ncpu").count();
    assert_eq!(of("cpu_max"), processors as f64);
    assert!((0.0..=1.0).contains(&of("cpu_current")) && (0.0..=1.0).contains(&of("cpu_iowait")));
    let uptime: f64 = fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((uptime - of("uptime")).abs() < 60.0);

    // History, and what is strictly newer.
    let history = ask("PVE", "all", r#"{"history": 1}"#);
    let first = rows(&history)[0]["timestamp"].as_i64().unwrap();
    let last = rows(&history).last().unwrap()["timestamp"].as_i64().unwrap();
    assert!(last > first, "one generation alone");
    let params: &'static str = Box::leak(format!(r#"{{"history": 1, "start-time": {first}}}"#).into_boxed_str());
    let newer = ask("PVE", "all", params);
    assert!(rows(&newer).iter().all(|row| row["timestamp"].as_i64() > Some(first)));
    assert!(rows(&newer).iter().any(|row| row["timestamp"].as_i64() == Some(last)));

    // As a backup server, with all privileges, with one datastore's, with none.
    let all = ask("PBS", "all", r#"{"history": true}"#);
    assert!(has(&all, "host", "mem_used") && has(&all, "datastore/store2", "disk_used"));
    assert!(has(&all, "host", "disk_available") && !rows(&all).iter().any(|row| row["id"] == "qemu/100"));
    let one = ask("PBS", "one", "{}");
    assert!(!rows(&one).is_empty() && rows(&one).iter().all(|row| row["id"] == "datastore/store1"), "{one}");
    for token in ["plain", "none"] {
        assert_eq!(rows(&ask("PBS", token, "{}")).len(), 0);
        let refused = ask("PVE", token, "{}");
        assert_eq!(
            (&refused["status"], &refused["message"]),
            (&403.into(), &"Permission check failed (/, Sys.Audit)".into())
        );
    }
    // A token that nobody has, and parameters that are none.
    for service in ["PVE", "PBS"] {
        assert_eq!(ask(service, "nobody", "{}")["status"], 401);
        let wrong = ask(service, "all", r#"{"histroy": 1}"#);
        assert_eq!(wrong["status"], 400, "{wrong}");
        assert!(wrong["errors"]["histroy"].is_string(), "{wrong}");
    }
    // Without the certificate among those it trusts the client does not talk at all; told not to look, it does.
    let trusting = proxmoxer("PVE", &node, "all", None, "{}");
    assert!(has(&trusting, "qemu/100", "net_in"));
}

/// A server that takes connections and says nothing.
fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let held: Vec<_> = listener.incoming().collect();
        drop(held);
    });
    port
}

#[test]
#[ignore = "needs proxmoxer; scripts/test installs it and runs this"]
fn a_cluster_with_a_dead_a_slow_and_a_false_node() {
    let scratch = Scratch::new("proxmox-cluster");
    let certificates = ["a", "b", "c", "false"].map(|name| certificate(&scratch, name));
    let [cert_a, cert_b, cert_c, cert_false] = &certificates;
    let mut b = Node::start(&scratch, "b", cert_b, "");
    let c = Node::start(&scratch, "c", cert_c, "");
    // Shows another certificate than the one it is known by.
    let false_node = Node::start(&scratch, "d", cert_false, "");
    let slow = silent();
    let peers = [
        Node::peer("b", b.address.port(), &cert_b.fingerprint),
        Node::peer("c", c.address.port(), &cert_c.fingerprint),
        Node::peer("d", false_node.address.port(), &cert_c.fingerprint),
        Node::peer("slow", slow, &cert_c.fingerprint),
    ];
    let a = Node::start(&scratch, "a", cert_a, &peers.concat());
    let ask = |params: &str| proxmoxer("PVE", &a, "all", Some(&cert_a.cert), params);
    until(|| ask("{}"), "node/a", "mem_used");
    until(|| ask("{}"), "node/b", "mem_used");
    let all = until(|| ask("{}"), "node/c", "mem_used");
    assert!(!has(&all, "node/d", "mem_used"));
    assert_eq!(failed(&a, cert_a, ""), "d, slow");
    // By name, and one alone.
    let only = ask(r#"{"node-list": "b", "local-only": 1}"#);
    assert!(has(&only, "node/b", "mem_used") && !has(&only, "node/a", "mem_used") && !has(&only, "node/c", "mem_used"));
    let local = ask(r#"{"local-only": 1}"#);
    assert!(has(&local, "node/a", "mem_used") && !has(&local, "node/b", "mem_used"));
    let unknown = ask(r#"{"node-list": "b,nobody"}"#);
    assert_eq!(unknown["status"], 500, "{unknown}");
    assert_eq!(unknown["message"], "Requested node-list contains unknown nodes - nobody");
    // Killed, it is missed and named, and the others are still there.
    b.process.kill().unwrap();
    b.process.wait().unwrap();
    let left = ask(r#"{"history": 1}"#);
    assert!(has(&left, "node/a", "mem_used") && has(&left, "node/c", "mem_used") && !has(&left, "node/b", "mem_used"));
    assert_eq!(failed(&a, cert_a, ""), "b, d, slow");
    assert_eq!(failed(&a, cert_a, "?node-list=c"), "");
    // The caller's token goes on to them: one that is nobody's gets nowhere.
    assert_eq!(proxmoxer("PVE", &a, "nobody", Some(&cert_a.cert), "{}")["status"], 401);
}

/// The peers that an answer names as failed, asked with curl.
fn failed(node: &Node, certificate: &Certificate, query: &str) -> String {
    let mut curl = Command::new("curl")
        .args(["-sS", "-D", "-", "-o", "/dev/null", "--cacert"])
        .arg(&certificate.cert)
        .args(["-H", "@-"])
        .arg(format!("https://{}/api2/json/cluster/metrics/export{query}", node.address))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = curl.stdin.take().unwrap();
    write!(input, "Authorization: PVEAPIToken=root@pam!all=all-{SECRET}").unwrap();
    drop(input);
    let mut head = String::new();
    curl.stdout.take().unwrap().read_to_string(&mut head).unwrap();
    curl.wait().unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let line = head.lines().find_map(|line| line.strip_prefix("ferrometer-failed-peers: "));
    line.unwrap_or_default().trim().to_owned()
}
