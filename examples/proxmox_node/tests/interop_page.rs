//! The page at `/` of the pull cache in a real Chromium: `tests/browser/page.mjs` looks at the programs that are started here.

#[path = "support/certificate.rs"]
mod certificate;
#[path = "../../../tests/support/mod.rs"]
mod support;

use certificate::certificate;
use ferrometer::{Config, get_logger, init};
use ferrometer_testkit::{Scratch, free_tcp_port};
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::example;

/// The quickstart, at work for as long as this lives.
struct Quickstart(Child);

impl Quickstart {
    fn start(config: &Path, work: &Path, port: u16) -> Quickstart {
        let mut command = example("quickstart");
        let child = command.arg(work).arg("--serve").arg("--config").arg(config).stdout(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
            assert!(Instant::now() < until, "the quickstart does not serve");
            thread::sleep(Duration::from_millis(50));
        }
        Quickstart(child)
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs one scenario to its end; `act` does what it asks for.
fn look(scenario: &str, port: u16, token: &str, mut act: impl FnMut(&str)) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser/page.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(scenario)
        .arg(format!("http://127.0.0.1:{port}/"))
        .env("PAGE_TOKEN", token)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs: scripts/test says what is needed");
    let mut answers = node.stdin.take().unwrap();
    for line in BufReader::new(node.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        println!("{line}");
        if let Some(word) = line.strip_prefix("> ") {
            act(word);
            writeln!(answers, "done").unwrap();
        }
    }
    assert!(node.wait().unwrap().success(), "the scenario {scenario} failed; what it found stands above");
}

/// A directory with files of different sizes.
fn files(name: &str) -> Scratch {
    let work = Scratch::new(name);
    for i in 0..200usize {
        work.file(&format!("d{}/f{i}", i % 10), vec![b'x'; i * i * 3]);
    }
    work
}

#[test]
#[ignore = "needs Chromium; scripts/test installs and runs it"]
fn the_quickstart_is_understood_by_looking() {
    let (work, port) = (files("page-files"), free_tcp_port());
    let config = Scratch::new("page-config");
    let config = config.file(
        "metrics.toml",
        format!("[metrics]\nbackend = \"pull-cache\"\n[metrics.pull_cache]\nhttp = true\ninterval = 1\ngenerations = 1800\naddress = \"127.0.0.1:{port}\"\n").as_bytes(),
    );
    let _quickstart = Quickstart::start(&config, work.path(), port);
    look("quickstart", port, "", |_| {});
}

#[test]
#[ignore = "needs Chromium; scripts/test installs and runs it"]
fn a_token_is_asked_for_and_a_lost_connection_mends() {
    let (work, port) = (files("page-token-files"), free_tcp_port());
    let token = "correct-horse-battery-staple";
    let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    let config = Scratch::new("page-token-config");
    let config = config.file(
        "metrics.toml",
        format!("[metrics]\nbackend = \"pull-cache\"\n[metrics.pull_cache]\nhttp = true\ninterval = 1\naddress = \"127.0.0.1:{port}\"\ntokens = [\"page=sha256:{hash}\"]\n").as_bytes(),
    );
    let mut quickstart = Some(Quickstart::start(&config, work.path(), port));
    look("token", port, token, |word| {
        quickstart = None;
        if word == "start" {
            quickstart = Some(Quickstart::start(&config, work.path(), port));
        }
    });
}

/// The process of `proxmox_node`, with objects of its own.
struct ProxmoxNode(Child);

impl ProxmoxNode {
    fn start(config: &Path) -> ProxmoxNode {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxmox_node"));
        let mut process = command.arg(config).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("serving at "), "{line:?}");
        ProxmoxNode(process)
    }
}

