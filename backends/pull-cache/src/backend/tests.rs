//! Generations made at given times of given totals.

use super::*;
use crate::record::RecordType;
use ferrometer_core::{Series, Snapshot, Value, get_logger, install, remove, snapshot};
use ferrometer_testkit::{Alone, NEVER, SOON, sink};
use std::time::{Duration, UNIX_EPOCH};

mod history;

/// Keeps other tests out of the pipeline, which is switched on.
fn alone() -> Alone {
    let alone = ferrometer_testkit::alone().then(|| drop(remove("on", SOON)));
    install("on", sink(), NEVER).unwrap();
    alone
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second) + Duration::from_millis(999)
}

fn make(backend: &mut PullCacheBackend, second: u64) {
    backend.make(at(second), snapshot().totals(), &Naming::default());
}

/// Totals as they are, some of them replaced.
fn replaced(totals: &[(&'static Series, Value<'_>)]) -> Snapshot {
    totals.iter().fold(Snapshot::clone(&snapshot()), |snapshot, (series, value)| snapshot.with(series, *value))
}

fn value(cache: &PullCacheHandle, metric: &str) -> Option<f64> {
    cache.most_recent()?.records().find(|r| r.metric == metric).map(|r| r.value)
}

fn counter(increments: u64, decrements: u64) -> Value<'static> {
    Value::Counter { increments, decrements }
}

#[test]
fn quantiles_cover_the_interval_and_totals_do_not() {
    let _alone = alone();
    let timer = get_logger("q").timer("t");
    let mut backend = PullCacheBackend::new(Settings::default());
    let cache = backend.handle();
    (0..100).for_each(|_| timer.record(Duration::from_millis(1000)));
    make(&mut backend, 10);
    assert_eq!((value(&cache, "q.t.count"), value(&cache, "q.t.sum")), (Some(100.0), Some(100_000.0)));
    assert_eq!(value(&cache, "q.t.max"), Some(1000.0));

    (1..=100).for_each(|ms| timer.record(Duration::from_millis(ms)));
    make(&mut backend, 20);
    assert_eq!((value(&cache, "q.t.count"), value(&cache, "q.t.sum")), (Some(200.0), Some(105_050.0)));
    for (part, expected, within) in
        [("p50", 50.0, 0.0625), ("p95", 95.0, 0.0625), ("p99", 99.0, 0.0625), ("max", 100.0, 0.125)]
    {
        let got = value(&cache, &format!("q.t.{part}")).unwrap();
        assert!((got - expected).abs() <= expected * within, "{part} {got}");
    }

    make(&mut backend, 30);
    assert_eq!(value(&cache, "q.t.count"), Some(200.0));
    assert!(["p50", "p95", "p99", "max"].iter().all(|part| value(&cache, &format!("q.t.{part}")).is_none()));
}

#[test]
fn a_replaced_generation_hides_nothing() {
    let _alone = alone();
    let timer = get_logger("replaced").timer("t");
    let mut backend = PullCacheBackend::new(Settings::default());
    let cache = backend.handle();
    make(&mut backend, 10);
    timer.record(Duration::from_millis(500));
    make(&mut backend, 20);
    let seen = cache.most_recent().unwrap();
    timer.record(Duration::from_millis(900));
    make(&mut backend, 20);
    // The newest covers the whole interval since the one before, …
    assert_eq!((cache.history(None).count(), value(&cache, "replaced.t.count")), (2, Some(2.0)));
    assert_eq!(value(&cache, "replaced.t.max"), Some(900.0));
    assert!(value(&cache, "replaced.t.p50").unwrap() < 540.0);
    assert_eq!(seen.records().find(|r| r.metric == "replaced.t.count").unwrap().value, 1.0);
    assert!(cache.history(Some(seen.timestamp())).next().is_none());
    // … and the next begins where the one that was replaced ended.
    make(&mut backend, 30);
    assert_eq!(cache.history(Some(seen.timestamp())).count(), 1);
    assert_eq!(value(&cache, "replaced.t.max"), Some(900.0));
    assert!(value(&cache, "replaced.t.p50").unwrap() > 800.0);
}

#[test]
fn what_was_recorded_before_the_cache_was_made_is_in_no_interval() {
    let _alone = alone();
    let timer = get_logger("early").timer("t");
    timer.record(Duration::from_secs(100));
    let mut backend = PullCacheBackend::new(Settings::default());
    timer.record(Duration::from_secs(1));
    make(&mut backend, 10);
    let p99 = value(&backend.handle(), "early.t.p99").unwrap();
    assert!((p99 - 1000.0).abs() <= 62.5, "{p99}");
}

