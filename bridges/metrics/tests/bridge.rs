//! Recordings through the `metrics` crate arrive at ferrometer's backends, to the unit: against a plain model, and from many threads.

use ferrometer_core::{flush, install, remove};
use ferrometer_metrics_bridge::{AlreadyInstalled, Bridge};
use ferrometer_testkit::{NEVER, Record, Recorder, SOON, alone};
use metrics::{Key, Label, counter, describe_histogram, gauge, histogram, with_local_recorder};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::thread;

/// Runs `body` with a recording backend, and returns what arrived.
fn recorded(body: impl FnOnce()) -> Record {
    let recorder = Recorder::default();
    install("record", Box::new(recorder.clone()), NEVER).unwrap();
    body();
    assert!(flush(SOON).complete);
    remove("record", SOON).unwrap();
    recorder.record()
}

#[derive(Clone, Debug)]
enum Op {
    Increment(u8, u8, u32),
    Absolute(u8, u64),
    Set(u8, i16),
    Raise(u8, i16),
    Lower(u8, i16),
    Record(u8, u8, i16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0u8..4, 0u8..3, any::<u32>()).prop_map(|(name, label, n)| Op::Increment(name, label, n)),
        (0u8..4, 0u64..1 << 40).prop_map(|(name, n)| Op::Absolute(name, n)),
        (0u8..4, any::<i16>()).prop_map(|(name, n)| Op::Set(name, n)),
        (0u8..4, any::<i16>()).prop_map(|(name, n)| Op::Raise(name, n)),
        (0u8..4, any::<i16>()).prop_map(|(name, n)| Op::Lower(name, n)),
        (0u8..4, 0u8..3, any::<i16>()).prop_map(|(name, label, n)| Op::Record(name, label, n)),
    ]
}

fn name(kind: &str, name: u8) -> String {
    format!("{kind}{name}")
}

/// Returns the name of a series as the recording backend gives it.
fn series(logger: &str, kind: &str, at: u8, label: u8) -> String {
    let label = if label > 0 { format!(" l={label}") } else { String::new() };
    format!("{logger}.{kind}{at}{label}")
}

fn perform(op: &Op) {
    let labels = |label: u8| if label > 0 { vec![Label::new("l", label.to_string())] } else { Vec::new() };
    match *op {
        Op::Increment(at, label, n) => counter!(name("c", at), labels(label)).increment(n.into()),
        Op::Absolute(at, n) => counter!(name("a", at)).absolute(n),
        Op::Set(at, n) => gauge!(name("g", at)).set(n),
        Op::Raise(at, n) => gauge!(name("g", at)).increment(n),
        Op::Lower(at, n) => gauge!(name("g", at)).decrement(n),
        Op::Record(at, label, n) => histogram!(name("h", at), labels(label)).record(n),
    }
}

/// Does the same to a plain model.
fn model(record: &mut Record, logger: &str, op: &Op) {
    match *op {
        Op::Increment(at, label, n) => {
            *record.counters.entry(series(logger, "c", at, label)).or_default() += i64::from(n);
        }
        Op::Absolute(at, n) => {
            let total = record.counters.entry(series(logger, "a", at, 0)).or_default();
            *total = (*total).max(n as i64);
        }
        Op::Set(at, n) => drop(record.gauges.insert(series(logger, "g", at, 0), n.into())),
        Op::Raise(at, n) => *record.gauges.entry(series(logger, "g", at, 0)).or_default() += f64::from(n),
        Op::Lower(at, n) => *record.gauges.entry(series(logger, "g", at, 0)).or_default() -= f64::from(n),
        Op::Record(at, label, _) => *record.values.entry(series(logger, "h", at, label)).or_default() += 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_arrives_to_the_unit(ops in prop::collection::vec(op(), 1..200)) {
        static TURN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let _alone = alone();
        let logger = format!("turn{}", TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let bridge = Bridge::new().logger(&logger);
        let got = recorded(|| with_local_recorder(&bridge, || ops.iter().for_each(perform)));
        let mut expected = Record::default();
        ops.iter().for_each(|op| model(&mut expected, &logger, op));
        // A counter whose sum is 0 may be told or not.
        let told = |counters: &BTreeMap<String, i64>| -> BTreeMap<String, i64> {
            counters.iter().filter(|(_, sum)| **sum != 0).map(|(name, sum)| (name.clone(), *sum)).collect()
        };
        prop_assert_eq!(told(&got.counters), told(&expected.counters));
        prop_assert_eq!((got.gauges, got.values), (expected.gauges, expected.values));
    }
}

#[test]
fn handles_made_while_nothing_is_installed_count_later() {
    let _alone = alone();
    let bridge = Bridge::new().logger("early");
    let (hits, total) = with_local_recorder(&bridge, || (counter!("hits"), counter!("total")));
    hits.increment(1000);
    total.absolute(7);
    let got = recorded(|| {
        hits.increment(2);
        total.absolute(9);
    });
    assert_eq!(got.counters, BTreeMap::from([("early.hits".into(), 2), ("early.total".into(), 9)]));
}

#[test]
fn many_threads_count_every_call_once() {
    let _alone = alone();
    let bridge = Bridge::new().logger("threads");
    let got = recorded(|| {
        thread::scope(|scope| {
            for thread in 0..8u64 {
                let bridge = &bridge;
                scope.spawn(move || {
                    with_local_recorder(bridge, || {
                        for turn in 0..1000u64 {
                            counter!("calls", "even" => (turn % 2 == 0).to_string()).increment(1);
                            counter!("mirror").absolute(thread * 1000 + turn);
                            histogram!("time").record(0.25);
                        }
                    });
                });
            }
        });
    });
    assert_eq!(got.counters["threads.calls even=true"] + got.counters["threads.calls even=false"], 8000);
    assert_eq!((got.counters["threads.mirror"], got.values["threads.time"]), (7999, 8000));
}

#[test]
fn units_and_descriptions_are_those_of_the_metric() {
    let _alone = alone();
    let bridge = Bridge::new().logger("described");
    with_local_recorder(&bridge, || {
        describe_histogram!("wait", metrics::Unit::Milliseconds, "how long a caller waits");
        histogram!("wait").record(1.5);
    });
    let series = ferrometer_core::get_logger("described").histogram("wait").series();
    assert_eq!((series.unit(), series.description()), (Some("milliseconds"), Some("how long a caller waits")));
}

#[test]
fn the_second_recorder_of_a_program_is_refused() {
    let _alone = alone();
    // The first of this process, whichever it is.
    let _ = Bridge::new().install();
    let error: AlreadyInstalled = Bridge::new().install().unwrap_err();
    assert!(error.to_string().contains("already"));
    // A library that keeps the key has the same handle.
    let key = Key::from_name("kept");
    let metadata = metrics::Metadata::new("lib", metrics::Level::INFO, None);
    metrics::with_recorder(|recorder| recorder.register_counter(&key, &metadata)).increment(1);
}
