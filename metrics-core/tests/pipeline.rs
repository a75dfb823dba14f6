//! The pipeline from outside: what was recorded reaches a backend, once, and the account balances. The truth is counted by the
//! test, next to its calls.

use ferrometer_core::*;
use ferrometer_testkit::{Alone, NEVER, SOON, wait_until};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The pipeline is one for the process; each test has it alone, and leaves it as it was, however it ends.
fn alone() -> Alone {
    ferrometer_testkit::alone().then(|| {
        shutdown(Duration::from_secs(1));
        configure(Naming::default(), Limits::default(), Vec::new());
    })
}

#[derive(Clone, Debug, Default)]
struct Got {
    counters: BTreeMap<String, i64>,
    gauges: BTreeMap<String, f64>,
    singles: BTreeMap<String, Vec<f64>>,
    merged: BTreeMap<String, u64>,
    in_flight: BTreeMap<String, i64>,
}

/// Adds up what it is handed; a share of the pieces is refused, or publishing panics, when told so.
#[derive(Default)]
struct Receiver {
    got: Arc<Mutex<Got>>,
    refuse: Arc<AtomicU64>,
    panic: Arc<AtomicBool>,
    turn: u64,
    singles: bool,
}

impl Backend for Receiver {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let naming = view.naming().clone();
        for delta in view.deltas() {
            self.turn += 1;
            let refuse = self.refuse.load(Relaxed);
            if refuse > 0 && !self.turn.is_multiple_of(refuse) {
                continue;
            }
            if self.panic.load(Relaxed) && self.turn.is_multiple_of(3) {
                panic!("told to");
            }
            let mut name = naming.render(delta.series.logger_name(), delta.series.metric_name());
            name::push_labels(&mut name, delta.series.labels_with_object());
            let mut got = self.got.lock().unwrap();
            match &delta.change {
                Change::Counter { increments, decrements } => {
                    *got.counters.entry(name).or_default() += *increments as i64 - *decrements as i64;
                }
                Change::Gauge(value) => {
                    got.gauges.insert(name, *value);
                }
                Change::InFlight(value) => {
                    got.in_flight.insert(name, *value);
                }
                Change::Values { singles, merged, .. } => {
                    for value in singles.iter() {
                        got.singles.entry(name.clone()).or_default().push(*value);
                        view.sent(&delta.value_receipt(*value));
                    }
                    for (bucket, count) in merged {
                        *got.merged.entry(name.clone()).or_default() += count;
                        view.sent(&delta.merged_receipt(*bucket, *count));
                    }
                }
                other => panic!("{other:?}"),
            }
            view.sent(&delta.receipt());
        }
        Ok(Delivery::default())
    }

    fn wants(&self) -> Wants {
        if self.singles { Wants::SINGLES } else { Wants::TOTALS }
    }
}

fn install_receiver(name: &str, receiver: Receiver, interval: Duration) -> Arc<Mutex<Got>> {
    let got = Arc::clone(&receiver.got);
    install(name, Box::new(receiver), interval).unwrap();
    got
}

