//! Tests that recordings reach the records, by kind, and the account.

mod common;

use common::prometheus::nasty::NASTY;
use common::{Cache, NEVER, SOON};
use ferrometer_core::{Amount, Cause, Naming, get_logger};
use ferrometer_pull_cache::{Generation, Record, RecordType};
use proptest::prelude::*;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn find<'g>(generation: &'g Generation, metric: &str) -> Option<Record<'g>> {
    generation.records().find(|r| r.metric == metric)
}

#[test]
fn each_kind_has_its_records() {
    let cache = Cache::install(NEVER);
    let logger = get_logger("kinds");
    logger.send_counter("c", 5);
    logger.send_counter("c", -7);
    logger.send_gauge("g", -1.5);
    let never_set = logger.gauge("never");
    logger.send_gauge("bad", f64::NAN);
    let in_flight = logger.in_flight("busy").enter();
    logger.send_timer("t", Duration::from_micros(2500));
    logger.send_histogram("h", -4.0);
    logger.send_histogram("h", 1.0);
    cache.flush();
    let newest = cache.handle.most_recent().unwrap();
    for (metric, kind, value) in [
        ("kinds.c", RecordType::Derive, -2.0),
        ("kinds.g", RecordType::Gauge, -1.5),
        ("kinds.busy", RecordType::Gauge, 1.0),
        ("kinds.t.count", RecordType::Derive, 1.0),
        ("kinds.t.sum", RecordType::Derive, 2.5),
        ("kinds.t.p50", RecordType::Gauge, 2.5),
        ("kinds.t.p95", RecordType::Gauge, 2.5),
        ("kinds.t.p99", RecordType::Gauge, 2.5),
        ("kinds.t.max", RecordType::Gauge, 2.5),
        ("kinds.h.count", RecordType::Derive, 2.0),
        ("kinds.h.sum", RecordType::Derive, -3.0),
        ("kinds.h.p50", RecordType::Gauge, -4.0),
        ("kinds.h.p99", RecordType::Gauge, 1.0),
        ("kinds.h.max", RecordType::Gauge, 1.0),
    ] {
        let record = find(&newest, metric).unwrap_or_else(|| panic!("{metric}"));
        assert_eq!((record.kind, record.id), (kind, "host"), "{metric}");
        // Quantiles are within 6.25 % of the value.
        assert!((record.value - value).abs() <= value.abs() * 0.0625, "{metric} {}", record.value);
        assert!(record.labels.is_empty());
    }
    assert!(find(&newest, "kinds.never").is_none() && find(&newest, "kinds.bad").is_none());
    let names: Vec<_> = newest.records().map(|r| (r.metric, r.labels)).collect();
    assert!(names.is_sorted() && names.windows(2).all(|w| w[0] != w[1]));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((newest.timestamp() - now).abs() <= 60);
    never_set.set(0);
    drop(in_flight);
    cache.flush();
    let newest = cache.handle.most_recent().unwrap();
    assert_eq!(find(&newest, "kinds.never").unwrap().value, 0.0);
    assert_eq!(find(&newest, "kinds.busy").unwrap().value, 0.0);
    // Our own are there too, from the generation after the first account.
    let own = || find(&cache.handle.most_recent().unwrap(), "ferrometer.backend.pull-cache.sent").is_some();
    let begun = Instant::now();
    while !own() && begun.elapsed() < SOON {
        thread::sleep(Duration::from_millis(10));
        cache.flush();
    }
    assert!(own());
    let ledger = cache.remove();
    assert_eq!(ledger.dropped[Cause::Invalid], Amount::new(1));
    assert_eq!(ledger.dropped.iter().count(), 1, "{ledger}");
}

