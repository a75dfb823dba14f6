//! Labels of the whole process: given in each way, shown by each backend.
#![cfg(all(feature = "config-file", feature = "http"))]

use ferrometer::Config;
use ferrometer_testkit::{SOON, alone};
use std::net::UdpSocket;
use std::time::Duration;

fn pairs(config: &Config) -> String {
    config.to_toml().lines().find(|line| line.starts_with("labels = ")).unwrap_or_default().to_owned()
}

#[test]
fn they_are_a_list_a_table_or_a_variable() {
    let expected = r#"labels = ["service=shop", "zone=b"]"#;
    for toml in [
        "[metrics]\nlabels = ['service=shop', 'zone=b']\n",
        "[metrics]\nlabels = { service = 'shop', zone = 'b' }\n",
        "[metrics.labels]\nservice = 'shop'\nzone = 'b'\n",
    ] {
        assert_eq!(pairs(&Config::from_toml(toml).unwrap()), expected, "{toml}");
    }
    let config = Config::from_env_with([("FERROMETER_LABELS", "service=shop,zone=b")]).unwrap();
    assert_eq!(pairs(&config), expected);
    assert_eq!(config, Config::new().labels(["service=shop", "zone=b"]));
    assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    assert!(config.clone().backend("statsd").max_bytes() > Config::new().backend("statsd").max_bytes());
}

#[test]
fn bad_ones_are_refused() {
    let expected = "expected a list of texts of the form name=value";
    let many: Vec<String> = (0..17).map(|at| format!("'k{at}=v'")).collect();
    for (value, shown, hint) in [
        ("['zone']", "['zone'] (list)", "; item 1: it is not of the form name=value"),
        ("['a=1', 'b=2', 'a=3']", "['a=1', 'b=2', 'a=3'] (list)", "; item 1: its name is there twice"),
        ("{ zone = 3 }", "{…} (table)", ""),
        (
            &format!("[{}]", many.join(", ")),
            "['k0=v', 'k1=v', 'k2=v', 'k3=v', 'k4=v', 'k5=v', 'k6=v', 'k7=v', 'k8=v', 'k9=v',… (list)",
            "; 17 labels of 75 bytes; at most 16 of 1024 bytes in all",
        ),
    ] {
        let error = Config::from_toml(&format!("[metrics]\nlabels = {value}\n")).unwrap_err().to_string();
        assert_eq!(error, format!("configuration:2:10: metrics.labels = {shown}: {expected}{hint}"));
    }
}

#[test]
fn every_series_has_those_that_it_has_not_itself() {
    let _alone = alone();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(SOON)).unwrap();
    let before = ferrometer::get_logger("process.labels").with("till", "3");
    let config = Config::new()
        .backend_list(["statsd", "pull-cache"])
        .labels(["zone=b", "till=none"])
        .statsd_host("127.0.0.1")
        .statsd_port(server.local_addr().unwrap().port())
        .statsd_dialect(ferrometer::config::Dialect::Dogstatsd)
        .pull_cache_http(true)
        .pull_cache_address("127.0.0.1:0".parse().unwrap());
    let metrics = ferrometer::init(config).unwrap();
    before.send_counter("sales", 2);
    ferrometer::get_logger("process.labels").send_counter("visits", 1);
    assert!(metrics.flush(SOON).complete);

    let mut lines = String::new();
    let mut datagram = [0; 2048];
    while !(lines.contains("sales") && lines.contains("visits")) {
        let len = server.recv(&mut datagram).unwrap();
        lines.push_str(std::str::from_utf8(&datagram[..len]).unwrap());
        lines.push('\n');
    }
    assert!(lines.contains("process.labels.sales:2|c|#till:3,zone:b\n"), "{lines}");
    assert!(lines.contains("process.labels.visits:1|c|#zone:b,till:none\n"), "{lines}");

    let cache = metrics.pull_cache().unwrap();
    let newest = cache.most_recent().unwrap();
    let labels = |metric: &str| {
        let record = newest.records().find(|record| record.metric == metric).unwrap();
        record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    };
    assert_eq!(labels("process.labels.sales"), "till=3,zone=b");
    assert_eq!(labels("process.labels.visits"), "till=none,zone=b");

    let filter = ferrometer::prometheus::Filter::default();
    let exposition = metrics.prometheus().unwrap().exposition(ferrometer::prometheus::Format::Text, &filter);
    let text = String::from_utf8(exposition.flat_map(|piece| piece.to_vec()).collect()).unwrap();
    assert!(text.contains("\nprocess_labels_sales_total{till=\"3\",zone=\"b\"} 2\n"), "{text}");
    assert!(text.contains("\nprocess_labels_visits_total{till=\"none\",zone=\"b\"} 1\n"), "{text}");

    // A configuration without them shows none, though the cache goes on.
    drop(metrics);
    let metrics = ferrometer::init(Config::new().backend("pull-cache")).unwrap();
    before.send_counter("sales", 1);
    assert!(metrics.flush(SOON).complete);
    let newest = metrics.pull_cache().unwrap().most_recent().unwrap();
    let record = newest.records().find(|record| record.metric == "process.labels.sales").unwrap();
    assert_eq!(record.labels.len(), 1);
}

/// The bounds of buckets are those of the configuration, each value at the first bound that is not below it.
#[test]
fn buckets_have_the_bounds_of_the_configuration() {
    let _alone = alone();
    let config = Config::new()
        .backend("prometheus")
        .pull_cache_address("127.0.0.1:0".parse().unwrap())
        .pull_cache_timer_buckets([0.001, 0.5])
        .pull_cache_histogram_buckets([-1.0, 10.0]);
    let metrics = ferrometer::init(config).unwrap();
    let logger = ferrometer::get_logger("bounds");
    for micros in [10, 900, 1100, 400_000, 2_000_000] {
        logger.send_timer("t", Duration::from_micros(micros));
    }
    for value in [-5.0, 0.0, 3.0, 1e6] {
        logger.send_histogram("h", value);
    }
    assert!(metrics.flush(SOON).complete);
    let exposition = metrics
        .prometheus()
        .unwrap()
        .exposition(ferrometer::prometheus::Format::Text, &ferrometer::prometheus::Filter::default());
    let text: Vec<u8> = exposition.flat_map(|piece| piece.to_vec()).collect();
    let text = String::from_utf8(text).unwrap();
    let buckets: Vec<&str> =
        text.lines().filter(|line| line.starts_with("bounds_") && line.contains("_bucket")).collect();
    assert_eq!(
        buckets,
        [
            r#"bounds_h_bucket{le="-1"} 1"#,
            r#"bounds_h_bucket{le="10"} 3"#,
            r#"bounds_h_bucket{le="+Inf"} 4"#,
            r#"bounds_t_seconds_bucket{le="0.001"} 2"#,
            r#"bounds_t_seconds_bucket{le="0.5"} 4"#,
            r#"bounds_t_seconds_bucket{le="+Inf"} 5"#,
        ],
        "{text}"
    );
}
