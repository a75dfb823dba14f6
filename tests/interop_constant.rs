//! Tests that a constant stays constant. The alerts that ferrometer ships fire as long as their cause lasts, and a rare counter has its
//! increase: for more than twice the window, in a real Prometheus.
//!
//! Nobody can wait for that, and nobody can set that server's clock: it asks the kernel itself. So what the program shows is made at
//! times ahead of the clock, one in 15 seconds; Prometheus is given what each of them shows, with that time, and is asked about those
//! hours.

#[path = "support/prometheus.rs"]
mod prometheus;

use ferrometer::backend::Naming;
use ferrometer::prometheus::{Prometheus, Settings};
use ferrometer::{Config, get_logger, init, snapshot};
use ferrometer_testkit::{SOON, Scratch, alone};
use prometheus::{get, low_port};
use std::fmt::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prometheus/ferrometer.rules.yml");
const STEP: u64 = 15;
/// An hour and ten minutes; the window is half an hour.
const STEPS: u64 = 70 * 60 / STEP;
/// The longest that an alert waits, and looks back.
const WARM_UP: u64 = 15 * 60;

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).output().expect("promtool runs: scripts/test installs it");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// A Prometheus that scrapes nothing.
struct Server(Child, SocketAddr);

impl Server {
    fn start(scratch: &Scratch) -> Server {
        let config = scratch.file("prometheus.yml", b"global: {}\n");
        let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()))
            .arg("--storage.tsdb.retention.time=10y")
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(scratch.path().join("log")).unwrap())
            .spawn()
            .expect("prometheus runs: scripts/test installs it");
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() || get(address, "/-/ready", None).0 != 200 {
            assert!(Instant::now() < until, "prometheus does not answer");
            thread::sleep(Duration::from_millis(100));
        }
        Server(process, address)
    }

    /// Returns the results of a query over a time: how often there is one, and the last values, by what tells them apart.
    fn range(&self, query: &str, from: u64, to: u64) -> Vec<(String, usize, f64)> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let target = format!("/api/v1/query_range?query={encoded}&start={from}&end={to}&step={STEP}");
        let answer: serde_json::Value = serde_json::from_slice(&get(self.1, &target, None).2).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let results = answer["data"]["result"].as_array().unwrap();
        let one = |result: &serde_json::Value| {
            let text = |label: &str| result["metric"][label].as_str().unwrap_or_default().to_owned();
            let values = result["values"].as_array().unwrap();
            let last = values[values.len() - 1][1].as_str().unwrap().parse().unwrap();
            (text("backend") + &text("limit"), values.len(), last)
        };
        results.iter().map(one).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The alerts of the rules as shipped: name and expression.
fn alerts() -> Vec<(String, String)> {
    let rules = std::fs::read_to_string(RULES).unwrap();
    let (mut all, mut lines) = (Vec::new(), rules.lines().peekable());
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_prefix("- alert: ") else { continue };
        let expression = lines.next().unwrap().trim().strip_prefix("expr: ").unwrap();
        let mut expression = expression.trim_start_matches('|').to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("          ")) {
            expression += more;
        }
        all.push((name.to_owned(), expression));
    }
    all
}

#[test]
#[ignore = "needs Prometheus; scripts/test installs and runs it"]
fn alerts_fire_while_their_cause_lasts_and_rare_counters_have_their_increase() {
    let _alone = alone();
    // A statsd that nobody listens to, over TCP; hardly any room for loggers, and for single values.
    let config = Config::new()
        .backend_list(["pull-cache", "statsd"])
        .statsd_host("127.0.0.1")
        .statsd_port(low_port())
        .statsd_transport(ferrometer::config::Transport::Tcp)
        .statsd_interval(Duration::from_secs(1))
        .pull_cache_interval(Duration::from_secs(1))
        .max_loggers(10);
    let metrics = init(config).unwrap();
    (0..10).for_each(|i| get_logger(&format!("shop{i}")).send_counter("sold", 1));
    let shop = get_logger("shop0");
    // Once, and then never again.
    shop.with("version", "1.2.3").send_gauge("build_info", 1);
    shop.send_gauge("pool.size", 64);
    let rare = [shop.counter("rare"), shop.with("code", "500").counter("rare.labelled")];

    let mut ahead = Prometheus::new(Settings::default());
    let totals = ahead.handle();
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / STEP * STEP + 600;
    let end = begin + (STEPS - 1) * STEP;
    let mut text = String::new();
    for step in 0..STEPS {
        // Two names that are one in the records, one more logger than there may be, and what statsd is not delivered.
        shop.send_counter("a:b", 1);
        shop.send_counter("a|b", 1);
        get_logger(&format!("late{step}")).send_counter("sold", 1);
        if step % (50 * 60 / STEP) == 4 {
            rare.iter().for_each(|counter| counter.increment());
        }
        metrics.flush(SOON);
        let time = begin + step * STEP;
        ahead.make(UNIX_EPOCH + Duration::from_secs(time), snapshot().totals(), &Naming::default());
        for line in totals.text().lines().filter(|line| !line.starts_with('#')) {
            writeln!(text, "{line} {time}").unwrap();
        }
    }
    drop(metrics);

    let scratch = Scratch::new("constant");
    let shown = scratch.file("shown", (text + "# EOF\n").as_bytes());
    let data = scratch.path().join("data");
    promtool(&["tsdb", "create-blocks-from", "openmetrics", shown.to_str().unwrap(), data.to_str().unwrap()]);
    let server = Server::start(&scratch);
    let (from, to, url) = (format!("--start={begin}"), format!("--end={end}"), format!("--url=http://{}", server.1));
    let output = format!("--output-dir={}", data.display());
    promtool(&[
        "tsdb",
        "create-blocks-from",
        "rules",
        &from,
        &to,
        &url,
        &output,
        &format!("--eval-interval={STEP}s"),
        RULES,
    ]);
    drop(server);
    let server = Server::start(&scratch);

    let asked = begin + WARM_UP;
    let steps = ((end - asked) / STEP + 1) as usize;
    let lasts = |query: &str, of: &str| {
        let results = server.range(query, asked, end);
        let found = results.iter().find(|(what, _, _)| what == of).map(|(_, count, _)| *count);
        assert_eq!(found, Some(steps), "{query} for {of:?}: {results:?}");
    };
    let expected = [
        ("FerrometerLoss", "pull_cache"),
        ("FerrometerSeriesNearCap", "loggers"),
        ("FerrometerSeriesRefused", "loggers"),
        ("FerrometerDeliveryOverdue", "statsd"),
    ];
    let alerts = alerts();
    for (name, of) in expected {
        let (_, expression) = alerts.iter().find(|(known, _)| known == name).unwrap();
        lasts(expression, of);
    }
    for constant in ["shop0_build_info", "shop0_pool_size", "ferrometer:limit_max{limit='loggers'}"] {
        lasts(constant, if constant.starts_with("shop0") { "" } else { "loggers" });
    }
    // Fifty minutes lie between two increments, and each of them shows.
    for counter in ["shop0_rare_total", "shop0_rare_labelled_total"] {
        lasts(counter, "");
        let increase = server.range(&format!("round(increase({counter}[10m]) * 10)"), end - 12 * 60, end - 12 * 60);
        assert!(matches!(increase[..], [(_, _, tenths)] if tenths >= 9.0), "{counter}: {increase:?}");
    }
}