#[test]
fn every_kind_reaches_the_backend_once() {
    let _alone = alone();
    let logger = get_logger("kinds");
    let before = logger.counter("early");
    before.add(5); // off: not recorded
    let got = install_receiver("r", Receiver { singles: true, ..Receiver::default() }, Duration::from_secs(3600));
    before.add(2);
    logger.send_counter("early", -3);
    logger.send_gauge("g", -1.5);
    logger.gauge("g2").add(2);
    logger.gauge("g2").add(0.5);
    logger.send_gauge("bad", f64::NAN);
    logger.send_gauge("bad", f64::INFINITY);
    logger.send_timer("t", Duration::from_nanos(125_000_001));
    logger.send_histogram("h", -2.5);
    logger.send_histogram("h", f64::NAN);
    logger.with("b", "2").with("a", "1").send_counter(String::from("labelled"), 1);
    logger.with("a", "1").with("b", "2").send_counter("labelled", 1);
    let in_flight = logger.in_flight("busy").enter();
    assert!(flush(SOON).complete);
    {
        let got = got.lock().unwrap();
        assert_eq!(got.counters["kinds.early"], -1);
        assert_eq!(got.counters["kinds.labelled.a.1.b.2"], 2);
        assert_eq!(got.gauges["kinds.g"], -1.5);
        assert_eq!(got.gauges["kinds.g2"], 2.5);
        assert!(!got.gauges.contains_key("kinds.bad"));
        assert_eq!(got.singles["kinds.t"], [125_000_001.0]);
        assert_eq!(got.singles["kinds.h"], [-2.5]);
        assert_eq!(got.in_flight["kinds.busy"], 1);
    }
    drop(in_flight);
    assert!(flush(SOON).complete);
    assert_eq!(got.lock().unwrap().in_flight["kinds.busy"], 0);
    let ledger = remove("r", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Invalid], Amount::new(3));
    assert_eq!(ledger.superseded, Amount::new(1));
    assert_eq!((ledger.sent.increments, ledger.sent.decrements), (4, 3));
    assert_eq!(ledger.recorded.recordings, 13 + 1, "{ledger}");
    assert!(!is_on());
}

#[test]
fn values_that_cannot_be_held_are_merged_and_none_is_lost() {
    let _alone = alone();
    // However large the chunk of this thread is (it may have the cells of an earlier one), this many at once are too many to be held.
    configure(Naming::default(), Limits::default().timer_chunk(64).max_held_values(1000), Vec::new());
    let got = install_receiver("r", Receiver { singles: true, ..Receiver::default() }, Duration::from_secs(3600));
    thread::spawn(|| {
        let timer = get_logger("merge").timer("t");
        for i in 0..1_000_000u64 {
            timer.record(Duration::from_nanos(i));
        }
    })
    .join()
    .unwrap();
    assert!(flush(SOON).complete);
    let timer = get_logger("merge").timer("t");
    (0..64).for_each(|i| timer.record(Duration::from_nanos(i)));
    let report = flush(SOON);
    assert!(report.complete);
    let got = got.lock().unwrap().clone();
    let singles = got.singles["merge.t"].len() as u64;
    let merged = got.merged["merge.t"];
    assert_eq!(singles + merged, 1_000_064);
    assert!(singles >= 64 && merged > 0, "{singles} {merged}");
    assert_eq!(report.ledgers[0].merged, merged);
    assert!(remove("r", SOON).unwrap().balances());
    configure(Naming::default(), Limits::default(), Vec::new());
}

#[test]
fn refusals_panics_and_swaps_lose_nothing() {
    let _alone = alone();
    let calls = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let refuse = Arc::new(AtomicU64::new(0));
    let panic = Arc::new(AtomicBool::new(false));
    let all = Arc::new(Mutex::new(Got::default()));
    let receiver = |singles| Receiver {
        got: Arc::clone(&all),
        refuse: Arc::clone(&refuse),
        panic: Arc::clone(&panic),
        turn: 0,
        singles,
    };
    install("r", Box::new(receiver(true)), Duration::from_millis(2)).unwrap();
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (calls, stop) = (Arc::clone(&calls), Arc::clone(&stop));
            // Threads come and go: each lives for a thousand rounds.
            thread::spawn(move || {
                while !stop.load(Relaxed) {
                    let calls = Arc::clone(&calls);
                    thread::spawn(move || {
                        let logger = get_logger("swap");
                        let (counter, timer) = (logger.counter("c"), logger.timer("t"));
                        for i in 0..1000u64 {
                            counter.add(2);
                            counter.add(-1);
                            timer.record(Duration::from_nanos(i));
                        }
                        calls.fetch_add(1000, SeqCst);
                    })
                    .join()
                    .unwrap();
                }
            })
        })
        .collect();
    let least = Duration::from_millis(1500);
    let begin = Instant::now();
    let mut sent = Amount::default();
    let mut round = 0;
    // On a busy machine, or under a sanitizer, this many swaps and calls take longer.
    while begin.elapsed() < least || round <= 20 || calls.load(SeqCst) <= 10_000 {
        round += 1;
        refuse.store(if round % 3 == 0 { 2 } else { 0 }, Relaxed);
        panic.store(round % 4 == 0, Relaxed);
        thread::sleep(Duration::from_millis(3));
        refuse.store(0, Relaxed);
        panic.store(false, Relaxed);
        let old = replace("r", Box::new(receiver(round % 2 == 0)), Duration::from_millis(2), SOON).unwrap().unwrap();
        assert!(old.balances(), "{old}");
        assert_eq!(old.dropped_in_all(), Amount::default(), "{old}");
        sent += old.sent;
    }
    stop.store(true, Relaxed);
    workers.into_iter().for_each(|w| w.join().unwrap());
    let report = shutdown(SOON);
    assert!(report.complete);
    assert!(report.ledgers[0].balances());
    sent += report.ledgers[0].sent;
    let calls = calls.load(SeqCst);
    let got = all.lock().unwrap();
    assert_eq!(got.counters["swap.c"], calls as i64);
    assert_eq!(sent.increments, 2 * calls);
    assert_eq!(sent.decrements, calls);
    let timers = got.singles.get("swap.t").map_or(0, Vec::len) as u64 + got.merged.get("swap.t").unwrap_or(&0);
    assert_eq!(timers, calls);
    assert_eq!(sent.recordings, 3 * calls);
}