#[test]
fn values_are_divided_by_the_rate_and_rates_are_added_up() {
    let _alone = alone();
    let logger = get_logger("rates");
    let (plain, half, tenth) =
        (logger.counter("c"), logger.sampled(0.5).counter("c"), logger.sampled(0.1).counter("c"));
    let mut backend = PullCacheBackend::new(Settings::default());
    let given = [(plain.series(), counter(7, 10)), (half.series(), counter(3, 1)), (tenth.series(), counter(5, 0))];
    backend.make(at(1), replaced(&given).totals(), &Naming::default());
    let newest = backend.handle().most_recent().unwrap();
    let found: Vec<_> = newest.records().filter(|r| r.metric == "rates.c").collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].value, found[0].kind), (-3.0 + 4.0 + 50.0, RecordType::Derive));

    let (whole, sampled) = (logger.timer("t"), logger.sampled(0.25).timer("t"));
    (0..100).for_each(|_| whole.record(Duration::from_millis(1)));
    (0..1000).for_each(|_| sampled.record(Duration::from_millis(100)));
    let now = snapshot();
    let Value::Distribution(d) = now.totals().get(sampled.series().id()).unwrap().value else { unreachable!() };
    let hits = d.count() as f64;
    assert!((150.0..350.0).contains(&hits), "{hits}");
    backend.make(at(2), now.totals(), &Naming::default());
    let cache = backend.handle();
    assert_eq!(value(&cache, "rates.t.count"), Some(100.0 + hits * 4.0));
    let sum = value(&cache, "rates.t.sum").unwrap();
    assert!((sum - (100.0 + hits * 400.0)).abs() < 1e-6, "{sum}");
    // Unweighted, 1 ms would be beyond a quarter of the values; weighted it is a tenth.
    assert!(value(&cache, "rates.t.p50").unwrap() > 90.0);
    assert_eq!(value(&cache, "rates.t.max"), Some(100.0));
}

#[test]
fn exactly_the_newest_and_the_old_ones_asked_for_are_kept() {
    let _alone = alone();
    let mut backend = PullCacheBackend::new(Settings::default().generations(3));
    (1..=20).for_each(|i| make(&mut backend, i * 10));
    let cache = backend.handle();
    assert_eq!(cache.history(None).map(|g| g.timestamp()).collect::<Vec<_>>(), [170, 180, 190, 200]);
    assert_eq!(cache.window(), Some((170, 200)));
    assert!(cache.history(None).all(|g| g.records().all(|r| r.timestamp == g.timestamp())));
    make(&mut backend, 5);
    assert_eq!(cache.window(), Some((180, 201)));
}

#[test]
fn what_no_float_holds_is_left_out() {
    let _alone = alone();
    let logger = get_logger("huge");
    let sampled = logger.sampled(1e-320).counter("c");
    let histogram = logger.histogram("h");
    (0..3).for_each(|_| histogram.record(f64::MAX));
    let mut backend = PullCacheBackend::new(Settings::default());
    backend.make(at(1), replaced(&[(sampled.series(), counter(u64::MAX >> 1, 0))]).totals(), &Naming::default());
    let cache = backend.handle();
    assert!(cache.most_recent().unwrap().records().all(|r| r.value.is_finite()));
    assert_eq!((value(&cache, "huge.c"), value(&cache, "huge.h.sum")), (None, None));
    assert_eq!(value(&cache, "huge.h.count"), Some(3.0));
}

#[test]
fn seconds_are_rounded_down_on_both_sides_of_1970() {
    assert_eq!(whole_seconds(at(5)), 5);
    assert_eq!(whole_seconds(UNIX_EPOCH), 0);
    assert_eq!(whole_seconds(UNIX_EPOCH - Duration::from_millis(1)), -1);
    assert_eq!(whole_seconds(UNIX_EPOCH - Duration::from_secs(7)), -7);
}

#[test]
fn the_bound_covers_what_is_kept() {
    let _alone = alone();
    let series = snapshot().totals().len();
    let settings = Settings::default().generations(4);
    let mut backend = PullCacheBackend::new(settings.clone());
    (1..=9).for_each(|i| make(&mut backend, i));
    let kept = backend.store.view().bytes();
    assert!(kept > 0 && kept < settings.max_bytes(series), "{kept}");
    assert_eq!(settings.generations(usize::MAX).max_bytes(usize::MAX), usize::MAX);
}

