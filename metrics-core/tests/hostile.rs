//! Hostile and careless programs and backends: nothing that they do may lose, double, panic or hang.

mod support;

use ferrometer_core::__private::capture::{Store, enter};
use ferrometer_core::*;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::{Alone, NEVER, Publish, SOON, sink, wait_until};

fn alone() -> Alone {
    let alone = support::alone().then(|| drop(shutdown(Duration::from_secs(1))));
    // One of the tests registers thousands of names, and names stay.
    configure(Naming::default(), Limits::default().max_instruments(100_000), Vec::new());
    alone
}

#[test]
fn the_longest_durations_and_largest_limits_are_no_panic() {
    let _alone = alone();
    install("a", sink(), Duration::MAX).unwrap();
    get_logger("durations").send_timer("t", Duration::MAX);
    assert!(flush(Duration::MAX).complete);
    replace("a", sink(), NEVER, Duration::MAX).unwrap().unwrap();
    assert!(remove("a", Duration::MAX).unwrap().balances());
    assert!(shutdown(Duration::MAX).complete);
    let max = usize::MAX;
    let all = Limits::default()
        .max_loggers(max)
        .max_instruments(max)
        .max_label_sets(max)
        .max_threads(max)
        .max_cell_bytes(max)
        .timer_chunk(max)
        .max_held_values(max);
    assert_eq!(all.max_bytes(max), max);
    assert!(Limits::default().max_bytes(2) > Limits::default().max_cell_bytes);
}

#[test]
fn a_delivery_tried_again_sends_each_single_value_once() {
    let _alone = alone();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (seen, mut first) = (Arc::clone(&sent), true);
    let half = move |view: &mut SnapshotView<'_>| {
        let most = if std::mem::take(&mut first) { 5 } else { 100 };
        for delta in view.deltas() {
            let Change::Values { singles, merged, .. } = &delta.change else { continue };
            assert!(merged.is_empty());
            for value in singles.iter().take(most) {
                view.sent(&delta.value_receipt(*value));
                seen.lock().unwrap().push(*value);
            }
        }
        Ok(Delivery::default())
    };
    install("half", Box::new(Publish(half, Wants::SINGLES)), NEVER).unwrap();
    // All in one bucket.
    let values: Vec<f64> = (1024..1034).map(f64::from).collect();
    let timer = get_logger("half").timer("t");
    values.iter().for_each(|v| timer.record(Duration::from_nanos(*v as u64)));
    flush(SOON);
    assert_eq!(*sent.lock().unwrap(), values);
}

#[test]
fn values_recorded_while_a_backend_is_busy_stay_single() {
    let _alone = alone();
    let counts = Arc::new(Mutex::new((0, 0)));
    let seen = Arc::clone(&counts);
    let slow = move |view: &mut SnapshotView<'_>| {
        thread::sleep(Duration::from_millis(30));
        for delta in view.deltas() {
            if let Change::Values { singles, merged, .. } = &delta.change {
                let mut seen = seen.lock().unwrap();
                seen.0 += singles.len() as u64;
                seen.1 += merged.iter().map(|(_, n)| n).sum::<u64>();
            }
            view.delta_sent(&delta);
        }
        Ok(Delivery::default())
    };
    install("slow", Box::new(Publish(slow, Wants::SINGLES)), Duration::from_millis(25)).unwrap();
    let timer = get_logger("busy").timer("t");
    for i in 0..1000 {
        timer.record(Duration::from_nanos(1000 + i));
        thread::sleep(Duration::from_micros(500));
    }
    assert!(flush(SOON).complete);
    assert_eq!(*counts.lock().unwrap(), (1000, 0));
}

#[test]
fn an_in_flight_count_is_never_left_at_an_old_value() {
    let _alone = alone();
    let told = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&told);
    let watch = move |view: &mut SnapshotView<'_>| {
        for delta in view.deltas().filter(|d| d.series.metric_name() == "stale") {
            if let Change::InFlight(now) = delta.change {
                seen.store(now as u64, SeqCst);
            }
        }
        view.all_sent();
        Ok(Delivery::default())
    };
    install("watch", Box::new(Publish(watch, Wants::TOTALS)), NEVER).unwrap();
    let in_flight = get_logger("inflight").in_flight("stale");
    for round in 0..300 {
        let moving = thread::spawn(move || (0..2000).for_each(|_| drop(in_flight.enter())));
        while !moving.is_finished() {
            flush(SOON);
        }
        moving.join().unwrap();
        flush(SOON);
        assert_eq!(told.load(SeqCst), 0, "round {round}");
    }
}