#[test]
fn a_backend_that_hangs_delays_nobody_and_its_account_still_balances() {
    struct Hangs;
    impl Backend for Hangs {
        fn publish(&mut self, _: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
            thread::sleep(NEVER);
            Ok(Delivery::default())
        }
    }
    let _alone = alone();
    install("hangs", Box::new(Hangs), Duration::from_millis(1)).unwrap();
    let got = install_receiver("r", Receiver::default(), Duration::from_millis(1));
    thread::sleep(Duration::from_millis(20));
    let counter = get_logger("hang").counter("c");
    counter.add(7);
    let start = Instant::now();
    let report = flush(Duration::from_millis(200));
    assert!(!report.complete && start.elapsed() < SOON);
    wait_until("the other backend's delivery", || got.lock().unwrap().counters.get("hang.c") == Some(&7));
    let ledger = remove("hangs", Duration::from_millis(100)).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!(ledger.dropped[Cause::Removed].increments, 7);
    assert!(shutdown(SOON).complete);
}

#[test]
fn one_name_is_one_logger_and_one_series_from_any_thread() {
    let _alone = alone();
    let found: Vec<(Logger, usize)> = (0..8)
        .map(|_| {
            thread::spawn(|| {
                let logger = get_logger("same::name");
                let by_text = logger.counter(format!("c{}", 1)).series().id();
                assert_eq!(by_text, logger.counter("c1").series().id());
                (logger, by_text)
            })
        })
        .map(|t| t.join().unwrap())
        .collect();
    assert!(found.iter().all(|f| *f == found[0]));
    assert_eq!(found[0].0, get_logger("same").child("name"));
    assert_ne!(get_logger("same"), get_logger("same").with("a", "b"));
    static IN_A_STATIC: Logger = logger!("same.name");
    assert_eq!(IN_A_STATIC, found[0].0);
    // An equal address with another length is another name.
    let text: &'static str = "prefix.suffix";
    let logger = get_logger("lengths");
    assert_ne!(logger.counter(&text[..6]).series().id(), logger.counter(text).series().id());
    assert_eq!(logger.counter(&text[..6]).series().metric_name(), "prefix");
}

