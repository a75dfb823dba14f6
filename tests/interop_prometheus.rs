//! Against the real Prometheus, its `promtool`, and the official Python client: what they read is what was recorded, to the unit.

#[path = "support/prometheus.rs"]
mod prometheus;
mod support;

use ferrometer::config::Scrape;
use ferrometer::{Config, Metrics, Unit, get_logger, init};
use ferrometer_testkit::{SOON, Scratch, alone};
use prometheus::{Prometheus, feed, get, low_port, parse_with_python};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::example;

const OPEN: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

fn serve(scrape: Scrape) -> (Metrics, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
    let config = Config::new()
        .backend("pull-cache")
        .pull_cache_interval(Duration::from_secs(1))
        .pull_cache_http(true)
        .pull_cache_address(address)
        .pull_cache_scrape(scrape);
    (init(config).unwrap(), address)
}

/// Returns whether an estimate is as near as a bucket allows.
fn near(got: f64, expected: f64, share: f64) -> bool {
    (got - expected).abs() <= expected * share
}

#[test]
#[ignore = "needs Prometheus; scripts/test installs and runs it"]
fn prometheus_answers_with_what_was_recorded() {
    let _alone = alone();
    let (_metrics, address) = serve(Scrape::Generation);
    let logger = get_logger("prom");
    logger.describe("queue.depth", Unit::Bytes, "Bytes that wait.");
    logger.send_gauge("queue.depth", 0.125);
    logger.send_gauge("cold", -12.5);
    logger.with("path", "/a \"b\"\\c\nd é").send_counter("requests", 1u64 << 52);
    logger.with("path", "/").send_counter("requests", 42);
    logger.with("path", "/").send_counter("requests", -2);
    let _busy = logger.in_flight("busy").enter();
    let millis: Vec<u64> = (1..=1000).collect();
    millis.iter().for_each(|ms| logger.send_timer("work", Duration::from_millis(*ms)));
    (0..400).for_each(|_| logger.with("sampled", "no").send_timer("rest", Duration::ZERO));
    [-8.0, -1.0, 0.0, 100.0].iter().for_each(|v| logger.send_histogram("signed", *v));
    (1..=16).for_each(|v| logger.send_histogram("rows", v));

    let classic = Prometheus::start("classic", false, address);
    let native = Prometheus::start("native", true, address);
    for server in [&classic, &native] {
        server.settle("prom_requests_total{path='/'}", 42.0);
        assert_eq!(server.value("prom_requests_decrements_total"), Some(2.0));
        assert_eq!(server.value("sum(prom_requests_total)"), Some((1u64 << 52) as f64 + 42.0));
        assert_eq!(server.query("prom_requests_total > 42").into_keys().next().unwrap(), "path=/a \"b\"\\c\nd é");
        assert_eq!(server.value("prom_queue_depth_bytes"), Some(0.125));
        assert_eq!(server.value("prom_cold"), Some(-12.5));
        assert_eq!(server.value("prom_busy"), Some(1.0));
        assert_eq!(server.value("up{job='app'}"), Some(1.0));
        assert!(server.value("process_resident_memory_bytes").unwrap() > 1e6);
        let health = server.target();
        assert_eq!((health["health"].as_str(), health["lastError"].as_str()), (Some("up"), Some("")), "{health}");
    }
    assert_eq!(
        classic.api("/api/v1/metadata?metric=prom_queue_depth_bytes")["prom_queue_depth_bytes"][0]["unit"],
        "bytes"
    );
    assert_eq!(
        classic.api("/api/v1/metadata?metric=prom_queue_depth_bytes")["prom_queue_depth_bytes"][0]["help"],
        "Bytes that wait."
    );

    // Classic histograms: counts to the unit.
    assert_eq!(classic.value("prom_work_seconds_count"), Some(1000.0));
    assert!(near(classic.value("prom_work_seconds_sum").unwrap(), 500.5, 1e-12));
    assert_eq!(classic.value("prom_work_seconds_bucket{le='+Inf'}"), Some(1000.0));
    assert_eq!(classic.value("prom_rest_seconds_bucket{le='0.0001'}"), Some(400.0));
    for (q, expected) in [(0.25, 0.25), (0.5, 0.5), (0.9, 0.9)] {
        let got = classic.value(&format!("histogram_quantile({q}, prom_work_seconds_bucket)")).unwrap();
        // Interpolated between the bounds, with what a core bucket moves across one.
        assert!(near(got, expected, 0.13), "{q}: {got}");
    }
    assert_eq!(classic.value("prom_rows_bucket{le='8.0'}"), Some(7.0));
    assert_eq!(classic.value("prom_signed_bucket{le='-1.0'}"), Some(2.0));
    let age = classic.value("time() - prom_work_seconds_created").unwrap();
    assert!((0.0..3600.0).contains(&age), "{age}");

    // Native histograms: counts and sums to the unit, quantiles within what the core's buckets allow.
    assert_eq!(native.value("histogram_count(prom_work_seconds)"), Some(1000.0));
    assert!(near(native.value("histogram_sum(prom_work_seconds)").unwrap(), 500.5, 1e-12));
    assert_eq!(native.value("histogram_count(prom_rest_seconds)"), Some(400.0));
    assert_eq!(native.value("histogram_sum(prom_signed)"), Some(91.0));
    assert_eq!(native.value("histogram_fraction(-Inf, 0, prom_signed) * 4").map(|n| n.round()), Some(3.0));
    for (q, expected) in [(0.1, 0.1), (0.5, 0.5), (0.9, 0.9), (0.99, 0.99)] {
        let got = native.value(&format!("histogram_quantile({q}, prom_work_seconds)")).unwrap();
        assert!(near(got, expected, 0.086), "{q}: {got}");
    }

    // Later recordings arrive too.
    logger.with("path", "/").send_counter("requests", 8);
    millis.iter().for_each(|ms| logger.send_timer("work", Duration::from_millis(*ms)));
    for server in [&classic, &native] {
        server.settle("prom_requests_total{path='/'}", 50.0);
    }
    native.settle("histogram_count(prom_work_seconds)", 2000.0);
    classic.settle("prom_work_seconds_count", 2000.0);
}