#[test]
fn what_is_not_recorded_any_more_ages_out_and_comes_back() {
    let _alone = alone();
    let logger = get_logger("ages").with("k", "v");
    let (gauge, counter, timer) = (logger.gauge("g"), logger.counter("c"), logger.timer("t"));
    let (steady, held) = (logger.counter("steady"), logger.in_flight("busy").enter());
    let mut backend = PullCacheBackend::new(Settings::default().idle_after(Duration::from_secs(250)));
    let cache = backend.handle();
    gauge.set(4);
    gauge.set(5);
    counter.add(2);
    timer.record(Duration::from_millis(1));
    for second in [100, 200, 300] {
        steady.add(1);
        make(&mut backend, second);
        assert_eq!((value(&cache, "ages.g"), value(&cache, "ages.c")), (Some(5.0), Some(2.0)), "{second}");
    }
    let idle_before = cache.left_out().idle;
    steady.add(1);
    make(&mut backend, 400);
    // Gone from the newest, and still in the old ones.
    for metric in ["ages.g", "ages.c", "ages.t.count", "ages.t.sum"] {
        assert_eq!(value(&cache, metric), None, "{metric}");
    }
    assert_eq!((value(&cache, "ages.steady"), value(&cache, "ages.busy")), (Some(4.0), Some(1.0)));
    assert!(cache.left_out().idle >= idle_before + 3);
    assert_eq!(cache.history(None).filter(|g| g.records().any(|r| r.metric == "ages.g")).count(), 3);
    // A repeated value is a recording; an instrument that comes back goes on.
    gauge.set(5);
    counter.add(1);
    timer.record(Duration::from_millis(3));
    make(&mut backend, 410);
    assert_eq!((value(&cache, "ages.g"), value(&cache, "ages.c")), (Some(5.0), Some(3.0)));
    assert_eq!((value(&cache, "ages.t.count"), value(&cache, "ages.t.sum")), (Some(2.0), Some(4.0)));
    assert_eq!(value(&cache, "ages.t.max"), Some(3.0));
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
    let rare = logger.with("code", "500").counter("answers");
    rare.add(1);
    let ageing = Settings::default().idle_after(Duration::from_secs(250));
    for settings in [ageing, Settings::default()] {
        let ages = settings.idle_after > Duration::ZERO;
        let mut backend = PullCacheBackend::new(settings);
        let cache = backend.handle();
        let metrics = || cache.most_recent().unwrap().records().map(|r| r.metric.to_owned()).collect::<Vec<_>>();
        make(&mut backend, 100);
        let said = metrics();
        assert!(said.iter().any(|metric| metric.starts_with("ferrometer.")), "{said:?}");
        make(&mut backend, 10_000_000);
        assert!(ages || metrics() == said);
        let of_one_value = |metric: &str| value(&cache, metric);
        assert_eq!((of_one_value("stays.pool.size"), of_one_value("stays.build_info")), (Some(65.0), Some(1.0)));
        assert_eq!((of_one_value("stays.errors"), of_one_value("stays.start.count")), (Some(1.0), Some(1.0)));
        assert_eq!(of_one_value("stays.answers"), if ages { None } else { Some(1.0) });
        let own = |all: &[String]| all.iter().filter(|m| m.starts_with("ferrometer.")).count();
        assert_eq!(own(&metrics()), own(&said));
    }
}

#[test]
fn a_backend_goes_on_after_another_of_this_process() {
    let _alone = alone();
    let counter = get_logger("replaced").counter("c");
    let stamps = |cache: &PullCacheHandle| cache.history(None).map(|g| g.timestamp()).collect::<Vec<_>>();
    let mut first = PullCacheBackend::new(Settings::default());
    for second in [10, 20] {
        counter.add(1);
        make(&mut first, second);
    }
    let mut second = PullCacheBackend::new(Settings::default().generations(3)).continuing_from(&first.handle());
    let cache = second.handle();
    assert_eq!((stamps(&cache), value(&cache, "replaced.c")), (vec![10, 20], Some(2.0)));
    // The first makes one more before it goes, and the second its first in the same second.
    counter.add(1);
    make(&mut first, 30);
    drop(first);
    counter.add(1);
    make(&mut second, 30);
    assert_eq!((stamps(&cache), value(&cache, "replaced.c")), (vec![10, 20, 30, 31], Some(4.0)));
    make(&mut second, 40);
    assert_eq!(stamps(&cache), [20, 30, 31, 40]);
}

#[test]
fn nothing_ages_unless_that_is_asked_for() {
    let _alone = alone();
    let gauge = get_logger("ageless").with("k", "v").gauge("g");
    let mut backend = PullCacheBackend::new(Settings::default());
    gauge.set(4);
    gauge.set(5);
    make(&mut backend, 10);
    make(&mut backend, 1_000_000_000);
    assert_eq!((value(&backend.handle(), "ageless.g"), backend.handle().left_out().idle), (Some(5.0), 0));
}

