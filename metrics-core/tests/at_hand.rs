//! Short ways and long ways of a recording lead to the same totals: cells at hand and others, threads that follow each other and end, values of
//! every size, more rates than are counted down.

mod support;

use ferrometer_core::*;
use std::cell::RefCell;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use support::{Alone, NEVER, SOON, alone, sink};

fn begin() -> Alone {
    let alone = alone();
    install("sink", sink(), NEVER).unwrap();
    // The first of all, so that it is one of those at hand.
    get_logger("first").timer("t");
    alone
}

fn distribution(series: &'static Series) -> std::sync::Arc<Distribution> {
    match snapshot().totals().get(series.id()).unwrap().value {
        Value::Distribution(d) => std::sync::Arc::clone(d),
        other => panic!("{other:?}"),
    }
}

#[test]
fn timers_at_hand_and_others_count_on_threads_that_follow_each_other() {
    let _alone = begin();
    let logger = get_logger("at.hand");
    // More than are at hand.
    let timers: Vec<Timer> = (0..300).map(|i| logger.timer(format!("t{i}"))).collect();
    let record = |times: usize| {
        for (i, timer) in timers.iter().enumerate() {
            for _ in 0..times {
                timer.record(Duration::from_nanos(100 + i as u64));
            }
        }
    };
    record(3);
    for _ in 0..3 {
        // Each takes over what the one before left.
        thread::scope(|scope| scope.spawn(|| record(5)).join().unwrap());
    }
    record(2);
    for (i, timer) in timers.iter().enumerate() {
        let found = distribution(timer.series());
        assert_eq!((found.count(), found.sum(), found.max()), (20, 20.0 * (100 + i) as f64, (100 + i) as f64), "{i}");
    }
    assert!(remove("sink", SOON).unwrap().balances());
}

const MANY: u64 = 300_000;

/// Says that its thread ends, and then records, together with another.
struct AtTheEnd(Timer, Sender<()>, Arc<Barrier>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        self.1.send(()).unwrap();
        self.2.wait();
        (0..MANY).for_each(|_| self.0.record(Duration::from_nanos(1000)));
    }
}

thread_local! {
    static BEFORE: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
    static AFTER: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

#[test]
fn a_thread_that_ends_writes_no_cells_that_it_has_given_back() {
    let _alone = begin();
    let timer = get_logger("first").timer("t");
    // Destructors run in the order of their making or in the other: one of the two runs when the cells have been given back.
    // Several times: that both write at the same moment is chance.
    for place in [&BEFORE, &AFTER].repeat(4) {
        let (ends, ended) = channel();
        let barrier = Arc::new(Barrier::new(2));
        let together = Arc::clone(&barrier);
        let early = std::ptr::eq(place, &BEFORE);
        let one = thread::spawn(move || {
            if early {
                place.set(Some(AtTheEnd(timer, ends.clone(), Arc::clone(&together))));
            }
            // Often enough to have it at hand.
            (0..10).for_each(|_| timer.record(Duration::from_nanos(1000)));
            if !early {
                place.set(Some(AtTheEnd(timer, ends, together)));
            }
        });
        ended.recv().unwrap();
        // Takes what was given back, while the other still records.
        let other = thread::spawn(move || {
            timer.record(Duration::from_nanos(1000));
            barrier.wait();
            (1..MANY).for_each(|_| timer.record(Duration::from_nanos(1000)));
        });
        one.join().unwrap();
        other.join().unwrap();
    }
    let (found, all) = (distribution(timer.series()), 8 * (2 * MANY + 10));
    assert_eq!((found.count(), found.sum()), (all, (all * 1000) as f64));
    assert!(remove("sink", SOON).unwrap().balances());
}

#[test]
fn values_of_every_size_are_recorded_once() {
    let _alone = begin();
    let logger = get_logger("sizes");
    let (timer, histogram) = (logger.timer("t"), logger.histogram("h"));
    let durations = [0, 1, 7, 8, 9, 999_999_999, 1_000_000_000, 1_000_000_001, 70_368_744_177_663, 70_368_744_177_664];
    // Twice: the first is on the way that makes the cell.
    for _ in 0..2 {
        durations.iter().for_each(|nanos| timer.record(Duration::from_nanos(*nanos)));
    }
    let found = distribution(timer.series());
    let sum: u64 = durations.iter().sum();
    assert_eq!((found.count(), found.sum(), found.max()), (20, 2.0 * sum as f64, durations[9] as f64));
    for nanos in durations {
        let index = Scheme::Nanos.index(nanos as f64);
        assert!(found.buckets().any(|(at, _)| at == index), "{nanos}");
    }
    let values = [0.0, -0.0, 1.0, -1.0, 1.5, 1e-9, -1e-9, 2f64.powi(-20), 2f64.powi(43), 2f64.powi(44), -3e15, 0.25];
    for _ in 0..2 {
        values.iter().for_each(|value| histogram.record(*value));
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].iter().for_each(|value| histogram.record(*value));
    }
    let found = distribution(histogram.series());
    let sum: f64 = values.iter().sum();
    assert_eq!((found.count(), found.max()), (24, 2f64.powi(44)));
    assert!((found.sum() - 2.0 * sum).abs() <= 1e-3, "{} {}", found.sum(), 2.0 * sum);
    assert_eq!(snapshot().totals().get(histogram.series().id()).unwrap().invalid, 6);
    let ledger = remove("sink", SOON).unwrap();
    assert!(ledger.balances());
}

#[test]
fn more_rates_than_are_counted_down_are_sampled_too() {
    let _alone = begin();
    let logger = get_logger("rates");
    const CALLS: u64 = 20_000;
    for number in 1..=40 {
        let rate = f64::from(number) / 50.0;
        let (counter, timer) = (logger.counter("c").sampled(rate), logger.timer("t").sampled(rate));
        for _ in 0..CALLS {
            counter.increment();
            timer.record(Duration::from_nanos(100));
        }
        let deviation = (CALLS as f64 * rate * (1.0 - rate)).sqrt();
        let counted = match snapshot().totals().get(counter.series().id()).unwrap().value {
            Value::Counter { increments, .. } => increments,
            ref other => panic!("{other:?}"),
        };
        for found in [counted, distribution(timer.series()).count()] {
            // Six standard deviations: one false alarm in 500 million.
            assert!((found as f64 - CALLS as f64 * rate).abs() <= 6.0 * deviation, "{rate}: {found} of {CALLS}");
        }
    }
    assert!(remove("sink", SOON).unwrap().balances());
}
