//! ferrometer's own metrics: what alert rules and the page look at.

mod support;

use ferrometer_core::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};
use support::{NEVER, Publish, SOON};

fn own(name: &str) -> Option<f64> {
    let snapshot = snapshot();
    let of = |total: &Total<'_>| total.series.logger_name() == "ferrometer" && total.series.metric_name() == name;
    snapshot.totals().iter().find(of).map(|total| match &total.value {
        Value::Counter { .. } => total.value.net().unwrap() as f64,
        Value::Gauge(value) => *value,
        other => panic!("{name} is {other:?}"),
    })
}

/// A flush has ended a moment before the own metrics say so.
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(120), "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as f64
}

#[test]
fn limits_refusals_failures_and_the_last_success_are_exported() {
    let limits = Limits::default().max_loggers(3).max_label_sets(2).max_instruments(200);
    configure(Naming::default(), limits, Vec::new());
    let works = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&works);
    let publish = move |view: &mut SnapshotView<'_>| {
        if !told.load(Relaxed) {
            return Err(BackendError::new("told to fail"));
        }
        view.all_sent();
        Ok(Delivery::default())
    };
    install("own", Box::new(Publish(publish, Wants::SINGLES)), NEVER).unwrap();
    let logger = get_logger("shop");
    logger.send_counter("sold", 3);
    logger.send_timer("time", std::time::Duration::from_millis(3));
    let before = now();
    assert!(flush(SOON).complete);
    soon("exported", || own("limits.held_values.max").is_some());
    let success = own("backend.own.last_success.timestamp_seconds").unwrap();
    assert!(success >= before.floor() && success <= now(), "{success}");
    assert_eq!(own("backend.own.pending"), Some(0.0));
    assert_eq!(own("backend.own.held"), Some(1.0));
    // Each says in a sentence what it is.
    let all = snapshot();
    let ours: Vec<_> = all.totals().iter().filter(|total| total.series.logger_name() == "ferrometer").collect();
    assert!(ours.len() >= 9, "{ours:?}");
    for total in &ours {
        let help = total.series.description().unwrap_or_default();
        assert!(help.len() > 20 && help.ends_with('.'), "{}: {help:?}", total.series.metric_name());
        assert_eq!(total.series.unit(), None, "a unit would change the name");
    }
    let is_success = |total: &&Total<'_>| total.series.metric_name() == "backend.own.last_success.timestamp_seconds";
    let help = ours.iter().find(is_success).unwrap().series.description().unwrap();
    assert!(help.contains("last delivery without an error") && help.contains("seconds since 1970"), "{help}");
    assert_eq!(own("limits.held_values.max"), Some(262_144.0));
    assert_eq!((own("limits.loggers.used"), own("limits.loggers.max")), (Some(1.0), Some(3.0)));
    assert_eq!((own("limits.label_sets.used"), own("limits.label_sets.max")), (Some(0.0), Some(2.0)));
    assert_eq!(own("limits.instruments.max"), Some(200.0));
    assert_eq!(own("limits.loggers.refused"), None);

    // Past the cap of label sets; and nothing is delivered.
    works.store(false, Relaxed);
    (0..5).for_each(|i| logger.with("till", &i.to_string()).send_counter("sold", 1));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    flush(SOON);
    soon("refusals", || own("limits.label_sets.refused") == Some(3.0));
    assert_eq!((own("limits.label_sets.used"), own("limits.label_sets.refused")), (Some(2.0), Some(3.0)));
    assert!(own("backend.own.pending").unwrap() >= 5.0);
    assert!(own("backend.own.errors").unwrap() >= 1.0);
    assert_eq!(own("backend.own.last_success.timestamp_seconds"), Some(success), "a failure is no success");

    works.store(true, Relaxed);
    assert!(flush(SOON).complete);
    soon("a later success", || own("backend.own.last_success.timestamp_seconds") > Some(success));
    assert_eq!(own("backend.own.pending"), Some(0.0));
    let later = own("backend.own.last_success.timestamp_seconds").unwrap();
    assert!(later > success, "{later}");

    // An idle program says nothing new. The own metrics of a delivery are written a moment after its flush, and before the next delivery ends.
    let series = || snapshot().totals().iter().filter(|t| t.series.is_internal()).map(|t| t.recordings).sum::<u64>();
    (0..3).for_each(|_| drop(flush(SOON)));
    let settled = series();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    (0..2).for_each(|_| drop(flush(SOON)));
    assert_eq!(series(), settled);
    let used = own("limits.instruments.used").unwrap();
    assert_eq!(used, snapshot().totals().len() as f64);
}
