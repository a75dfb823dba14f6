//! Against real statsd servers beside Etsy's, each with its dialect: what the server holds afterwards is what was recorded.

#![cfg(target_os = "linux")]

#[path = "support/statsd_servers.rs"]
mod statsd_servers;
mod support;

use ferrometer::Series;
use ferrometer::config::Dialect;
use ferrometer::{Cause, Config, get_logger, init};
use ferrometer_testkit::{SOON, Scratch, alone, free_tcp_port, free_udp_port};
use statsd_servers::{Collectd, Gnocchi, Navdoon, Netdata, Statsdly};
use std::thread;
use std::time::Duration;

/// Recordings that differ each time.
struct Recorded {
    /// Values that the server would refuse.
    refused: u64,
    /// Durations of 8 ms that were sampled, at a rate of a half.
    sampled: f64,
}

/// Two rounds, each in a delivery and an interval of the server of its own: 20 durations, and 80 sampled ones; counters of 6, 10 and 0; gauges that
/// end at -8 and 64.5; a count in flight of 1; a histogram with two negative values; label values that look alike.
fn record(name: &str, dialect: Dialect, port: u16) -> Recorded {
    let config = Config::new().backend("statsd").statsd_host("127.0.0.1").statsd_port(port).statsd_dialect(dialect);
    // Further deliveries but those that are asked for tell state again.
    let metrics = init(config.statsd_interval(Duration::from_secs(3600))).unwrap();
    let logger = get_logger(name);
    let near = logger.sampled(1.0 - 1e-9);
    let _open = logger.in_flight("open").enter();
    // netdata takes the first value of a counter for where it begins.
    logger.send_counter("hits", 0);
    near.send_counter("rated_hits", 0);
    assert!(metrics.flush(SOON).complete);
    thread::sleep(Duration::from_millis(3000));
    for below in [-7, -8] {
        (1..=10).for_each(|i| logger.send_timer("time", Duration::from_millis(10 * i)));
        let half = logger.sampled(0.5);
        (0..40).for_each(|_| half.send_timer("rated", Duration::from_millis(8)));
        near.send_counter("rated_hits", 5);
        logger.send_counter("hits", 3);
        logger.send_counter("cancels", 5);
        logger.send_counter("cancels", -5);
        logger.send_gauge("below", below);
        logger.send_gauge("up", 64.5);
        [21.5, -3.0, 22.0].iter().for_each(|value| logger.send_histogram("temperature", *value));
        for value in ["1.2", "1_2", "北京", "上海"] {
            logger.with("label", value).send_counter("labelled", 1);
        }
        assert!(metrics.flush(SOON).complete);
        thread::sleep(Duration::from_millis(3000));
    }
    let report = metrics.shutdown(SOON);
    let ledger = &report.ledgers[0];
    assert!(ledger.balances(), "{ledger}");
    let snapshot = ferrometer::snapshot();
    let is_rated =
        |series: &Series| series.logger_name() == name && series.metric_name() == "rated" && series.rate() < 1.0;
    let rated = snapshot.totals().iter().find(|total| is_rated(total.series)).unwrap();
    Recorded { refused: ledger.dropped[Cause::Invalid].recordings, sampled: rated.recordings as f64 }
}

#[test]
#[ignore = "needs collectd; scripts/test installs and runs it"]
fn collectd_holds_what_was_recorded() {
    let _alone = alone();
    let server = Collectd::start();
    // A value with a sign is no duration.
    let recorded = record("collectd", Dialect::Collectd, server.port);
    assert_eq!(recorded.refused, 2);
    assert_eq!(server.sum("count-collectd.hits"), 6.0);
    assert_eq!(server.sum("count-collectd.rated_hits").round(), 10.0);
    assert_eq!(server.sum("gauge-collectd.time-count"), 20.0);
    assert!((server.sum("latency-collectd.time-sum") - 1.1).abs() < 1e-9);
    // One that is sampled counts once, with its own duration.
    assert_eq!(server.sum("gauge-collectd.rated-count"), recorded.sampled);
    assert!((server.sum("latency-collectd.rated-sum") - 0.008 * recorded.sampled).abs() < 1e-9);
    assert_eq!(server.sum("gauge-collectd.temperature-count"), 4.0);
    assert!(!server.values("count-collectd.cancels").is_empty() && server.sum("count-collectd.cancels") == 0.0);
    for (gauge, value) in [("below", -8.0), ("up", 64.5), ("open", 1.0)] {
        assert_eq!(server.values(&format!("gauge-collectd.{gauge}")).last(), Some(&value), "{gauge}");
    }
    for value in ["1_2-e94218cc", "1_2", "__-36943181", "__-6d4bf285"] {
        assert_eq!(server.sum(&format!("count-collectd.labelled.label.{value}")), 2.0, "{value}");
    }
}