#[test]
fn sampled_counters_say_hits_and_rate() {
    let _alone = alone();
    let got = install_receiver("r", Receiver::default(), Duration::from_secs(3600));
    let logger = get_logger("sampling");
    let counter = logger.counter("c").sampled(0.25);
    assert_eq!(counter.series().rate(), 0.25);
    let calls = 200_000;
    for _ in 0..calls {
        counter.increment();
    }
    // Not a rate: recorded unsampled, and counted.
    let bad = refused().bad_rates;
    let by_handle = |rate| logger.counter("bad").sampled(rate).increment();
    for rate in [1.5, f64::NAN, -1.0, 0.0] {
        logger.sampled(rate).send_counter("bad", 1);
        by_handle(rate);
    }
    assert_eq!(refused().bad_rates, bad + 8);
    assert_eq!(refused().bad_rate_example.to_bits(), 0);
    // A rule's, too.
    let rule = |rate| LoggerRule::new("sampling.ruled").sample_rate(Some(rate));
    for rate in [0.0, -1.0, f64::NAN, 2.0] {
        configure(Naming::default(), Limits::default(), vec![rule(rate)]);
        get_logger("sampling.ruled").send_counter("bad", 1);
    }
    assert_eq!(refused().bad_rates, bad + 12);
    configure(Naming::default(), Limits::default(), Vec::new());
    assert!(flush(SOON).complete);
    let got = got.lock().unwrap().clone();
    let hits = got.counters["sampling.c"] as f64;
    let deviation = (f64::from(calls) * 0.25 * 0.75).sqrt();
    assert!((hits - f64::from(calls) * 0.25).abs() < 6.0 * deviation, "{hits}");
    assert_eq!((got.counters["sampling.bad"], got.counters["sampling.ruled.bad"]), (8, 4));
    remove("r", SOON);
}

#[test]
fn logger_rules_switch_off_and_sample_what_gives_no_rate() {
    let _alone = alone();
    let rule = |prefix: &str, enabled, sample_rate| LoggerRule::new(prefix).enabled(enabled).sample_rate(sample_rate);
    let (quiet, loud) = (get_logger("rules.quiet.driver").counter("c"), get_logger("rules.quieter").counter("c"));
    let sampled = get_logger("rules.sampled");
    let made_before = sampled.counter("before");
    let rules =
        vec![rule("rules", true, None), rule("rules.quiet", false, None), rule("rules.sampled", true, Some(0.5))];
    configure(Naming::default(), Limits::default(), rules);
    let got = install_receiver("r", Receiver::default(), Duration::from_secs(3600));
    for _ in 0..10_000 {
        quiet.increment();
        loud.increment();
        made_before.increment();
        sampled.send_counter("after", 1);
        sampled.sampled(1.0).send_counter("own", 1);
    }
    assert!(flush(SOON).complete);
    {
        let got = got.lock().unwrap();
        assert!(!got.counters.contains_key("rules.quiet.driver.c"));
        assert_eq!(got.counters["rules.quieter.c"], 10_000);
        assert_eq!(got.counters["rules.sampled.own"], 10_000);
        for name in ["before", "after"] {
            let hits = got.counters[&format!("rules.sampled.{name}")];
            assert!((4_500..5_500).contains(&hits), "{hits}");
        }
    }
    configure(Naming::default(), Limits::default(), Vec::new());
    quiet.increment();
    assert!(flush(SOON).complete);
    assert_eq!(got.lock().unwrap().counters["rules.quiet.driver.c"], 1);
    assert!(remove("r", SOON).unwrap().balances());
}

#[test]
fn what_rules_sample_is_sampled_while_a_configuration_is_put_in_force() {
    let _alone = alone();
    let rules = |rate| vec![LoggerRule::new("rules.stay").sample_rate(Some(rate))];
    configure(Naming::default(), Limits::default(), rules(0.5));
    let _got = install_receiver("r", Receiver::default(), Duration::from_secs(3600));
    let counter = get_logger("rules.stay").counter("c");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let worker = thread::spawn(move || {
        while !stopped.load(Relaxed) {
            counter.increment();
        }
    });
    for i in 0..20_000 {
        // An equal set, and others.
        configure(Naming::default(), Limits::default(), rules([0.5, 0.5, 0.25][i % 3]));
    }
    stop.store(true, Relaxed);
    worker.join().unwrap();
    let unsampled = |expected: u64| match snapshot().totals().get(counter.series().id()).unwrap().value {
        Value::Counter { increments, .. } => assert_eq!(increments, expected, "recorded unsampled"),
        ref other => panic!("{other:?}"),
    };
    unsampled(0);
    // One that goes, and one that changes, are followed all the same.
    configure(Naming::default(), Limits::default(), Vec::new());
    (0..10).for_each(|_| counter.increment());
    unsampled(10);
    configure(Naming::default(), Limits::default(), rules(f64::MIN_POSITIVE));
    (0..10).for_each(|_| counter.increment());
    configure(Naming::default(), Limits::default(), rules(1.0));
    (0..10).for_each(|_| counter.increment());
    unsampled(20);
    assert!(remove("r", SOON).unwrap().balances());
}