#[test]
#[ignore = "needs Prometheus; scripts/test installs and runs it"]
fn a_fresh_scrape_has_what_was_recorded_a_moment_before() {
    let _alone = alone();
    let (metrics, address) = serve(Scrape::Fresh);
    let counter = get_logger("freshly").counter("counted");
    let server = Prometheus::start("fresh", true, address);
    for n in 1..=5 {
        counter.increment();
        server.settle("freshly_counted_total", f64::from(n));
        let (status, _, body) = get(address, "/metrics?name[]=freshly_counted_total", None);
        let text = String::from_utf8(body).unwrap();
        assert!(status == 200 && text.ends_with(&format!("\nfreshly_counted_total {n}\n")), "{text}");
    }
    // A counter that is a whole number of scrapes long never fell.
    assert_eq!(server.value("resets(freshly_counted_total[1m])"), Some(0.0));
    drop(metrics);
}

#[test]
#[ignore = "needs Prometheus; scripts/test installs and runs it"]
fn a_gauge_that_is_idle_is_gone_from_prometheus_and_what_counts_stays() {
    let _alone = alone();
    let plain = get_logger("ageing");
    let logger = plain.with("vm", "100");
    for scrape in [Scrape::Generation, Scrape::Fresh] {
        let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
        let config = Config::new()
            .backend("pull-cache")
            .pull_cache_interval(Duration::from_secs(1))
            .pull_cache_idle_after(Duration::from_secs(8))
            .pull_cache_http(true)
            .pull_cache_address(address)
            .pull_cache_scrape(scrape);
        let metrics = init(config).unwrap();
        // Each turn has names of its own: the totals of a process stay.
        let of = |name: &str| format!("{name}_{}", scrape.as_str());
        let (counter, gauge) = (logger.counter(of("c")), logger.gauge(of("g")));
        let (c, g) = (format!("ageing_{}_total", of("c")), format!("ageing_{}", of("g")));
        let steady = logger.counter(of("steady"));
        plain.send_gauge(of("size"), 64);
        logger.send_gauge(of("once"), 1);
        counter.add(5);
        gauge.set(6);
        gauge.set(7);
        let server = Prometheus::start(scrape.as_str(), false, address);
        server.settle(&c, 5.0);
        server.settle(&g, 7.0);
        let created = server.value(&format!("ageing_{}_created", of("c")));
        let until = Instant::now() + SOON * 3;
        while server.value(&g).is_some() {
            assert!(Instant::now() < until, "{g} does not age");
            steady.increment();
            thread::sleep(Duration::from_millis(200));
        }
        // A fresh scrape may know it a generation earlier than the records.
        while metrics.pull_cache().unwrap().left_out().idle < 2 {
            assert!(Instant::now() < until, "{:?}", metrics.pull_cache().unwrap().left_out());
            thread::sleep(Duration::from_millis(50));
        }
        let steady = format!("{}_total", of("steady"));
        for stays in [of("size"), of("once"), steady] {
            assert!(server.value(&format!("ageing_{stays}")).is_some(), "{stays}");
        }
        assert_eq!(server.value(&c), Some(5.0));
        counter.add(3);
        gauge.set(7);
        server.settle(&c, 8.0);
        server.settle(&g, 7.0);
        // Its rest was no gap: both increments are seen.
        assert_eq!(server.value(&format!("resets({c}[5m])")), Some(0.0));
        assert_eq!(server.value(&format!("changes({c}[5m])")), Some(1.0));
        assert_eq!(server.value(&format!("ageing_{}_created", of("c"))), created);
    }
}

