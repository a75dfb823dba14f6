//! Rules that come and go while calls are made: each is recorded by the rate that it was decided by.

mod support;

use ferrometer_core::__private::{LabelledSite, TimerSite};
use ferrometer_core::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use support::{NEVER, SOON, alone, sink};

/// By a thread that has no cells of its own, so that each call goes the long way.
#[test]
fn what_was_not_sampled_is_no_hit_of_a_rule_that_comes_meanwhile() {
    let _alone = alone();
    let limits = Limits::default().max_threads(0);
    let rules = |sample_rate| vec![LoggerRule::new("rules.come").sample_rate(sample_rate)];
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

#[test]
fn a_guard_is_recorded_by_the_rate_that_it_was_begun_by() {
    static SITE: LabelledSite<1> = LabelledSite::new("labelled", &["k"], Kind::Timer, 0.0);
    static BLOCK: TimerSite = TimerSite::new("block", 0.0);
    let rules = |sample_rate| {
        let rule = LoggerRule::new("rules.guards").sample_rate(sample_rate);
        configure(Naming::default(), Limits::default(), vec![rule]);
    };
    let _alone = alone();
    install("a", sink(), NEVER).unwrap();
    let logger = get_logger("rules.guards");
    // Rates at which nearly all are hits, so that each has its share.
    let rates = [None, Some(0.75), Some(0.875), None];
    let mut guards: Vec<[TimerGuard; 3]> = Vec::new();
    for rate in rates {
        rules(rate);
        guards.extend(
            (0..1000).map(|_| {
                [logger.timer("handle").start(), BLOCK.start_block(&logger), SITE.start(&logger, (), || ["v"])]
            }),
        );
        // Some end while their rule holds.
        guards.truncate(guards.len() - 200);
    }
    rules(Some(f64::MIN_POSITIVE));
    drop(guards);
    let snapshot = snapshot();
    for name in ["handle", "block", "labelled"] {
        let of = |rate: f64| {
            let is_it = |t: &Total<'_>| {
                let s = t.series;
                s.logger_name() == "rules.guards" && s.metric_name() == name && s.rate() == rate
            };
            snapshot.totals().iter().filter(is_it).map(|t| t.recordings).sum::<u64>()
        };
        assert_eq!((of(1.0), of(f64::MIN_POSITIVE)), (2000, 0), "{name}");
        for rate in [0.75f64, 0.875] {
            let deviation = (1000.0 * rate * (1.0 - rate)).sqrt();
            assert!((of(rate) as f64 - 1000.0 * rate).abs() <= 7.0 * deviation, "{name} {rate}: {}", of(rate));
        }
    }
    assert!(remove("a", SOON).unwrap().balances());
}
