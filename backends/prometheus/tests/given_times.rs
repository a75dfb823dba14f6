//! Totals taken at given times, with an exporter that is not installed.

use ferrometer_core::{Naming, Series, Snapshot, Value, get_logger, install, remove, snapshot};
use ferrometer_prometheus::{Prometheus, Scrape, Settings};
use ferrometer_testkit::{Alone, NEVER, SOON, sink};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Keeps other tests out of the pipeline, which is switched on.
fn alone() -> Alone {
    let alone = ferrometer_testkit::alone().then(|| drop(remove("on", SOON)));
    install("on", sink(), NEVER).unwrap();
    alone
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second) + Duration::from_millis(999)
}

fn make(exporter: &mut Prometheus, second: u64) {
    exporter.make(at(second), snapshot().totals(), &Naming::default());
}

/// Totals as they are, some of them replaced.
fn replaced(totals: &[(&'static Series, Value<'_>)]) -> Snapshot {
    totals.iter().fold(Snapshot::clone(&snapshot()), |snapshot, (series, value)| snapshot.with(series, *value))
}

fn counter(increments: u64, decrements: u64) -> Value<'static> {
    Value::Counter { increments, decrements }
}

#[test]
fn values_are_divided_by_the_rate_and_rates_are_added_up() {
    let _alone = alone();
    let logger = get_logger("rates");
    let (plain, half, tenth) =
        (logger.counter("c"), logger.sampled(0.5).counter("c"), logger.sampled(0.1).counter("c"));
    let mut exporter = Prometheus::new(Settings::default());
    let given = [(plain.series(), counter(7, 10)), (half.series(), counter(3, 1)), (tenth.series(), counter(5, 0))];
    exporter.make(at(1), replaced(&given).totals(), &Naming::default());
    let text = exporter.handle().text();
    assert!(text.contains("\nrates_c_total 63\n") && text.contains("\nrates_c_decrements_total 12\n"));

    let (whole, sampled) = (logger.timer("t"), logger.sampled(0.25).timer("t"));
    (0..100).for_each(|_| whole.record(Duration::from_millis(1)));
    (0..1000).for_each(|_| sampled.record(Duration::from_millis(100)));
    let now = snapshot();
    let Value::Distribution(d) = now.totals().get(sampled.series().id()).unwrap().value else { unreachable!() };
    let hits = d.count() as f64;
    assert!((150.0..350.0).contains(&hits), "{hits}");
    exporter.make(at(2), now.totals(), &Naming::default());
    let text = exporter.handle().text();
    assert!(text.contains(&format!("\nrates_t_seconds_count {}\n", 100.0 + hits * 4.0)));
    assert!(text.contains("\nrates_t_seconds_bucket{le=\"0.0025\"} 100\n"), "{text}");
}

#[test]
fn what_no_float_holds_is_left_out() {
    let _alone = alone();
    let logger = get_logger("huge");
    let sampled = logger.sampled(1e-320).counter("c");
    let histogram = logger.histogram("h");
    (0..3).for_each(|_| histogram.record(f64::MAX));
    let mut exporter = Prometheus::new(Settings::default());
    exporter.make(at(1), replaced(&[(sampled.series(), counter(u64::MAX >> 1, 0))]).totals(), &Naming::default());
    let text = exporter.handle().text();
    assert!(!text.contains("huge_h_sum") && text.contains(&format!("huge_c_total {}\n", u64::MAX)));
}

#[test]
fn a_gauge_that_is_not_set_any_more_ages_out_and_comes_back() {
    let _alone = alone();
    let logger = get_logger("ages").with("k", "v");
    let (gauge, counter, timer) = (logger.gauge("g"), logger.counter("c"), logger.timer("t"));
    let (steady, held) = (logger.counter("steady"), logger.in_flight("busy").enter());
    let mut exporter = Prometheus::new(Settings::default().idle_after(Duration::from_secs(250)));
    let totals = exporter.handle();
    gauge.set(4);
    gauge.set(5);
    counter.add(2);
    timer.record(Duration::from_millis(1));
    for second in [100, 200, 300] {
        steady.add(1);
        make(&mut exporter, second);
        let text = totals.text();
        assert!(text.contains("\nages_c_total{k=\"v\"} 2\n") && text.contains("\nages_g{k=\"v\"} 5\n"), "{second}");
    }
    let idle_before = totals.left_out().idle;
    steady.add(1);
    make(&mut exporter, 400);
    let text = totals.text();
    assert!(text.contains("ages_steady_total{k=\"v\"} 4\n") && text.contains("ages_busy{k=\"v\"} 1\n"), "{text}");
    assert!(!text.contains("ages_g") && totals.left_out().idle > idle_before, "{text}");
    // Everything that counts stays: the next increment would be lost with what was before it.
    assert!(text.contains("ages_c_total{k=\"v\"} 2\n") && text.contains("ages_t_seconds_count{k=\"v\"} 1\n"), "{text}");
    gauge.set(5);
    counter.add(1);
    make(&mut exporter, 410);
    let text = totals.text();
    assert!(text.contains("ages_c_total{k=\"v\"} 3\n") && text.contains("ages_g{k=\"v\"} 5\n"), "{text}");
    drop(held);
}

