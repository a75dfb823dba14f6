//! Against the real Prometheus, `promtool` and the official Python client, with the worst names there are; on their own, because what a
//! process has once recorded stays.

#[path = "../backends/prometheus/tests/common/nasty.rs"]
mod nasty;
#[path = "support/prometheus.rs"]
mod prometheus;
mod support;

use ferrometer::{Config, Dynamic, Unit, get_logger, init};
use nasty::NASTY;
use prometheus::{Prometheus, feed, get, low_port, parse_with_python};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

const OPEN: &str = "application/openmetrics-text;version=1.0.0";

/// Names, labels and texts that mean something to some format, in every place where a program can put them.
#[test]
#[ignore = "needs Prometheus, promtool and the Python client; scripts/test installs them"]
fn hostile_names_labels_and_texts_reach_all_of_them_whole() {
    let address = SocketAddr::from(([127, 0, 0, 1], low_port()));
    let config = Config::new().backend("pull-cache").pull_cache_http(true).pull_cache_address(address);
    let metrics = init(config).unwrap();
    let (mut counted, mut seed) = (0.0, 7usize);
    for (i, name) in NASTY.iter().enumerate() {
        for second in ["", NASTY[(i * 7 + 3) % NASTY.len()], "created", "seconds.count"] {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let logger = get_logger(&format!("hostile{name}"));
            let metric = format!("{second}{name}");
            logger.describe(
                &metric,
                Unit::Other(if i % 2 == 0 { "bytes" } else { "\"\n" }),
                &format!("{name}\\\"\n{second}"),
            );
            let labelled = logger.with(name, second).with(&format!("{name}.x"), name);
            labelled.send_counter(Dynamic(&metric), (seed >> 40) as i64 - 1000);
            labelled.send_gauge(Dynamic(&metric), seed as f64 / -3.0);
            labelled.send_timer(Dynamic(&metric), Duration::from_nanos(seed as u64 >> 20));
            labelled.send_histogram(Dynamic(&metric), seed as f64 - 1e18);
            // One that must arrive whatever stands beside it.
            get_logger("marked").with("at", &format!("{name}|{second}|{i}")).send_counter("marks", 1);
        }
        counted += 4.0;
    }
    assert!(metrics.flush(Duration::from_secs(60)).complete);
    let marks = |samples: Vec<serde_json::Value>| {
        let all: Vec<_> = samples.into_iter().filter(|s| s["name"] == "marked_marks_total").collect();
        let labels = all.iter().filter_map(|s| s["labels"]["at"].as_str()).map(str::to_owned);
        let labels: std::collections::BTreeSet<String> = labels.collect();
        for (i, name) in NASTY.iter().enumerate() {
            assert!(labels.contains(&format!("{name}||{i}")), "{name:?}");
        }
        labels.len() as f64
    };
    let plain = get(address, "/metrics", None).2;
    let distinct = marks(parse_with_python("prometheus_client.parser", &plain));
    assert!(distinct <= counted && distinct > counted - 4.0, "{distinct} of {counted}");
    let open = get(address, "/metrics", Some(OPEN)).2;
    assert_eq!(marks(parse_with_python("prometheus_client.openmetrics.parser", &open)), distinct);
    // It may find fault with such names; it must be able to read them.
    let (_, said) = feed(Command::new("promtool").args(["check", "metrics"]), &plain);
    assert!(!said.contains("error while linting") && !said.contains("parse"), "{said}");
    for native in [false, true] {
        let server = Prometheus::start(if native { "hostile-native" } else { "hostile" }, native, address);
        server.settle("count(marked_marks_total)", distinct);
        assert_eq!(server.target()["lastError"], "", "{}", server.target());
        thread::sleep(Duration::from_millis(1100));
        assert_eq!(server.value("up{job='app'}"), Some(1.0));
    }
}