#[test]
fn past_the_caps_recordings_are_in_the_overflow_series() {
    let _alone = alone();
    let got = install_receiver("r", Receiver::default(), Duration::from_secs(3600));
    let logger = get_logger("caps");
    let known = logger.counter("known");
    configure(Naming::default(), Limits::default().max_instruments(1).max_label_sets(0).max_loggers(0), vec![]);
    let before = refused();
    for i in 0..1000 {
        logger.send_counter(format!("n{i}"), 1);
        logger.with("user", &i.to_string()).send_counter("known", 1);
        get_logger(&format!("caps{i}")).send_counter("x", 1);
        known.increment();
    }
    logger.send_counter("x".repeat(5000), 1);
    let after = refused();
    configure(Naming::default(), Limits::default(), vec![]);
    assert_eq!(after.instruments - before.instruments, 1000);
    assert_eq!(after.label_sets - before.label_sets, 1000);
    assert_eq!(after.loggers - before.loggers, 1000);
    assert!(after.long_names > before.long_names);
    assert!(flush(SOON).complete);
    let got = got.lock().unwrap().clone();
    assert_eq!(got.counters["caps.known"], 1000);
    assert_eq!(got.counters["ferrometer.overflow.counter"], 3001);
    assert!(remove("r", SOON).unwrap().balances());
}

#[test]
fn more_threads_than_slabs_share_and_lose_nothing() {
    let _alone = alone();
    configure(Naming::default(), Limits::default().max_threads(1), vec![]);
    let got = install_receiver("r", Receiver { singles: true, ..Receiver::default() }, Duration::from_millis(5));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            thread::spawn(|| {
                let logger = get_logger("shared");
                for i in 0..5000u64 {
                    logger.send_counter("c", 1);
                    logger.send_timer("t", Duration::from_nanos(i));
                    logger.gauge("g").add(1);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert!(flush(SOON).complete);
    let ledger = remove("r", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    let got = got.lock().unwrap();
    assert_eq!(got.counters["shared.c"], 80_000);
    assert_eq!(got.gauges["shared.g"], 80_000.0);
    let timers = got.singles.get("shared.t").map_or(0, Vec::len) as u64 + got.merged.get("shared.t").unwrap_or(&0);
    assert_eq!(timers, 80_000);
    configure(Naming::default(), Limits::default(), vec![]);
}

#[test]
fn counters_are_exact_to_two_to_the_63() {
    let _alone = alone();
    let got = install_receiver("r", Receiver::default(), Duration::from_secs(3600));
    let counter = get_logger("exact").counter("c");
    counter.add(i64::MAX - 1);
    counter.add(1u64);
    assert!(flush(SOON).complete);
    assert_eq!(got.lock().unwrap().counters["exact.c"], i64::MAX);
    get_logger("exact").send_counter("low", i64::MIN);
    get_logger("exact").send_counter("high", u64::MAX);
    let snapshot = snapshot();
    let of = |name| snapshot.totals().iter().find(|t| t.series.metric_name() == name).unwrap().value.net();
    assert_eq!((of("low"), of("high")), (Some(i64::MIN), Some(i64::MAX)));
    remove("r", SOON);
}

#[test]
fn bad_installations_are_errors() {
    let _alone = alone();
    install("twice", Box::new(Receiver::default()), Duration::from_secs(1)).unwrap();
    let error = install("twice", Box::new(Receiver::default()), Duration::from_secs(1)).unwrap_err();
    assert!(error.to_string().contains("\"twice\" is installed already"), "{error}");
    assert!(matches!(
        install("zero", Box::new(Receiver::default()), Duration::ZERO),
        Err(InstallError::Interval(Duration::ZERO))
    ));
    assert!(remove("nobody", SOON).is_none());
    assert!(remove("twice", SOON).unwrap().balances());
}
