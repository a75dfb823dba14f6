//! The alert rules and the dashboard that ferrometer ships, in a real Prometheus that scrapes a real program.

#[path = "support/prometheus.rs"]
mod prometheus;
mod support;

use ferrometer::{Config, get_logger, init};
use prometheus::{get, low_port};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::Scratch;

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prometheus");
const DASHBOARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/grafana/ferrometer.json");

/// A Prometheus with rules, evaluated each second.
struct Watching {
    process: Child,
    address: SocketAddr,
    _scratch: Scratch,
}

impl Watching {
    fn start(target: SocketAddr, rules: &str) -> Watching {
        let scratch = Scratch::new("alerts");
        let rules = scratch.file("rules.yml", rules.as_bytes());
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
             scrape_configs:\n- job_name: app\n  static_configs: [{{targets: ['{target}']}}]\n",
            rules.display()
        );
        let config = scratch.file("prometheus.yml", config.as_bytes());
        let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", scratch.0.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(scratch.0.join("log")).unwrap())
            .spawn()
            .expect("prometheus runs: scripts/test installs it");
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() || get(address, "/-/ready", None).0 != 200 {
            assert!(Instant::now() < until, "prometheus does not answer");
            thread::sleep(Duration::from_millis(100));
        }
        Watching { process, address, _scratch: scratch }
    }

    fn api(&self, target: &str) -> serde_json::Value {
        let (_, _, body) = get(self.address, target, None);
        serde_json::from_slice(&body).unwrap()
    }

    /// The alerts that fire now, each with what it is about.
    fn firing(&self) -> BTreeSet<String> {
        let answer = self.api("/api/v1/alerts");
        let alerts = answer["data"]["alerts"].as_array().unwrap();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let text = |alert: &serde_json::Value, key: &str| alert["labels"][key].as_str().unwrap_or_default().to_owned();
        firing.map(|a| format!("{} {}{}", text(a, "alertname"), text(a, "backend"), text(a, "limit"))).collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).output().expect("promtool runs: scripts/test installs it");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success() && !said.contains("FAILED"), "{arguments:?}: {said}");
}

#[test]
#[ignore = "needs promtool; scripts/test installs and runs it"]
fn promtool_accepts_the_rules_and_what_is_said_of_them() {
    promtool(&["check", "rules", &format!("{RULES}/ferrometer.rules.yml")]);
    promtool(&["test", "rules", &format!("{RULES}/ferrometer.rules.test.yml")]);
}

#[test]
#[ignore = "needs Prometheus; scripts/test installs and runs it"]
fn alerts_fire_and_the_dashboard_has_answers() {
    let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
    // A statsd that nobody listens to, over TCP; and hardly any room for loggers.
    let config = Config::new()
        .backend_list(["pull-cache", "statsd"])
        .global_prefix("prod")
        .statsd_host("127.0.0.1")
        .statsd_port(low_port())
        .statsd_transport(ferrometer::config::Transport::Tcp)
        .statsd_interval(Duration::from_secs(1))
        .pull_cache_interval(Duration::from_secs(1))
        .pull_cache_http(true)
        .pull_cache_address(address)
        .max_loggers(10);
    let _metrics = init(config).unwrap();
    let record = |round: u64| {
        for i in 0..10 {
            get_logger(&format!("shop{i}")).send_counter("sold", 1);
        }
        // Two names that are one in the records: the second is dropped.
        get_logger("shop0").send_counter("a:b", 1);
        get_logger("shop0").send_counter("a|b", 1);
        get_logger("shop0").send_timer("time", Duration::from_millis(round % 50));
        (0..3).for_each(|i| get_logger("shop0").send_gauge("stock", i));
    };
    record(0);

    // As shipped, but for the waiting: minutes become seconds.
    let shipped = std::fs::read_to_string(Path::new(RULES).join("ferrometer.rules.yml")).unwrap();
    let mut hasty = shipped.clone();
    for (slow, fast) in [
        ("for: 5m", "for: 2s"),
        ("for: 1m", "for: 2s"),
        ("[5m]", "[10s]"),
        ("[10m]", "[20s]"),
        ("> 120 and", "> 3 and"),
    ] {
        assert!(hasty.contains(slow), "{slow} is not in the rules");
        hasty = hasty.replace(slow, fast);
    }
    let watching = Watching::start(address, &hasty);
    let expected = [
        "FerrometerDeliveryOverdue statsd",
        "FerrometerLoss pull_cache",
        "FerrometerSeriesNearCap loggers",
        "FerrometerSeriesRefused loggers",
    ];
    let until = Instant::now() + Duration::from_secs(60);
    for round in 1.. {
        record(round);
        // One more that finds no place, each time.
        get_logger(&format!("late{round}")).send_counter("sold", 1);
        let firing = watching.firing();
        if expected.iter().all(|alert| firing.contains(*alert)) {
            assert!(!firing.contains("FerrometerDeliveryOverdue pull_cache"), "{firing:?}");
            break;
        }
        assert!(Instant::now() < until, "firing are {firing:?}; {}", watching.api("/api/v1/rules"));
        thread::sleep(Duration::from_millis(200));
    }

    // Each panel's question is answered, and those on what is there have something to show.
    let dashboard: serde_json::Value = serde_json::from_slice(&std::fs::read(DASHBOARD).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval:", "10s:1s").replace("$job", ".*").replace("$instance", ".*");
            assert!(!query.contains('$') || query.contains("\"$2\""), "{query}");
            let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let answer = watching.api(&format!("/api/v1/query?query={encoded}"));
            assert_eq!(answer["status"], "success", "{}: {query}: {answer}", panel["title"]);
            let results = answer["data"]["result"].as_array().unwrap();
            // TCP is not merged, and without a timer backend nothing is held.
            let may_be_empty = query.contains("merged_total");
            assert!(may_be_empty || !results.is_empty(), "{} shows nothing: {query}", panel["title"]);
        }
    }
}