#[test]
fn names_begin_as_configured_and_labels_are_sorted() {
    let naming =
        Naming::default().global_prefix("prod").prepend_host(true).prepend_host_reverse(true).host("h.example");
    let before = get_logger("named::here").with("method", "GE\"T").with("a b", "ü").counter("c");
    let cache = Cache::install_with(naming, NEVER);
    before.add(3);
    cache.flush();
    let newest = cache.handle.most_recent().unwrap();
    let record = find(&newest, "prod.example.h.named.here.c").unwrap();
    assert_eq!(record.labels.iter().collect::<Vec<_>>(), [("a_b", "ü"), ("method", "GE\"T")]);
    let json = serde_json::to_string(&record).unwrap();
    let expected = format!(
        r#"{{"id":"host","metric":"prod.example.h.named.here.c","timestamp":{},"type":"derive","value":3.0,"labels":{{"a_b":"ü","method":"GE\"T"}}}}"#,
        newest.timestamp()
    );
    assert_eq!(json, expected);
    assert!(cache.totals.text().contains("\nprod_example_h_named_here_c_total{a_b=\"ü\",method=\"GE\\\"T\"} 3\n"));
}

#[test]
fn two_instruments_of_one_name_and_names_too_long_are_dropped_and_counted() {
    let cache = Cache::install(NEVER);
    let logger = get_logger("clash");
    cache.flush();
    let (left_out, refused) = (cache.handle.left_out(), cache.totals.left_out().refused);
    logger.send_counter("a:b", 1);
    logger.send_counter("a|b", 10);
    logger.send_gauge("a:b", 5); // a record has no kind in its name
    logger.send_timer("t", Duration::from_millis(1));
    logger.send_counter("t.count", 3); // belongs to the timer
    logger.with("x", "1").send_counter("t.count", 4); // does not
    logger.send_timer("x".repeat(505), Duration::from_millis(1)); // with .count too long
    get_logger("").send_counter("...", 8);
    logger.with("k:", "v").send_counter("l", 1);
    logger.with("k|", "v").send_counter("l", 1);
    cache.flush();
    let newest = cache.handle.most_recent().unwrap();
    assert_eq!(find(&newest, "clash.a_b").unwrap().value, 1.0);
    assert_eq!(newest.records().filter(|r| r.metric == "clash.a_b").count(), 1);
    let counts: Vec<_> = newest.records().filter(|r| r.metric == "clash.t.count").map(|r| r.value).collect();
    assert_eq!(counts, [1.0, 4.0]);
    assert_eq!(newest.records().filter(|r| r.metric == "clash.l").count(), 1);
    let after = cache.handle.left_out();
    assert_eq!(after.records - left_out.records, 4 + 2, "{after:?}");
    let families = common::parse(&cache.totals.text()).unwrap();
    // Prometheus keeps kinds apart: the gauge and the counter beside the timer are there.
    assert_eq!(families["clash_a_b"].value("clash_a_b", &[]), Some(5.0));
    assert_eq!(families["clash_t_count_total"].samples.len(), 2);
    assert_eq!(cache.totals.left_out().refused - refused, 2 + 2);
    let ledger = cache.remove();
    assert_eq!(ledger.dropped[Cause::Collision], Amount::new(4).with_value(10 + 3 + 1, 0));
    assert_eq!(ledger.dropped[Cause::Name], Amount::new(2).with_value(8, 0));
}

#[test]
fn instruments_of_one_name_to_prometheus_are_two_in_records() {
    let cache = Cache::install(NEVER);
    cache.flush();
    let left_out = cache.handle.left_out();
    let logger = get_logger("apart");
    logger.send_counter("a.b", 1);
    logger.send_counter("a_b", 2);
    logger.send_gauge("z.count", 5);
    logger.send_histogram("z", 1); // would have a record like the gauge
    cache.flush();
    let newest = cache.handle.most_recent().unwrap();
    assert!(newest.records().any(|r| r.metric == "apart.a_b" && r.value == 2.0));
    assert_eq!(newest.records().filter(|r| r.metric == "apart.z.count").count(), 1);
    assert_eq!(cache.handle.left_out().records - left_out.records, 1);
    cache.remove();
}