impl Drop for ProxmoxNode {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs Chromium; scripts/test installs and runs it"]
fn several_nodes_are_seen_at_one_and_a_killed_one_is_named() {
    let (work, scratch) = (files("page-nodes-files"), Scratch::new("page-nodes"));
    let [port_a, port_b, port_c] = [(); 3].map(|()| free_tcp_port());
    let secret = "correct-horse-battery-staple";
    let hash: String = Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
    let config = |name: &str, port: u16, more: &str| {
        let text = format!(
            "[metrics]\nbackend = \"pull-cache\"\n[metrics.pull_cache]\nhttp = true\nproxmox = true\ninterval = 1\n\
             node = \"{name}\"\naddress = \"127.0.0.1:{port}\"\npeer_timeout = \"2s\"\n{more}"
        );
        scratch.file(&format!("{name}.toml"), text.as_bytes())
    };
    // Both others want a token and speak TLS; the browser talks to the first alone, which does neither.
    let certificates = ["b", "c"].map(|name| certificate(&scratch, name));
    let guarded = |at: usize| {
        let (cert, key) = (&certificates[at].cert, &certificates[at].key);
        format!("tls_cert = {cert:?}\ntls_key = {key:?}\ntokens = [\"a=sha256:{hash}\"]\n")
    };
    let peer = |name: &str, port: u16, fingerprint: &str| {
        format!(
            "[[metrics.pull_cache.peers]]\nname = \"{name}\"\nurl = \"https://127.0.0.1:{port}\"\n\
             fingerprint = \"{fingerprint}\"\ntoken = \"{secret}\"\n"
        )
    };
    let [of_b, of_c] = [0, 1].map(|at: usize| certificates[at].fingerprint.as_str());
    let peers = [peer("b", port_b, of_b), peer("c", port_c, of_c), peer("false", port_c, of_b)].concat();
    let (config_a, config_b) = (config("a", port_a, &peers), config("b", port_b, &guarded(0)));
    let _c = ProxmoxNode::start(&config("c", port_c, &guarded(1)));
    let mut b = Some(Quickstart::start(&config_b, work.path(), port_b));
    let _a = Quickstart::start(&config_a, work.path(), port_a);
    look("nodes", port_a, "", |word| {
        b = None;
        if word == "start" {
            b = Some(Quickstart::start(&config_b, work.path(), port_b));
        }
    });
}

#[test]
#[ignore = "needs Chromium; scripts/test installs and runs it"]
fn metric_servers_are_created_tested_and_disabled_by_hand() {
    let (scratch, port) = (Scratch::new("page-servers"), free_tcp_port());
    let text = format!(
        "[metrics]\nbackend = \"pull-cache\"\n[metrics.pull_cache]\nhttp = true\ninterval = 1\naddress = \"127.0.0.1:{port}\"\n\
         [metrics.metric_servers]\npath = {:?}\ninterval = 1\n",
        scratch.path().join("status.cfg")
    );
    let config = scratch.file("metrics.toml", text.as_bytes());
    let _node = ProxmoxNode::start(&config);
    look("servers", port, "", |_| {});
    let kept = std::fs::read_to_string(scratch.path().join("status.cfg")).unwrap();
    assert!(kept.starts_with("influxdb: by-hand\n\tdisable\n"), "{kept}");
    assert!(!kept.contains("s3cr3t-token"), "{kept}");
    let secret = std::fs::read_to_string(scratch.path().join("priv/metricserver/by-hand.pw")).unwrap();
    assert_eq!(secret, "s3cr3t-token\n");
}

#[test]
#[ignore = "needs Chromium; scripts/test installs and runs it"]
fn ten_thousand_series_stay_usable_and_hostile_text_is_text() {
    let port = free_tcp_port();
    let config = Config::new()
        .backend("pull-cache")
        .pull_cache_interval(Duration::from_secs(1))
        .pull_cache_http(true)
        .pull_cache_address(SocketAddr::from(([127, 0, 0, 1], port)))
        .max_instruments(12_000)
        .max_label_sets(12_000);
    let metrics = init(config).unwrap();
    let record = |round: u64| {
        // One name with many label sets, each of six records.
        for i in 0..2_000u64 {
            get_logger("wide")
                .with("route", &format!("/{i}/"))
                .send_timer("time", Duration::from_micros(100 + i + round));
        }
        for i in 0..7_900u64 {
            let logger = get_logger(&format!("service{:02}", i / 250));
            let labelled = logger.with("route", &format!("/{}/", i % 250));
            match i % 5 {
                0 => labelled.send_gauge("depth", ((i + round) % 97) as f64),
                1 => labelled.send_timer("time", Duration::from_micros(100 + (i * 7 + round * 13) % 900)),
                _ => labelled.send_counter("requests", 1 + (i + round) % 11),
            }
        }
        for (key, value) in [
            ("a", "<img src=x onerror=\"window.harm=1\"><script>window.harm=2</script>"),
            ("b", "\u{202e}right to left\u{0}\n\t'\"`${window.harm=3}"),
            ("__proto__", "constructor"),
            (".q", "&.q=x#/metric/?%00%zz"),
        ] {
            let logger = get_logger("hostile").with(key, value);
            logger.send_counter("<b>name</b>", 1 + round);
            logger.send_timer("time", Duration::from_millis(1 + round));
        }
    };
    // More than the page takes, so that it does not take all that it keeps of a wide name.
    for round in 0..25 {
        record(round);
        assert!(metrics.flush(Duration::from_secs(60)).complete);
        thread::sleep(Duration::from_millis(1100));
    }
    look("many", port, "", |_| {});
}