#[test]
fn old_generations_fall_out_by_age() {
    let _alone = alone();
    let mut backend = PullCacheBackend::new(Settings::default().window(Duration::from_secs(25)));
    [10, 20, 30, 40].into_iter().for_each(|second| make(&mut backend, second));
    assert_eq!(backend.handle().window(), Some((20, 40)));
    make(&mut backend, 1000);
    assert_eq!(backend.handle().window(), Some((1000, 1000)));
}

#[test]
fn a_history_of_the_future_is_told_and_a_usual_difference_is_not() {
    assert!([i64::MIN, -5, 0, 100, 160].iter().all(|newest| ahead(*newest, 100).is_none()));
    assert!(ahead(161, 100).unwrap().contains(" 61 s after this moment"));
    assert!(ahead(i64::MAX, i64::MIN).unwrap().contains(&i64::MAX.to_string()));
}

#[test]
fn another_backend_goes_on_where_one_ended() {
    let _alone = alone();
    let directory = std::env::temp_dir().join(format!("ferrometer-backend-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let counter = get_logger("resumed").counter("c");
    let settings = Settings::default().generations(3).path(&directory);
    let stamps = |cache: &PullCacheHandle| cache.history(None).map(|g| g.timestamp()).collect::<Vec<_>>();
    let mut first = PullCacheBackend::open(settings.clone()).unwrap();
    for second in [10, 20, 30, 40, 50] {
        counter.add(1);
        make(&mut first, second);
    }
    drop(first);
    let mut second = PullCacheBackend::open(settings).unwrap();
    let cache = second.handle();
    assert_eq!(stamps(&cache), [20, 30, 40, 50]);
    let before = value(&cache, "resumed.c").unwrap();
    // In the same second, but of another life: it takes nothing's place.
    counter.add(1);
    make(&mut second, 50);
    assert_eq!((stamps(&cache), value(&cache, "resumed.c")), (vec![30, 40, 50, 51], Some(before + 1.0)));
    assert_eq!(cache.persistence().unwrap().written, 1);
    let read = crate::read(&directory).unwrap();
    assert_eq!(read.map(|g| g.timestamp()).collect::<Vec<_>>(), [10, 20, 30, 40, 50, 51]);
    drop(second);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn long_jobs_and_tiny_shares_keep_their_quantiles() {
    let _alone = alone();
    let logger = get_logger("far");
    let mut backend = PullCacheBackend::new(Settings::default());
    let cache = backend.handle();
    // First larger ones, so that the maximum of the next interval is not the largest since the start.
    logger.send_timer("job", Duration::from_secs(30 * 24 * 3600));
    logger.send_histogram("bytes", 1e19);
    logger.send_histogram("share", 1e-3);
    make(&mut backend, 10);
    for _ in 0..100 {
        logger.send_timer("job", Duration::from_secs(48 * 3600));
        logger.send_histogram("bytes", 1e18);
        logger.send_histogram("share", 1e-10);
    }
    make(&mut backend, 20);
    for (name, right) in [("job", 48.0 * 3.6e6), ("bytes", 1e18), ("share", 1e-10)] {
        for (part, within) in [("p50", 0.0625), ("p99", 0.0625), ("max", 0.125)] {
            let got = value(&cache, &format!("far.{name}.{part}")).unwrap();
            assert!((got / right - 1.0).abs() <= within, "{name}.{part}: {got} for {right}");
        }
    }
    // Beyond the buckets all count as the largest.
    (0..3).for_each(|_| logger.send_timer("age", Duration::from_secs(100 * 365 * 24 * 3600)));
    make(&mut backend, 30);
    assert_eq!((value(&cache, "far.age.p50"), value(&cache, "far.age.max")), (Some(3.1536e12), Some(3.1536e12)));
}

#[test]
fn increments_by_one_of_a_sampled_counter_are_exact() {
    let _alone = alone();
    let sampled = get_logger("known").sampled(0.01).counter("c");
    let mut backend = PullCacheBackend::new(Settings::default());
    let cache = backend.handle();
    let mut calls = 0;
    for (second, more) in [(10, 7), (20, 1000), (30, 12_345)] {
        (0..more).for_each(|_| sampled.increment());
        calls += more;
        make(&mut backend, second);
        assert_eq!(value(&cache, "known.c"), Some(f64::from(calls)));
    }
}
