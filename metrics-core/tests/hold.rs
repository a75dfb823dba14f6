//! Holding: what is recorded before a backend is there reaches the backends that come, each once and whole.

use ferrometer_core::*;
use ferrometer_testkit::{Alone, SOON};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const NEVER: Duration = Duration::from_secs(3600);

fn alone() -> Alone {
    ferrometer_testkit::alone().then(|| {
        shutdown(Duration::from_secs(1));
        release();
        configure(Naming::default(), Limits::default(), Vec::new());
    })
}

/// Takes everything: counters by name, single values of timers in milliseconds, and how many values came merged.
#[derive(Clone, Default)]
struct Sink {
    counters: Arc<Mutex<BTreeMap<String, i64>>>,
    singles: Arc<Mutex<Vec<u64>>>,
    merged: Arc<Mutex<u64>>,
}

impl Backend for Sink {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        for delta in view.deltas() {
            let name = format!("{}.{}", delta.series.logger_name(), delta.series.metric_name());
            match &delta.change {
                Change::Counter { increments, decrements } => {
                    *self.counters.lock().unwrap().entry(name).or_default() += *increments as i64 - *decrements as i64;
                }
                Change::Values { singles, merged, .. } if delta.series.logger_name() == "held" => {
                    self.singles.lock().unwrap().extend(singles.iter().map(|nanos| (*nanos / 1e6).round() as u64));
                    *self.merged.lock().unwrap() += merged.iter().map(|(_, count)| count).sum::<u64>();
                }
                _ => {}
            }
        }
        view.all_sent();
        Ok(Delivery::default())
    }

    fn wants(&self) -> Wants {
        Wants::SINGLES
    }
}

#[test]
fn backends_that_come_later_get_all_since_the_hold_and_nothing_before() {
    let _alone = alone();
    let logger = get_logger("held");
    let counter = logger.counter("early");
    counter.add(1);
    assert!(!is_on());
    hold();
    assert!(is_on());
    counter.add(10);
    let timer = logger.timer("time");
    // As many as the smallest chunk of this file holds: a thread may have the cells of one before it.
    for millis in 1..=64u64 {
        timer.record(Duration::from_millis(millis));
    }
    thread::spawn(move || counter.add(100)).join().unwrap();
    let pending = flush(SOON);
    assert!(!pending.complete && pending.ledgers[0].pending.recordings == 66, "{:?}", pending.ledgers);

    let (first, second) = (Sink::default(), Sink::default());
    install("first", Box::new(first.clone()), NEVER).unwrap();
    counter.add(1000);
    replace("second", Box::new(second.clone()), NEVER, SOON).unwrap();
    release();
    counter.add(10_000);
    let late = Sink::default();
    install("late", Box::new(late.clone()), NEVER).unwrap();
    counter.add(100_000);
    let report = flush(SOON);
    assert!(report.complete && report.ledgers.iter().all(Ledger::balances), "{:?}", report.ledgers);
    for (sink, expected) in [(&first, 111_110), (&second, 111_110), (&late, 100_000)] {
        assert_eq!(sink.counters.lock().unwrap()["held.early"], expected);
    }
    for sink in [&first, &second] {
        let mut singles = sink.singles.lock().unwrap().clone();
        singles.sort_unstable();
        assert_eq!((singles, *sink.merged.lock().unwrap()), ((1..=64).collect(), 0));
    }
    assert!(late.singles.lock().unwrap().is_empty());
    let ledgers = shutdown(SOON).ledgers;
    assert_eq!(ledgers.iter().map(|ledger| ledger.backend.as_str()).collect::<Vec<_>>(), ["first", "second", "late"]);
}

#[test]
fn values_beyond_the_rings_arrive_merged_and_none_is_lost() {
    let _alone = alone();
    configure(Naming::default(), Limits::default().timer_chunk(64).max_held_values(128), Vec::new());
    hold();
    let timer = get_logger("held").timer("many");
    for round in 0..10 {
        for _ in 0..1000 {
            timer.record(Duration::from_millis(7));
        }
        // Drains the rings, as somebody does who looks at the metrics.
        let _ = snapshot();
        let _ = round;
    }
    let sink = Sink::default();
    install("sink", Box::new(sink.clone()), NEVER).unwrap();
    release();
    let report = flush(SOON);
    assert!(report.complete && report.ledgers[0].balances(), "{:?}", report.ledgers);
    let (singles, merged) = (sink.singles.lock().unwrap().len() as u64, *sink.merged.lock().unwrap());
    assert_eq!(singles + merged, 10_000);
    assert!(singles <= 192, "{singles}");
}

#[test]
fn what_nobody_takes_is_dropped_and_said() {
    let _alone = alone();
    hold();
    get_logger("held").send_counter("nobody", 3);
    let report = shutdown(SOON);
    let ledger = &report.ledgers[0];
    assert!(!report.complete && ledger.balances(), "{ledger}");
    assert_eq!((ledger.backend.as_str(), ledger.dropped[Cause::Removed].increments), ("held", 3));
    assert!(!is_on());
    hold();
    release();
    assert!(!is_on() && shutdown(SOON).complete);
}

#[test]
fn a_backend_that_is_replaced_while_holding_goes_on_where_it_was() {
    let _alone = alone();
    let counter = get_logger("held").counter("going");
    let (old, new) = (Sink::default(), Sink::default());
    install("same", Box::new(old.clone()), NEVER).unwrap();
    hold();
    counter.add(5);
    assert!(flush(SOON).complete);
    replace("same", Box::new(new.clone()), NEVER, SOON).unwrap();
    counter.add(7);
    assert!(flush(SOON).complete);
    assert_eq!(old.counters.lock().unwrap()["held.going"], 5);
    assert_eq!(new.counters.lock().unwrap()["held.going"], 7);
}
