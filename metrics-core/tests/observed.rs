//! Gauges that are asked for their values: by whom, when, and what a function can do that hangs, panics or asks us something.

use ferrometer_core::*;
use ferrometer_testkit::{Alone, NEVER, Recorder, SOON, alone, wait_until};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

fn begin() -> (Alone, Recorder) {
    let alone = alone().then(|| drop(remove("recorder", SOON)));
    let recorder = Recorder::default();
    install("recorder", Box::new(recorder.clone()), NEVER).unwrap();
    (alone, recorder)
}

/// Returns the newest value of a gauge after a flush.
#[track_caller]
fn flushed(recorder: &Recorder, name: &str) -> Option<f64> {
    let report = flush(SOON);
    assert!(report.complete && report.ledgers.iter().all(Ledger::balances), "{report:?}");
    recorder.record().gauges.get(name).copied()
}

/// Flushes until a gauge has this value: on a machine that is busy a collection goes on without the values that come late.
#[track_caller]
fn reaches(recorder: &Recorder, name: &str, value: f64) {
    wait_until(name, || flushed(recorder, name) == Some(value));
}

#[test]
fn the_value_is_that_of_the_moment_and_of_the_last_function() {
    let (_alone, recorder) = begin();
    let gauge = get_logger("observed").gauge("value");
    let value = Arc::new(AtomicU64::new(3));
    let asked = Arc::clone(&value);
    let first = gauge.observe(move || asked.load(SeqCst));
    reaches(&recorder, "observed.value", 3.0);
    value.store(4, SeqCst);
    reaches(&recorder, "observed.value", 4.0);

    let second = gauge.observe(|| Some(0.5));
    reaches(&recorder, "observed.value", 0.5);
    wait_until("the first function is dropped", || Arc::strong_count(&value) == 1);
    drop(first);
    gauge.set(7);
    // The second is asked still.
    reaches(&recorder, "observed.value", 0.5);
    drop(second);
    wait_until("a value stays", || {
        gauge.set(8);
        flushed(&recorder, "observed.value") == Some(8.0) && flushed(&recorder, "observed.value") == Some(8.0)
    });
}

#[test]
fn nothing_and_errors_leave_the_gauge_and_it_can_stay_for_ever() {
    let (_alone, recorder) = begin();
    let logger = get_logger("observed");
    let _none = logger.gauge("none").observe(|| None::<u8>);
    let _error = logger.gauge("error").observe(|| "x".parse::<f64>());
    let _nan = logger.gauge("nan").observe(|| f64::NAN);
    logger.gauge("constant").observe(|| true).forever();
    reaches(&recorder, "observed.constant", 1.0);
    let known = recorder.record().gauges;
    assert!(["none", "error", "nan"].iter().all(|name| !known.contains_key(&format!("observed.{name}"))), "{known:?}");
    assert!(remove("recorder", SOON).unwrap().dropped[Cause::Invalid].recordings >= 1);
}

#[test]
fn it_runs_on_a_thread_of_ours_and_may_ask_for_a_snapshot() {
    let (_alone, recorder) = begin();
    let names = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&names);
    let _observed = get_logger("observed").gauge("nested").observe(move || {
        seen.lock().unwrap().push(thread::current().name().map(str::to_owned));
        snapshot().totals().len()
    });
    wait_until("the gauge is asked for", || flushed(&recorder, "observed.nested").is_some_and(|series| series > 0.0));
    let names = names.lock().unwrap();
    assert!(!names.is_empty() && names.iter().all(|name| name.as_deref() == Some("ferrometer-gauges")), "{names:?}");
}

#[test]
fn a_panic_stops_neither_the_others_nor_the_next_round() {
    let (_alone, recorder) = begin();
    let logger = get_logger("observed");
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let _panics = logger.gauge("panics").observe(move || -> u64 { panic!("call {}", count.fetch_add(1, SeqCst)) });
    let _behind = logger.gauge("behind").observe(|| 2);
    reaches(&recorder, "observed.behind", 2.0);
    wait_until("it is asked again", || {
        drop(snapshot());
        asked.load(SeqCst) > 2
    });
}

#[test]
fn who_hangs_holds_up_nobody() {
    let (_alone, recorder) = begin();
    let logger = get_logger("observed");
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let (began, begun) = channel();
    let hangs = logger.gauge("hangs").observe(move || {
        let _ = began.send(());
        released.lock().unwrap().recv().map(|()| 1)
    });
    // It is at work, and stays so, through collections of each kind.
    logger.gauge("set").set(5);
    assert_eq!(flushed(&recorder, "observed.set"), Some(5.0));
    begun.recv().unwrap();
    logger.gauge("set").set(6);
    assert_eq!(flushed(&recorder, "observed.set"), Some(6.0));
    assert!(!snapshot().totals().is_empty());
    drop(hangs);
    let behind = logger.gauge("behind.it").observe(|| 3);
    drop(release);
    // The thread is free again.
    reaches(&recorder, "observed.behind.it", 3.0);
    drop(behind);
}

#[test]
fn nothing_is_asked_while_nothing_is_recorded() {
    let (alone, recorder) = begin();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let _observed = get_logger("unasked").gauge("g").observe(move || count.fetch_add(1, SeqCst));
    let rule = LoggerRule::new("unasked").enabled(false);
    configure(Naming::default(), Limits::DEFAULT, vec![rule]);
    assert_eq!((flushed(&recorder, "unasked.g"), asked.load(SeqCst)), (None, 0));
    drop(remove("recorder", SOON));
    configure(Naming::default(), Limits::DEFAULT, Vec::new());
    assert!(!is_on());
    drop(snapshot());
    assert_eq!(asked.load(SeqCst), 0);
    drop(alone);
}
