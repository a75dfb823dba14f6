//! Ferrometer's recordings arrive in a recorder of the `metrics` crate, to the unit.

use ferrometer_core::{flush, get_logger, install, remove};
use ferrometer_metrics_bridge::RecorderBackend;
use ferrometer_testkit::{NEVER, SOON, alone};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn each_kind_arrives_as_its_own() {
    let _alone = alone();
    let recorder = DebuggingRecorder::new();
    let seen = recorder.snapshotter();
    install("metrics", Box::new(RecorderBackend::new(recorder)), NEVER).unwrap();
    let shop = get_logger("shop").with("city", "Oslo");
    shop.send_counter("sold", 5);
    shop.send_counter("sold", -2);
    shop.send_gauge("queue", 7);
    shop.send_timer("checkout", Duration::from_millis(1500));
    shop.send_timer("checkout", Duration::from_millis(500));
    shop.send_histogram("basket", 12.5);
    let _busy = shop.in_flight("paying").enter();
    get_logger("shop").describe("queue", ferrometer_core::Unit::None, "people who wait");
    assert!(flush(SOON).complete);
    let account = remove("metrics", SOON).unwrap();
    assert_eq!(account.recorded, account.sent);

    let mut all = BTreeMap::new();
    let mut described = BTreeMap::new();
    for (key, unit, description, value) in seen.snapshot().into_vec() {
        let labels: Vec<_> =
            key.key().labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        if key.key().name().starts_with("shop.") {
            assert_eq!(labels, [("city".to_owned(), "Oslo".to_owned())]);
            described.insert(key.key().name().to_owned(), (unit, description));
            all.insert(key.key().name().to_owned(), value);
        }
    }
    let sum = |value: &DebugValue| match value {
        DebugValue::Histogram(values) => values.iter().map(|value| value.into_inner()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(all["shop.sold"], DebugValue::Counter(5));
    assert_eq!(all["shop.sold.decrements"], DebugValue::Counter(2));
    assert_eq!(all["shop.queue"], DebugValue::Gauge(7.0.into()));
    assert_eq!(all["shop.paying"], DebugValue::Gauge(1.0.into()));
    assert_eq!((sum(&all["shop.checkout"]), sum(&all["shop.basket"])), (vec![1.5, 0.5], vec![12.5]));
    assert_eq!(described["shop.checkout"].0, Some(metrics::Unit::Seconds));
    assert_eq!(described["shop.queue"].1.as_deref(), Some("people who wait"));
}

#[test]
fn a_sampled_recording_counts_for_those_it_stands_for() {
    let _alone = alone();
    let recorder = DebuggingRecorder::new();
    let seen = recorder.snapshotter();
    install("metrics", Box::new(RecorderBackend::new(recorder)), NEVER).unwrap();
    let logger = get_logger("sampled");
    let counter = logger.sampled(0.25).counter("hits");
    (0..100_000).for_each(|_| counter.increment());
    assert!(flush(SOON).complete);
    remove("metrics", SOON).unwrap();
    let all = seen.snapshot().into_vec();
    let hits = all.iter().find(|(key, ..)| key.key().name() == "sampled.hits").unwrap();
    let DebugValue::Counter(hits) = hits.3 else { panic!("{hits:?}") };
    // 8 standard deviations of a sum of 100,000 draws, each worth 4.
    assert!((95_600..=104_400).contains(&hits), "{hits}");
}
