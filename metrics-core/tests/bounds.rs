//! Bounds hold, and what does not fit is counted elsewhere, never lost: cells, slabs, held values, sampled calls on shared cells.

mod support;

use ferrometer_core::__private::{CounterSite, FixedNumber as _, LabelProbe, LabelledSite};
use ferrometer_core::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::{Alone, NEVER, Publish, SOON, sink};

fn alone(limits: Limits) -> Alone {
    let alone = support::alone().then(|| drop(shutdown(Duration::from_secs(1))));
    configure(Naming::default(), limits, Vec::new());
    alone
}

fn recordings(logger: &str) -> BTreeMap<&'static str, (u64, u64)> {
    let snapshot = snapshot();
    let of = snapshot.totals().iter().filter(|t| t.series.logger_name() == logger && t.recordings + t.invalid > 0);
    of.map(|t| (t.series.metric_name(), (t.recordings, t.invalid))).collect()
}

#[test]
fn past_the_cell_budget_threads_share_and_lose_nothing() {
    let budget = 600_000;
    let _alone = alone(Limits::default().max_cell_bytes(budget));
    install("a", sink(), NEVER).unwrap();
    for _ in 0..4 {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                thread::spawn(|| {
                    let logger = get_logger("budget");
                    let timers: Vec<Timer> = (0..40).map(|i| logger.timer(format!("t{i}"))).collect();
                    for _ in 0..100 {
                        timers.iter().for_each(|t| t.record(Duration::from_nanos(5)));
                        logger.send_counter("c", 1);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
    let found = recordings("budget");
    assert_eq!(found["c"].0, 3200);
    assert!((0..40).all(|i| found[format!("t{i}").as_str()].0 == 3200), "{found:?}");
    assert!(flush(SOON).ledgers[0].balances());
    assert!(cell_bytes() <= budget, "{} of {budget}", cell_bytes());
}

/// The two values there are.
struct Bit(usize);

impl LabelValue for Bit {
    const VALUES: &'static [&'static str] = &["0", "1"];
    fn index(&self) -> usize {
        self.0
    }
}

impl AsRef<str> for Bit {
    fn as_ref(&self) -> &str {
        Self::VALUES[self.0]
    }
}

#[test]
fn a_call_site_does_not_remember_that_there_was_no_place() {
    static NUMBERS: LabelledSite<1> = LabelledSite::new("numbers", &["k"], Kind::Counter, 0.0);
    static LITERALS: LabelledSite<1> = LabelledSite::new("literals", &["k"], Kind::Counter, 0.0);
    static TEXTS: LabelledSite<1> = LabelledSite::new("texts", &["k"], Kind::Counter, 0.0);
    static PLAIN: CounterSite = CounterSite::new("plain", 0.0);
    let _alone = alone(Limits::default());
    let (logger, other) = (get_logger("no.place"), || get_logger("no.place.either"));
    configure(Naming::default(), Limits::default().max_label_sets(0).max_loggers(0), Vec::new());
    install("a", sink(), NEVER).unwrap();
    let calls = || {
        for i in 0..10 {
            let bit = Bit(i % 2);
            NUMBERS.add(&logger, 1, (LabelProbe(&bit).__ferrometer_label_number(),), || [bit.as_ref()]);
            LITERALS.add(&logger, 1, (), || [bit.as_ref()]);
            let text = format!("{}", i % 2);
            TEXTS.add(&logger, 1, (), || [&text]);
            PLAIN.increment(&other());
        }
    };
    let before = refused();
    calls();
    assert_eq!((refused().label_sets - before.label_sets, refused().loggers - before.loggers), (30, 10));
    assert!(recordings("no.place").is_empty());
    assert_eq!(recordings("ferrometer.overflow")["counter"].0, 40);
    configure(Naming::default(), Limits::default(), Vec::new());
    calls();
    let sum = |name| {
        let snapshot = snapshot();
        let of = snapshot.totals().iter().filter(|t| t.series.metric_name() == name).map(|t| t.recordings);
        of.collect::<Vec<_>>()
    };
    for name in ["numbers", "literals", "texts"] {
        assert_eq!(sum(name), [5, 5], "{name}");
    }
    assert_eq!(sum("plain"), [10]);
    assert_eq!(recordings("ferrometer.overflow")["counter"].0, 40);
}

#[test]
fn calls_on_shared_cells_are_sampled_too() {
    let _alone = alone(Limits::default().max_threads(0));
    install("a", sink(), NEVER).unwrap();
    let calls = 40_000;
    thread::spawn(move || {
        let logger = get_logger("shared.sampled");
        let (counter, timer) = (logger.counter("c").sampled(0.25), logger.timer("t").sampled(0.25));
        for _ in 0..calls {
            counter.increment();
            timer.record(Duration::ZERO);
            drop(logger.timer("guard").sampled(0.25).start());
        }
    })
    .join()
    .unwrap();
    let found = recordings("shared.sampled");
    let deviation = (f64::from(calls) * 0.25 * 0.75).sqrt();
    for name in ["c", "t", "guard"] {
        let hits = found[name].0 as f64;
        assert!((hits - f64::from(calls) * 0.25).abs() < 6.0 * deviation, "{name}: {hits}");
    }
}

#[test]
fn values_past_what_may_be_held_are_merged() {
    let _alone = alone(Limits::default().max_held_values(100));
    // Single values in all, at most in one delivery, and merged.
    let counts = Arc::new(Mutex::new((0, 0, 0)));
    let seen = Arc::clone(&counts);
    let count = move |view: &mut SnapshotView<'_>| {
        for delta in view.deltas() {
            if let Change::Values { singles, merged, .. } = &delta.change {
                let mut seen = seen.lock().unwrap();
                seen.0 += singles.len();
                seen.2 = seen.2.max(singles.len());
                seen.1 += merged.iter().map(|(_, n)| *n as usize).sum::<usize>();
            }
            view.delta_sent(&delta);
        }
        Ok(Delivery::default())
    };
    install("a", Box::new(Publish(count, Wants::SINGLES)), NEVER).unwrap();
    let timer = get_logger("held").timer("t");
    for i in 0..2000 {
        timer.record(Duration::from_nanos(i));
        if i % 100 == 0 {
            // Drained in pieces, of which the newest are held.
            let _ = snapshot();
        }
    }
    assert!(flush(SOON).complete);
    let (singles, merged, most) = *counts.lock().unwrap();
    assert_eq!(singles + merged, 2000);
    assert!(most <= 100 && merged > 0, "{singles} {merged} {most}");
}

#[test]
fn what_cannot_be_is_counted_as_invalid_and_changes_nothing() {
    let _alone = alone(Limits::default());
    install("a", sink(), NEVER).unwrap();
    let logger = get_logger("invalid");
    let gauge = logger.gauge("g");
    gauge.set(f64::MAX);
    gauge.add(f64::MAX);
    gauge.add(f64::NAN);
    logger.send_histogram("h", f64::NEG_INFINITY);
    assert_eq!(recordings("invalid"), BTreeMap::from([("g", (1, 2)), ("h", (0, 1))]));
    let ledger = remove("a", SOON).unwrap();
    assert!(ledger.balances() && ledger.dropped[Cause::Invalid] == Amount::new(3), "{ledger}");
}

#[test]
fn a_rule_that_switches_off_reaches_every_kind() {
    let _alone = alone(Limits::default());
    let logger = get_logger("silent");
    let off = LoggerRule::new("silent").enabled(false);
    configure(Naming::default(), Limits::default(), vec![off]);
    install("a", sink(), NEVER).unwrap();
    let busy = logger.in_flight("busy").enter();
    logger.send_counter("c", 1);
    logger.send_gauge("g", 1);
    logger.gauge("g").add(1);
    logger.send_timer("t", Duration::ZERO);
    logger.timer("t").start().stop();
    logger.send_histogram("h", 1);
    configure(Naming::default(), Limits::default(), Vec::new());
    // It was not counted going up, and is not going down.
    drop(busy);
    assert_eq!(recordings("silent"), BTreeMap::new());
}
