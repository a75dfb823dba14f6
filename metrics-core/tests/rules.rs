//! A rule that comes and goes while calls are made by a thread that has no cells of its own: each call goes the long way, and is recorded by the
//! rate that it was decided by.

mod support;

use ferrometer_core::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use support::{NEVER, SOON, sink};

#[test]
fn what_was_not_sampled_is_no_hit_of_a_rule_that_comes_meanwhile() {
    let limits = Limits { max_threads: 0, ..Limits::default() };
    let rules = |sample_rate| vec![LoggerRule { prefix: "rules.come".into(), enabled: true, sample_rate }];
    configure(Naming::default(), limits, rules(None));
    install("a", sink(), NEVER).unwrap();
    let logger = get_logger("rules.come");
    let (counter, timer, histogram) = (logger.counter("c"), logger.timer("t"), logger.histogram("h"));
    let stop = AtomicBool::new(false);
    let mut rounds = 0;
    let calls = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut calls = 0u64;
            while !stop.load(Relaxed) {
                counter.increment();
                counter.add(2);
                timer.record(Duration::from_nanos(100));
                histogram.record(1.5);
                calls += 4;
            }
            calls
        });
        // A rate at which there is never a hit.
        while rounds < 100_000 {
            configure(Naming::default(), limits, rules([None, Some(f64::MIN_POSITIVE)][rounds % 2]));
            rounds += 1;
        }
        stop.store(true, Relaxed);
        worker.join().unwrap()
    });
    let snapshot = snapshot();
    let of = |rate: f64| {
        let is_it = |t: &Total<'_>| t.series.logger_name() == "rules.come" && t.series.rate() == rate;
        snapshot.totals().iter().filter(is_it).map(|t| t.recordings).sum::<u64>()
    };
    assert!((1..calls).contains(&of(1.0)), "{} of {calls}", of(1.0));
    assert_eq!(of(f64::MIN_POSITIVE), 0, "of {calls}");
    assert!(remove("a", SOON).unwrap().balances());
}
