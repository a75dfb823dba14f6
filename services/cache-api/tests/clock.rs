//! The system's clock is set, by seconds and by centuries, ahead and back, before 1970 too, while a cache is installed, written to disk and served: no
//! number is lost, generations stay in order for anyone who reads them, none is made out of turn, nothing ages by it, and nobody fills the log.

#![cfg(target_os = "linux")]

mod common;
#[path = "../../../metrics-core/tests/support/wall.rs"]
mod wall;

use common::{Pair, SOON, serve};
use ferrometer_core::{Limits, Logger, Naming, configure, get_logger, install, ledgers, remove};
use ferrometer_prometheus::Scrape;
use ferrometer_pull_cache::{PullCacheBackend, PullCacheHandle, Settings, read};
use ferrometer_testkit::Alone;
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;
/// Steps of seconds, hours and centuries; the kernel itself knows no time after 2262.
const STEPS: [i64; 14] =
    [1, -1, 2, -2, 59, -HOUR, HOUR, -YEAR, YEAR, -60 * YEAR, 60 * YEAR, -200 * YEAR, 200 * YEAR, -10];

static LINES: AtomicU64 = AtomicU64::new(0);

struct Subscriber;

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        LINES.fetch_add(1, SeqCst);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Keeps other tests out of the clock and the pipeline, which are one for the process.
fn alone() -> Alone {
    let alone = ferrometer_testkit::alone();
    let _ = tracing::subscriber::set_global_default(Subscriber);
    wall::set_off(0);
    configure(Naming::default(), Limits::default(), Vec::new());
    alone
}

fn value(cache: &PullCacheHandle, metric: &str) -> Option<f64> {
    let newest = cache.most_recent()?;
    newest.records().find(|record| record.metric == metric).map(|record| record.value)
}

fn stamps(cache: &PullCacheHandle) -> Vec<i64> {
    cache.history(None).map(|generation| generation.timestamp()).collect()
}

fn is_ordered(stamps: &[i64]) -> bool {
    stamps.windows(2).all(|two| two[0] < two[1])
}

/// A reader that asks for what is newer.
struct Follower {
    seen: Option<i64>,
    total: f64,
}

impl Follower {
    /// Everything new is newer than all before, and totals do not fall.
    fn follow(&mut self, cache: &PullCacheHandle, metric: &str) -> Result<(), TestCaseError> {
        for generation in cache.history(self.seen) {
            prop_assert!(self.seen.is_none_or(|seen| seen < generation.timestamp()), "{:?}", self.seen);
            self.seen = Some(generation.timestamp());
            let total = generation.records().find(|r| r.metric == metric).map_or(self.total, |r| r.value);
            prop_assert!(total >= self.total, "{total} after {}", self.total);
            self.total = total;
        }
        Ok(())
    }
}

fn flush() -> Result<(), TestCaseError> {
    let report = ferrometer_core::flush(SOON);
    prop_assert!(report.complete, "{report:?}");
    Ok(())
}