#[test]
#[ignore = "needs Prometheus; scripts/test installs and runs it"]
fn a_program_of_the_examples_is_scraped() {
    let work = Scratch::new("prometheus-files");
    let files = 30usize;
    (0..files).for_each(|i| drop(work.file(&format!("f{i}"), vec![b'x'; 100 * i])));
    let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
    let mut program = example("quickstart")
        .arg(work.path())
        .arg("--serve")
        .env("FERROMETER_PULL_CACHE__ADDRESS", address.to_string())
        .env("FERROMETER_PULL_CACHE__HTTP", "true")
        .env("FERROMETER_PULL_CACHE__INTERVAL", "1s")
        .env("FERROMETER_BACKEND", "pull-cache")
        .arg("--config")
        .arg(work.file("../empty.toml", b"[metrics]\n"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = Prometheus::start("example", true, address);
    let seen = std::panic::catch_unwind(|| {
        let done = "quickstart_files_total % 30";
        server.settle(done, 0.0);
        assert!(server.value("quickstart_files_total").unwrap() >= files as f64);
        assert!(server.value("histogram_count(quickstart_file_time_seconds)").unwrap() >= files as f64);
        assert_eq!(server.target()["health"], "up");
        let (ok, said) = feed(Command::new("promtool").args(["check", "metrics"]), &get(address, "/metrics", None).2);
        assert!(ok && said.is_empty(), "{said}");
    });
    let _ = program.kill();
    let _ = program.wait();
    let _ = std::fs::remove_file(work.path().join("../empty.toml"));
    seen.unwrap();
}

#[test]
#[ignore = "needs promtool and the Python client; scripts/test installs them"]
fn promtool_and_the_python_client_find_nothing_wrong() {
    let _alone = alone();
    let (metrics, address) = serve(Scrape::Generation);
    let logger = get_logger("checked");
    logger.describe("temperature", Unit::Celsius, "A \"quoted\" help,\\ of two\nlines.");
    logger.send_gauge("temperature", 36.6);
    logger.with("room", "a \"b\"\\c\nd é").send_counter("visits", 7);
    logger.send_timer("stay", Duration::from_millis(1500));
    logger.describe("size", Unit::Bytes, "Sizes of what was brought.");
    (0..1000).for_each(|v| logger.send_histogram("size", v * v));
    [-1e12, -3.0, 0.0, 1e-9, 1e300].iter().for_each(|v| logger.send_histogram("wild", *v));
    assert!(metrics.flush(SOON).complete);

    let (status, head, body) = get(address, "/metrics", None);
    assert!(status == 200 && head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(head.contains("vary: accept"), "{head}");
    let (ok, said) = feed(Command::new("promtool").args(["check", "metrics"]), &body);
    assert!(ok && said.is_empty(), "{said}");
    let plain = parse_with_python("prometheus_client.parser", &body);

    let (status, head, body) = get(address, "/metrics", Some(OPEN));
    assert!(status == 200 && head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let open = parse_with_python("prometheus_client.openmetrics.parser", &body);
    let find = |all: &[serde_json::Value], name: &str| {
        all.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    for all in [&plain, &open] {
        let visits = find(all, "checked_visits_total");
        assert_eq!((visits["value"].as_str(), visits["kind"].as_str()), (Some("7.0"), Some("counter")));
        assert_eq!(visits["labels"]["room"], "a \"b\"\\c\nd é");
        let temperature = find(all, "checked_temperature_celsius");
        assert_eq!(temperature["help"], "A \"quoted\" help,\\ of two\nlines.");
        assert_eq!(find(all, "checked_stay_seconds_sum")["value"], "1.5");
        assert_eq!(find(all, "checked_size_bytes_count")["value"], "1000.0");
        assert_eq!(find(all, "process_threads")["kind"], "gauge");
    }
    assert_eq!(find(&open, "checked_temperature_celsius")["unit"], "celsius");
    assert_eq!(find(&open, "checked_visits_created")["family"], "checked_visits");

    let (status, head, body) = get(address, "/metrics", Some(PROTOBUF));
    assert!(status == 200 && head.contains("application/vnd.google.protobuf") && !body.is_empty(), "{head}");
    let (status, head, body) = get(address, "/metrics?nmae[]=x", None);
    assert!(status == 400 && head.contains("application/json"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("allowed is name[]"));
}
