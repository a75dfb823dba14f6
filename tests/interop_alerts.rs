//! The alert rules and the dashboard that ferrometer ships, in a real Prometheus that scrapes a real program.

#[path = "support/prometheus.rs"]
mod prometheus;
mod support;

use ferrometer::{Config, get_logger, init};
use ferrometer_testkit::Scratch;
use prometheus::{get, low_port};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::example;

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
        Watching::start_with(scratch, &config, "prometheus")
    }

    /// A Prometheus, or what answers as one, with no interval configured.
    fn start_with_defaults(target: SocketAddr, program: &str) -> Watching {
        let config = format!("scrape_configs:\n- job_name: app\n  static_configs: [{{targets: ['{target}']}}]\n");
        Watching::start_with(Scratch::new("alerts"), &config, program)
    }

    fn start_with(scratch: Scratch, config: &str, program: &str) -> Watching {
        let config = scratch.file("prometheus.yml", config.as_bytes());
        let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
        let data = scratch.path().join("data");
        let arguments = match program {
            "prometheus" => [
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", data.display()),
                format!("--web.listen-address={address}"),
            ],
            _ => [
                format!("-promscrape.config={}", config.display()),
                format!("-storageDataPath={}", data.display()),
                format!("-httpListenAddr={address}"),
            ],
        };
        let process = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(scratch.path().join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|why| panic!("{program} runs: scripts/test installs it: {why}"));
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() || get(address, "/-/ready", None).0 != 200 {
            assert!(Instant::now() < until, "{program} does not answer");
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

impl Watching {
    fn query(&self, query: &str, range: Option<(u64, u64, u64)>) -> serde_json::Value {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = match range {
            None => self.api(&format!("/api/v1/query?query={encoded}")),
            Some((start, end, step)) => {
                self.api(&format!("/api/v1/query_range?query={encoded}&start={start}&end={end}&step={step}"))
            }
        };
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].clone()
    }

    /// Asks what each panel asks, as it is shipped: every question is answered, and has something to show, but for those on what need
    /// not be there. Of the variables a panel's own interval says what Grafana makes of them: four times 15 s are a minute.
    fn ask_all(&self, may_be_empty: &[&str]) {
        let dashboard: serde_json::Value = serde_json::from_slice(&std::fs::read(DASHBOARD).unwrap()).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        assert!(panels.len() >= 10);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for panel in panels {
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["interval"], "15s", "{panel}");
                let query = target["expr"].as_str().unwrap();
                let query = query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*");
                assert!(!query.contains('$') || query.contains("\"$2\""), "{query}");
                let results = self.query(&query, Some((now - 600, now, 15)));
                let excused = may_be_empty.iter().any(|what| query.contains(what));
                let is_empty = results.as_array().unwrap().is_empty();
                assert!(excused || !is_empty, "{} shows nothing: {query}", panel["title"]);
            }
        }
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
    // A statsd that nobody listens to, over TCP; hardly any room for loggers, and for single values what a second of work just fills.
    let config = Config::new()
        .backend_list(["pull-cache", "statsd"])
        .global_prefix("prod")
        .statsd_host("127.0.0.1")
        .statsd_port(low_port())
        .statsd_transport(ferrometer::config::Transport::Tcp)
        // It delivers when half of the room is taken, which is seen once a second, at the other's collection.
        .statsd_interval(Duration::from_secs(60))
        .max_held_values(4000)
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
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| fill(&done));
        // Ends the work when an assertion fails, too.
        let _end = End(&done);
        watch(address, record);
    });
}

/// Times 3,600 things a second.
fn fill(done: &AtomicBool) {
    let (busy, begun) = (get_logger("shop0").timer("busy"), Instant::now());
    for at in 0u64.. {
        while begun.elapsed() * 3600 < Duration::from_secs(at) {
            thread::sleep(Duration::from_millis(2));
        }
        if done.load(Relaxed) {
            return;
        }
        busy.record(Duration::from_micros(at % 700));
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn watch(address: SocketAddr, record: impl Fn(u64)) {
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
        "FerrometerQueueFilling statsd",
        "FerrometerSeriesNearCap loggers",
        "FerrometerSeriesRefused loggers",
    ];
    let until = Instant::now() + Duration::from_secs(300);
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

    // Rates need two steps of 15 seconds.
    let until = Instant::now() + Duration::from_secs(45);
    for round in 1.. {
        if Instant::now() >= until {
            break;
        }
        record(round);
        thread::sleep(Duration::from_millis(200));
    }
    // TCP is not merged.
    watching.ask_all(&["merged_total"]);
}

#[test]
#[ignore = "needs Prometheus; scripts/test installs and runs it"]
fn the_dashboard_shows_the_quickstart() {
    let scratch = Scratch::new("dashboard");
    (0..50).for_each(|i| drop(scratch.file(&format!("files/f{i}"), vec![b'x'; i * 1000])));
    let statsd = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
    let config = format!(
        "[metrics]\nbackend = [\"pull-cache\", \"statsd\"]\nstatsd_host = \"127.0.0.1\"\nstatsd_port = {}\n\
         [metrics.pull_cache]\nhttp = true\ninterval = 1\naddress = \"{address}\"\n",
        statsd.local_addr().unwrap().port()
    );
    let config = scratch.file("metrics.toml", config.as_bytes());
    let mut quickstart = example("quickstart");
    quickstart.arg(scratch.path().join("files")).arg("--serve").arg("--config").arg(config).stdout(Stdio::null());
    let _quickstart = Running(quickstart.spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(120);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "the quickstart does not serve");
        thread::sleep(Duration::from_millis(50));
    }
    // With no interval configured: a scrape and an evaluation a minute.
    for program in ["prometheus", "victoria-metrics"] {
        let watching = Watching::start_with_defaults(address, program);
        let until = Instant::now() + Duration::from_secs(300);
        while watching.query("up == 1", None).as_array().unwrap().is_empty() {
            assert!(Instant::now() < until, "{program} does not scrape");
            thread::sleep(Duration::from_secs(1));
        }
        // The first scrape is enough for rates, after some steps.
        thread::sleep(Duration::from_secs(60));
        // Metrics that the quickstart, in good health, does not have.
        watching.ask_all(&["merged_total", "errors_total", "by (instance, backend, cause)"]);
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