/// One history: at each step the clock is set, something is recorded, and a generation is made by hand.
fn history(logger: &Logger, path: &Path, steps: &[(i64, bool)]) -> Result<(), TestCaseError> {
    let settings = Settings::default().generations(20).path(path);
    let open = || {
        let cache = PullCacheBackend::open(settings.clone()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        Ok::<Pair, TestCaseError>(Pair::new(cache, Default::default()))
    };
    let mut backend = open()?;
    let mut handles = backend.handles();
    let mut follower = Follower { seen: None, total: 0.0 };
    let (counter, timer) = (logger.counter("c"), logger.timer("t"));
    let mut calls = 0;
    install("pull-cache", Box::new(backend), Duration::from_secs(3600)).unwrap();
    logger.gauge("once").set(7);
    let mut off = 0;
    for (by, restart) in steps {
        off = (off + by).clamp(-250 * YEAR, 230 * YEAR);
        wall::set_off(off);
        if *restart {
            // As a new process would find it, and with another clock than the one that wrote.
            let ledger = remove("pull-cache", SOON).unwrap();
            prop_assert!(ledger.balances() && ledger.pending.is_zero() && ledger.dropped.is_empty(), "{ledger}");
            backend = open()?;
            handles = backend.handles();
            install("pull-cache", Box::new(backend), Duration::from_secs(3600)).unwrap();
            logger.gauge("once").set(7);
        }
        counter.add(1);
        timer.record(Duration::from_millis(1));
        calls += 1;
        flush()?;
        let cache = &handles.cache;
        let of = |what: &str| value(cache, &format!("{}.{what}", logger.name()));
        prop_assert_eq!(
            (of("c"), of("t.count"), of("t.sum")),
            (Some(calls as f64), Some(calls as f64), Some(calls as f64))
        );
        // Seconds have passed, whatever the clock says.
        prop_assert_eq!((of("once"), cache.left_out().idle), (Some(7.0), 0));
        let all = stamps(cache);
        prop_assert!(is_ordered(&all) && all.len() <= 21, "{all:?}");
        prop_assert!(*all.last().unwrap() >= wall::seconds() - 60, "the newest is older than the clock: {all:?}");
        follower.follow(cache, &format!("{}.c", logger.name()))?;
        let once = format!("{}_once 7\n", logger.name());
        prop_assert!(handles.totals.text().contains(&once));
    }
    let ledger = remove("pull-cache", SOON).unwrap();
    prop_assert!(ledger.balances() && ledger.pending.is_zero() && ledger.dropped.is_empty(), "{ledger}");
    // The disk holds exactly the generations that were served.
    let written: Vec<i64> = read(path).unwrap().map(|generation| generation.timestamp()).collect();
    prop_assert!(
        is_ordered(&written) && written.ends_with(&stamps(&handles.cache)),
        "{written:?} {:?}",
        stamps(&handles.cache)
    );
    Ok(())
}

#[test]
fn whatever_the_clock_does_generations_are_in_order_and_nothing_is_lost() {
    let _alone = alone();
    let lines = LINES.load(SeqCst);
    let config =
        ProptestConfig { cases: 40, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let case = std::cell::Cell::new(0);
    let step = (prop::sample::select(STEPS.to_vec()), prop::bool::weighted(0.1));
    let directory = std::env::temp_dir().join(format!("ferrometer-clock-{}", std::process::id()));
    let result = runner.run(&prop::collection::vec(step, 1..40), |steps| {
        remove("pull-cache", SOON);
        wall::set_off(0);
        case.set(case.get() + 1);
        let _ = std::fs::remove_dir_all(&directory);
        history(&get_logger(&format!("clock{}", case.get())), &directory, &steps)
    });
    wall::set_off(0);
    remove("pull-cache", SOON);
    let _ = std::fs::remove_dir_all(&directory);
    if let Err(error) = result {
        panic!("{error}");
    }
    let lines = LINES.load(SeqCst) - lines;
    assert!(lines <= 5, "{lines} lines in the log");
}

#[test]
fn generations_are_made_in_their_turn_while_the_clock_jumps() {
    let _alone = alone();
    let interval = Duration::from_millis(50);
    let idle = Duration::from_secs(60);
    let settings = Settings::default().generations(10_000).idle_after(idle);
    let fresh = ferrometer_prometheus::Settings::default().scrape(Scrape::Fresh).idle_after(idle);
    let backend = Pair::new(PullCacheBackend::new(settings), fresh);
    let common::Handles { cache, totals } = backend.handles();
    let logger = get_logger("turn");
    let once = logger.with("k", "v").gauge("once");
    once.set(3);
    install("pull-cache", Box::new(backend), interval).unwrap();
    once.set(3);
    once.set(3);
    let (counter, timer) = (logger.counter("c"), logger.timer("t"));
    let begin = Instant::now();
    let mut calls = 0;
    let mut follower = Follower { seen: None, total: 0.0 };
    while begin.elapsed() < Duration::from_secs(3) {
        wall::set_off(STEPS[calls % STEPS.len()]);
        counter.increment();
        let guard = timer.start();
        thread::sleep(Duration::from_millis(2));
        wall::set_off(-STEPS[calls % STEPS.len()]);
        let took = guard.stop();
        assert!((Duration::from_millis(1)..SOON).contains(&took), "a timer followed the clock: {took:?}");
        calls += 1;
        follower.follow(&cache, "turn.c").unwrap();
        assert!(totals.text().contains("turn_once{k=\"v\"} 3\n"));
    }
    let (deliveries, elapsed) = (ledgers()[0].deliveries, begin.elapsed());
    let due = elapsed.as_millis() / interval.as_millis();
    println!("{deliveries} generations in {elapsed:?}");
    // Never too often; less often on a busy machine.
    assert!((u128::from(deliveries)) <= due + 2 && deliveries >= 5, "{deliveries} of {due}");
    flush().unwrap();
    assert_eq!(value(&cache, "turn.c"), Some(calls as f64));
    assert!(is_ordered(&stamps(&cache)));
    wall::set_off(0);
    let ledger = remove("pull-cache", SOON).unwrap();
    assert!(ledger.balances() && ledger.dropped.is_empty(), "{ledger}");
}

/// The clock is right only some time after the start, as on a machine without a battery.
#[test]
fn the_endpoint_answers_at_any_time() {
    use common::client::get;
    let _alone = alone();
    let to_1970 = -wall::seconds();
    wall::set_off(to_1970 - YEAR);
    let backend = Pair::new(PullCacheBackend::new(Settings::default()), Default::default());
    let server = serve(backend.handles());
    install("pull-cache", Box::new(backend), Duration::from_secs(3600)).unwrap();
    get_logger("start").send_counter("c", 1);
    // 1969, 1970, now, the next centuries, and those for which HTTP has no words.
    for (off, is_served) in [
        (to_1970 - YEAR, false),
        (to_1970, true),
        (0, true),
        (HOUR, true),
        (-HOUR, true),
        (100 * YEAR, true),
        (9000 * YEAR, false),
        (0, true),
    ] {
        wall::set_off(off);
        let late = get(&server, "/readyz").status;
        assert!(late == 503 || is_served && late == 200, "{late} at {off}");
        flush().unwrap();
        if !is_served {
            let answer = get(&server, "/v1/metrics");
            assert!(answer.status == 503 && answer.error().contains("clock stands before 1970 or after 9999"), "{off}");
            continue;
        }
        // With a generation of the new time it is ready again at once.
        assert_eq!(get(&server, "/readyz").status, 200, "{off}");
        for path in ["/v1/metrics?name=start.c", "/v1/metrics?name=start.c&history=1"] {
            let answer = get(&server, path).json();
            let data = answer["data"].as_array().unwrap();
            assert!(!data.is_empty() && data.iter().all(|record| record["value"] == 1.0), "{off}: {answer}");
            let stamps: Vec<i64> = data.iter().map(|record| record["timestamp"].as_i64().unwrap()).collect();
            assert!(is_ordered(&stamps), "{off}: {stamps:?}");
        }
        let metrics = get(&server, "/metrics");
        common::parse(metrics.text()).unwrap();
        assert!(metrics.text().contains("start_c_total 1\n"), "{off}");
    }
    wall::set_off(0);
    remove("pull-cache", SOON);
}