#[test]
fn a_rule_that_comes_while_names_are_registered_holds() {
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    let limits = Limits::default().max_instruments(100_000);
    for round in 0..300 {
        configure(Naming::default(), limits, Vec::new());
        let registering = thread::spawn(move || {
            (0..40).map(|i| get_logger("switched").counter(format!("c{round}_{i}"))).collect::<Vec<_>>()
        });
        thread::sleep(Duration::from_micros(60));
        let off = LoggerRule::new("switched").enabled(false);
        configure(Naming::default(), limits, vec![off]);
        let counters = registering.join().unwrap();
        counters.iter().for_each(|c| c.increment());
        let snapshot = snapshot();
        let recorded =
            counters.iter().filter(|c| snapshot.totals().get(c.series().id()).unwrap().recordings > 0).count();
        assert_eq!(recorded, 0, "round {round}");
    }
}

#[test]
fn a_replacement_that_cannot_be_asked_leaves_the_old_backend() {
    struct Unasked;
    impl Backend for Unasked {
        fn publish(&mut self, _: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
            Ok(Delivery::default())
        }
        fn wants(&self) -> Wants {
            panic!("told to")
        }
    }
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    get_logger("unasked").send_counter("c", 1);
    assert!(std::panic::catch_unwind(|| replace("a", Box::new(Unasked), NEVER, SOON)).is_err());
    let ledger = remove("a", SOON).unwrap();
    assert!(ledger.balances() && ledger.sent.increments == 1, "{ledger}");
}

#[test]
fn a_panic_whose_payload_panics_is_one_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("again");
            }
        }
    }
    let _alone = alone();
    let mut first = true;
    let bomb = move |view: &mut SnapshotView<'_>| {
        if std::mem::take(&mut first) {
            std::panic::panic_any(Bomb);
        }
        view.all_sent();
        Ok(Delivery::default())
    };
    install("bomb", Box::new(Publish(bomb, Wants::TOTALS)), NEVER).unwrap();
    get_logger("bomb").send_counter("c", 1);
    let report = flush(SOON);
    assert!(report.complete && report.ledgers[0].panics == 1, "{}", report.ledgers[0]);
}

#[test]
fn a_backend_that_is_not_waited_for_delivers_nothing_that_is_called_dropped() {
    let _alone = alone();
    let calls = Arc::new(AtomicU64::new(0));
    let (go, gate) = std::sync::mpsc::channel::<()>();
    // Dropped with the backend: then no call follows.
    let seen = Arc::clone(&calls);
    let slow = move |view: &mut SnapshotView<'_>| {
        seen.fetch_add(1, SeqCst);
        let _ = gate.recv();
        view.all_sent();
        Ok(Delivery::default())
    };
    install("slow", Box::new(Publish(slow, Wants::TOTALS)), NEVER).unwrap();
    get_logger("slow").send_counter("c", 1);
    // It is at work, and then it is removed without being waited for.
    assert!(!flush(Duration::ZERO).complete);
    wait_until("the delivery", || calls.load(SeqCst) == 1);
    get_logger("slow").send_counter("c", 1);
    let ledger = remove("slow", Duration::ZERO).unwrap();
    assert!(ledger.balances() && ledger.dropped[Cause::Removed] == ledger.recorded, "{ledger}");
    drop(go);
    wait_until("the end of the backend", || Arc::strong_count(&calls) == 1);
    // The delivery in progress, its flush, and no other.
    assert_eq!(calls.load(SeqCst), 2);
}

#[test]
fn scopes_may_end_in_any_order() {
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    let counter = get_logger("scopes").counter("c");
    counter.increment();
    let (outer, inner) = (Arc::new(Store::default()), Arc::new(Store::default()));
    let (in_outer, in_inner) = (enter(&outer), enter(&inner));
    drop(in_outer);
    counter.increment();
    assert_eq!((inner.recorded()[0].1.total, outer.recorded().len()), (1, 0));
    drop(in_inner);
    (0..10).for_each(|_| counter.increment());
    assert!(flush(SOON).complete);
    assert_eq!(snapshot().totals().get(counter.series().id()).unwrap().recordings, 11);
}

#[test]
fn ten_thousand_threads_come_and_go() {
    let _alone = alone();
    install("a", sink(), Duration::from_millis(5)).unwrap();
    let before = cell_bytes();
    for _ in 0..100 {
        let threads: Vec<_> = (0..100)
            .map(|_| {
                thread::spawn(|| {
                    let logger = get_logger("crowd");
                    logger.send_counter("c", 1);
                    logger.send_timer("t", Duration::from_nanos(1));
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
    let report = flush(SOON);
    assert!(report.complete && report.ledgers[0].balances());
    let total = |name: &str| {
        let snapshot = snapshot();
        snapshot
            .totals()
            .iter()
            .find(|t| t.series.logger_name() == "crowd" && t.series.metric_name() == name)
            .unwrap()
            .recordings
    };
    assert_eq!((total("c"), total("t")), (10_000, 10_000));
    // Slabs are handed on: no more than lived at once, with a margin for those that were ending.
    assert!(cell_bytes() - before < 250 * 32 * 1024, "{}", cell_bytes() - before);
}