#[test]
#[ignore = "needs netdata; scripts/test installs and runs it"]
fn netdata_holds_what_was_recorded() {
    let _alone = alone();
    let server = Netdata::start();
    let recorded = record("netdata", Dialect::Plain, server.port);
    assert_eq!(recorded.refused, 2);
    for (counter, sum) in [("hits", 6.0), ("rated_hits", 10.0)] {
        let rows = server.rows(&format!("statsd_netdata.{counter}_counter"));
        let all: f64 = rows.iter().filter_map(|row| row.first()).filter(|value| !value.is_nan()).sum();
        assert!((all - sum).abs() < 0.1, "{counter}: {all}");
    }
    // Each second has its least, greatest and mean: of all ten values, twice.
    for (timer, least, greatest, mean) in
        [("time", 10.0, 100.0, 55.0), ("rated", 8.0, 8.0, 8.0), ("temperature", 21.5, 22.0, 21.75)]
    {
        let rows = server.rows(&format!("statsd_netdata.{timer}_timer"));
        let full: Vec<_> = rows.iter().filter(|row| row.get(1).is_some_and(|greatest| *greatest > 0.0)).collect();
        assert_eq!(full.len(), 2, "{timer}: {rows:?}");
        for row in full {
            assert_eq!((row[0], row[1], row[2]), (least, greatest, mean), "{timer}");
        }
    }
    for (gauge, value) in [("below", -8.0), ("up", 64.5), ("open", 1.0)] {
        assert_eq!(server.rows(&format!("statsd_netdata.{gauge}_gauge"))[0], [value], "{gauge}");
    }
}

#[test]
#[ignore = "needs gnocchi; scripts/test installs and runs it"]
fn gnocchi_statsd_holds_what_was_recorded() {
    let _alone = alone();
    let server = Gnocchi::start();
    assert_eq!(record("gnocchi", Dialect::Gnocchi, server.port).refused, 0);
    let held = server.end();
    let of =
        |kind: &str, name: &str| held[kind][format!("gnocchi.{name}")].as_f64().map(|v| (v * 1000.0).round() / 1000.0);
    assert_eq!((of("counters", "hits|c"), of("counters", "rated_hits|c")), (Some(6.0), Some(10.0)));
    assert_eq!(of("counters", "cancels|c"), Some(0.0));
    assert_eq!(
        (of("gauges", "below|g"), of("gauges", "up|g"), of("gauges", "open|g")),
        (Some(-8.0), Some(64.5), Some(1.0))
    );
    // It keeps the last duration of an interval.
    assert_eq!(
        (of("times", "time|ms"), of("times", "rated|ms"), of("times", "temperature|ms")),
        (Some(100.0), Some(8.0), Some(22.0))
    );
    for value in ["1_2-e94218cc", "1_2", "__-36943181", "__-6d4bf285"] {
        assert_eq!(of("counters", &format!("labelled.label.{value}|c")), Some(2.0), "{value}");
    }
}

/// Checks the values of a server that writes for graphite: sums of counts, the last of each gauge.
fn holds(name: &str, values: &[(String, f64)], counters: &str, rated: f64) {
    let all = |what: &str| -> Vec<f64> {
        let full = format!("{name}.{what}");
        values.iter().filter(|(of, _)| *of == full).map(|(_, value)| *value).collect()
    };
    let sum = |what: &str| all(what).iter().sum::<f64>();
    assert_eq!((sum(&format!("hits{counters}")), sum(&format!("rated_hits{counters}")).round()), (6.0, 10.0));
    assert_eq!((sum("time.count"), sum("rated.count"), sum("temperature.count")), (20.0, rated, 4.0));
    for (gauge, value) in [("below", -8.0), ("up", 64.5), ("open", 1.0)] {
        assert_eq!(all(gauge).last(), Some(&value), "{gauge}");
    }
    for value in ["1_2-e94218cc", "1_2", "__-36943181", "__-6d4bf285"] {
        assert_eq!(sum(&format!("labelled.label.{value}{counters}")), 2.0, "{value}");
    }
}

#[test]
#[ignore = "needs statsdly; scripts/test installs and runs it"]
fn statsdly_holds_what_was_recorded() {
    let _alone = alone();
    let server = Statsdly::start();
    let recorded = record("statsdly", Dialect::Plain, server.port);
    assert_eq!(recorded.refused, 2);
    holds("statsdly", &server.end(), ".count", 2.0 * recorded.sampled);
}

#[test]
#[ignore = "needs navdoon; scripts/test installs and runs it"]
fn navdoon_holds_what_was_recorded() {
    let _alone = alone();
    let server = Navdoon::start();
    let recorded = record("navdoon", Dialect::Plain, server.port);
    assert_eq!(recorded.refused, 2);
    // It reads no rate of a duration: one that is sampled counts once.
    holds("navdoon", &server.end(), "", recorded.sampled);
}