#[test]
fn what_is_constant_or_rare_or_of_ferrometer_itself_does_not_age() {
    let _alone = alone();
    let logger = get_logger("stays");
    logger.gauge("pool.size").set(64);
    logger.gauge("pool.size").set(65);
    logger.with("version", "1.2.3").gauge("build_info").set(1);
    logger.counter("errors").add(1);
    logger.timer("start").record(Duration::from_secs(1));
    logger.with("code", "500").counter("answers").add(1);
    for settings in [Settings::default().idle_after(Duration::from_secs(250)), Settings::default()] {
        let ages = settings.idle_after > Duration::ZERO;
        let mut exporter = Prometheus::new(settings.process_metrics(false));
        let totals = exporter.handle();
        let lines = || {
            let text = totals.text();
            let all = text.lines().filter(|line| !line.starts_with('#'));
            all.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        make(&mut exporter, 100);
        let before = lines();
        assert!(before.iter().any(|line| line.starts_with("ferrometer_")), "{before:?}");
        make(&mut exporter, 10_000_000);
        let after = lines();
        // Other tests of this process have gauges with labels that they set more than once.
        let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
        let gauges = ["ages_g{", "ages_busy{", "unseen_g{"];
        assert!(gone.iter().all(|line| gauges.iter().any(|gauge| line.starts_with(gauge))), "{gone:?}");
        assert!(ages || gone.is_empty(), "{gone:?}");
    }
}

#[test]
fn what_nobody_scrapes_ages_too() {
    let _alone = alone();
    let settings = Settings::default().idle_after(Duration::from_secs(250)).scrape(Scrape::Fresh);
    let logger = get_logger("unseen").with("k", "v");
    let (gauge, steady) = (logger.gauge("g"), logger.counter("steady"));
    let now = SystemTime::now();
    let mut exporter = Prometheus::new(settings);
    let totals = exporter.handle();
    gauge.set(4);
    gauge.set(5);
    // Snapshots of the last quarter of an hour, and not one scrape.
    for ago in [900, 600, 300, 0] {
        steady.add(1);
        exporter.make(now - Duration::from_secs(ago), snapshot().totals(), &Naming::default());
    }
    let text = totals.text();
    assert!(text.contains("unseen_steady_total{k=\"v\"} 4\n") && !text.contains("unseen_g"), "{text}");
    gauge.set(6);
    assert!(totals.text().contains("unseen_g{k=\"v\"} 6\n"));
}

#[test]
fn a_fresh_exporter_accounts_for_names_that_the_next_scrape_would_refuse() {
    let _alone = alone();
    let exporter = Prometheus::new(Settings::default().scrape(Scrape::Fresh));
    let totals = exporter.handle();
    install("prometheus", Box::new(exporter), Duration::from_secs(3600)).unwrap();
    let logger = get_logger("refused");
    logger.send_counter("a.b", 1);
    logger.send_counter("a_b", 2);
    let report = ferrometer_core::flush(Duration::from_secs(60));
    assert!(report.complete, "{report:?}");
    let ledger = report.ledgers.into_iter().find(|ledger| ledger.backend == "prometheus").unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[ferrometer_core::Cause::Collision].increments, 2);
    assert!(totals.text().contains("refused_a_b_total 1\n"));
    remove("prometheus", Duration::from_secs(60));
}

#[test]
fn increments_by_one_of_a_sampled_counter_are_exact() {
    let _alone = alone();
    let (sampled, plain) = (get_logger("known").sampled(0.01).counter("c"), get_logger("known").counter("c"));
    let mut exporter = Prometheus::new(Settings::default());
    for (second, expected) in [(1, 1005), (2, 2010)] {
        (0..1000).for_each(|_| sampled.increment());
        plain.add(5);
        make(&mut exporter, second);
        let text = exporter.handle().text();
        assert!(text.contains(&format!("\nknown_c_total {expected}\n")), "{text}");
    }
}