#[test]
fn a_reader_that_asks_for_what_is_newer_sees_every_generation_once() {
    let begun = Instant::now();
    let cache = Cache::install(Duration::from_millis(50));
    let counter = get_logger("follow").counter("c");
    let handle = cache.handle.clone();
    let reader = thread::spawn(move || {
        let (mut seen, mut stamps) = (i64::MIN, Vec::new());
        for _ in 0..250 {
            for generation in handle.history(Some(seen)) {
                assert!(generation.timestamp() > seen);
                seen = generation.timestamp();
                stamps.push(seen);
            }
            thread::sleep(Duration::from_millis(10));
        }
        stamps
    });
    for _ in 0..20 {
        counter.add(1);
        thread::sleep(Duration::from_millis(100));
    }
    let stamps = reader.join().unwrap();
    // One for each second that was begun, and on a busy machine these are more.
    let most = begun.elapsed().as_secs() as usize + 2;
    assert!((2..=most).contains(&stamps.len()), "{stamps:?} in {:?}", begun.elapsed());
    let all: Vec<i64> = cache.handle.history(None).map(|g| g.timestamp()).collect();
    assert!(all.starts_with(&stamps), "{all:?} {stamps:?}");
    assert!(cache.handle.history(Some(i64::MAX)).next().is_none());
    let newest = cache.handle.most_recent().unwrap();
    assert!(cache.handle.history(Some(newest.timestamp())).all(|later| later.timestamp() > newest.timestamp()));
    ferrometer_core::flush(SOON);
    assert_eq!(find(&cache.handle.most_recent().unwrap(), "follow.c").unwrap().value, 20.0);
}

/// Text that has been trouble for somebody.
fn hostile() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(NASTY);
    prop::collection::vec(prop_oneof![nasty.prop_map(str::to_owned), any::<String>()], 0..3).prop_map(|v| v.concat())
}

#[test]
fn whatever_names_and_labels_hold_json_and_prometheus_hold() {
    let cache = Cache::install(NEVER);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let case = std::cell::Cell::new(0);
    let labels = prop::collection::btree_map(hostile(), hostile(), 0..4);
    let values = prop::collection::vec(any::<f64>(), 1..8);
    let input = (hostile(), labels, hostile(), values, any::<i32>(), any::<u32>(), hostile());
    let checked = runner.run(&input, |(name, labels, unit, values, count, nanos, help)| {
        case.set(case.get() + 1);
        let plain = get_logger(&format!("h{}", case.get()));
        let logger = labels.iter().fold(plain.child("x"), |l, (k, v)| l.with(k, v));
        let unit: &'static str = Box::leak(unit.into_boxed_str());
        logger.counter(name.clone()).description(&help).add(count);
        logger.gauge(name.clone()).set(values[0]);
        logger.timer(name.clone()).record(Duration::from_nanos(nanos.into()));
        let histogram = logger.histogram(name.clone()).unit(unit);
        values.iter().for_each(|v| histogram.record(*v));
        let wild = get_logger(&name);
        wild.send_counter(name.clone(), 1);
        wild.send_gauge(name.clone(), 1);
        // One that is found again, with a value that must come back as it was.
        let marked = plain.with("zz", &name);
        marked.send_counter("mark", 7);
        ferrometer_core::flush(SOON);

        let families = common::parse(&cache.totals.text()).map_err(TestCaseError::fail)?;
        let mark = format!("h{}_mark_total", case.get());
        let expected: &[(&str, &str)] = if name.is_empty() { &[] } else { &[("zz", &name)] };
        prop_assert_eq!(families[&mark].value(&mark, expected), Some(7.0));

        let newest = cache.handle.most_recent().unwrap();
        for record in newest.records() {
            prop_assert!(record.value.is_finite());
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            prop_assert!(record.metric.chars().all(allowed) && record.metric.len() <= 512);
        }
        let json = serde_json::to_string(&newest.records().collect::<Vec<_>>()).unwrap();
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mark = format!("h{}.mark", case.get());
        let found = back.as_array().unwrap().iter().find(|r| r["metric"] == mark.as_str()).unwrap();
        prop_assert_eq!(found["labels"]["zz"].as_str(), Some(name.as_str()));
        Ok(())
    });
    checked.unwrap();
    cache.remove();
}
