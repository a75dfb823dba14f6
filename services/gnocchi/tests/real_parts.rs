//! Programs that write to a Gnocchi, writing to this one: collectd with collectd-gnocchi, Prometheus by remote write, and a load of statsd lines.
//!
//! ```text
//! COLLECTD_GNOCCHI=…/lib/python3.11/site-packages cargo test -p ferrometer-gnocchi --test real_parts -- --ignored
//! ```

mod common;

use common::Api;
use ferrometer_gnocchi::{Settings, Statsd, StatsdSettings};
use serde_json::Value;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest that a program has until its measures are there, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program in a directory of its own; both go with the value.
struct Program {
    child: Child,
    directory: PathBuf,
}

impl Program {
    fn start(name: &str, configure: impl FnOnce(&Path) -> Command) -> Program {
        let directory = std::env::temp_dir().join(format!("ferrometer-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let mut command = configure(&directory);
        let log = std::fs::File::create(directory.join("output")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Program { child, directory }
    }

    fn log(&self) -> String {
        let files = std::fs::read_dir(&self.directory).unwrap().filter_map(|file| Some(file.ok()?.path()));
        files
            .filter_map(|file| std::fs::read(file).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Waits until something is there.
fn wait<T>(program: &Program, mut check: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing came: {}", program.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The metrics of a resource, by name; none while it is not there.
fn metrics(api: &Api, kind: &str, resource: &str) -> Option<Vec<(String, String)>> {
    let told = api.get(&format!("/v1/resource/{kind}/{resource}"));
    if told.status != 200 {
        return None;
    }
    let told = told.json();
    Some(
        told["metrics"].as_object()?.iter().map(|(name, id)| (name.clone(), id.as_str().unwrap().to_owned())).collect(),
    )
}

fn rows(api: &Api, id: &str, method: &str) -> Vec<f64> {
    let rows = api.get(&format!("/v1/metric/{id}/measures?aggregation={method}")).is(200);
    rows.as_array().unwrap().iter().map(|row: &Value| row[2].as_f64().unwrap()).collect()
}

#[test]
#[ignore = "needs collectd of Debian, and COLLECTD_GNOCCHI, the site-packages with collectd-gnocchi of PyPI"]
fn collectd_writes_its_metrics() {
    let site = std::env::var("COLLECTD_GNOCCHI").expect("COLLECTD_GNOCCHI says where collectd_gnocchi is");
    let api = Api::new(Settings::default());
    let url = format!("http://{}", api.server.local_addr());
    let collectd = Program::start("collectd", |directory| {
        let dir = directory.display();
        let config = format!(
            "Hostname \"acceptance-host\"\nFQDNLookup false\nBaseDir \"{dir}\"\nPIDFile \"{dir}/pid\"\nTypesDB \"/usr/share/collectd/types.db\"\n\
             Interval 1\nLoadPlugin logfile\n<Plugin logfile>\nLogLevel info\nFile \"{dir}/log\"\n</Plugin>\nLoadPlugin load\nLoadPlugin memory\n\
             <LoadPlugin python>\nGlobals true\n</LoadPlugin>\n<Plugin python>\nModulePath \"{site}\"\nImport \"collectd_gnocchi\"\n\
             <Module collectd_gnocchi>\nAuth_Mode \"basic\"\nUser \"admin\"\nEndpoint \"{url}\"\nResourceType \"collectd\"\nBatchSize 10\n</Module>\n</Plugin>\n"
        );
        std::fs::write(directory.join("conf"), config).unwrap();
        let mut command = Command::new("collectd");
        command.args(["-f", "-C"]).arg(directory.join("conf"));
        command
    });
    let found = wait(&collectd, || {
        let found = metrics(&api, "collectd", "collectd:acceptance-host")?;
        let has = |name: &str| found.iter().any(|(known, _)| known.starts_with(name));
        (has("load@load") && has("memory@memory")).then_some(found)
    });
    let load = &found.iter().find(|(name, _)| name.starts_with("load@load")).unwrap().1;
    wait(&collectd, || rows(&api, load, "count").first().copied().filter(|count| *count >= 3.0));
    assert!(rows(&api, load, "max").iter().all(|value| (0.0..10_000.0).contains(value)));
}

#[test]
#[ignore = "needs prometheus of Debian"]
fn prometheus_writes_remotely_and_drops_nothing() {
    let api = Api::new(Settings::default());
    let url = format!("http://{}", api.server.local_addr());
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let prometheus = Program::start("prometheus", |directory| {
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: self\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n\
             remote_write:\n- url: {url}/v1/prometheus/write\n  basic_auth: {{username: admin, password: x}}\n  queue_config: {{batch_send_deadline: 1s}}\n"
        );
        std::fs::write(directory.join("conf.yml"), config).unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", directory.join("conf.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", directory.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    });
    let found = wait(&prometheus, || {
        metrics(&api, "prometheus", &format!("self@127.0.0.1:{port}")).filter(|found| found.len() > 100)
    });
    let of = |name: &str| found.iter().find(|(known, _)| known == name).map(|(_, id)| id.clone());
    let up = of("up").expect("the metric up");
    wait(&prometheus, || rows(&api, &up, "count").first().copied().filter(|count| *count >= 3.0));
    assert_eq!(rows(&api, &up, "min"), [1.0]);
    // By its own account nothing failed, and what it sent last is known here.
    let failed = of("prometheus_remote_storage_samples_failed_total").expect("its account");
    let dropped = of("prometheus_remote_storage_samples_dropped_total").expect("its account");
    for id in [failed, dropped] {
        assert!(rows(&api, &id, "max").iter().all(|value| *value == 0.0), "{}", prometheus.log());
    }
}

#[test]
#[ignore = "slow: a load of statsd lines; its figure is worth something with --release"]
fn a_load_of_statsd_lines_is_counted() {
    const LINES: u64 = 1_000_000;
    let api = Api::new(Settings::default());
    let mut settings = StatsdSettings::new(Uuid::from_u128(7));
    settings.flush = Duration::from_millis(500);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let statsd = Arc::new(Statsd::new(api.archive(), settings));
    let listening = Arc::clone(&statsd).listen(socket).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    for number in 0..LINES {
        // As Etsy's clients send: one line a datagram, counters, timers and gauges of some hundred names.
        let name = number % 100;
        let line = match number % 10 {
            0 => format!("load.gauge{name}:{number}|g"),
            1 | 2 => format!("load.timer{name}:{}|ms", number % 997),
            _ => format!("load.counter{name}:1|c"),
        };
        client.send_to(line.as_bytes(), address).unwrap();
    }
    let sent = begun.elapsed();
    let mut before = u64::MAX;
    while statsd.counts().taken != before {
        before = statsd.counts().taken;
        std::thread::sleep(Duration::from_secs(1));
    }
    drop(listening);
    let counts = statsd.counts();
    println!(
        "{LINES} lines sent in {sent:?}, {:.0} a second; {} taken, {:.2} % lost",
        LINES as f64 / sent.as_secs_f64(),
        counts.taken,
        100.0 - counts.taken as f64 * 100.0 / LINES as f64
    );
    // Every line that was taken is in the archive, whatever the system lost before.
    assert_eq!((counts.unreadable, counts.refused, counts.beyond_limits), (0, 0, 0));
    let found = metrics(&api, "generic", &Uuid::from_u128(7).to_string()).unwrap();
    let total = |kind: &str, method: &str| -> f64 {
        let own = found.iter().filter(|(name, _)| name.starts_with(kind));
        own.flat_map(|(_, id)| rows(&api, id, method)).sum()
    };
    let (counted, timed) = (total("load.counter", "sum"), total("load.timer", "count"));
    let gauges = counts.taken as f64 - counted - timed;
    assert!((0.0..=LINES as f64 / 10.0).contains(&gauges), "{counted} {timed} {counts:?}");
}
