//! Attributes and verb macros with a sample rate: misses are counted down where the call stands, and every other case is found behind it.

#[path = "support/recording.rs"]
mod recording;

use ferrometer::testing::Capture;
use ferrometer::{Limits, Logger, count, counter, get_logger, logger, time, timer};
use ferrometer_core::{LoggerRule, Naming};
use recording::{expect_balance, recorded};

static METRICS: Logger = logger!("rated");

#[counter(METRICS, "calls", sample_rate = 0.25)]
#[timer(METRICS, "time", sample_rate = 0.25)]
fn quarter() {}

fn quarter_by_verbs() -> u8 {
    count!(METRICS, "verb.calls", sample_rate = 0.25);
    count!(METRICS, "verb.twos", 2, sample_rate = 0.25);
    time!(METRICS, "verb.time", sample_rate = 0.25, { 7 })
}

#[counter(METRICS, "all.calls", sample_rate = 1)]
#[timer(METRICS, "all.time", sample_rate = 1.0)]
fn all() {}

#[counter(METRICS, "rare.calls", sample_rate = 1e-12)]
#[timer(METRICS, "rare.time", sample_rate = 1e-12)]
fn rare() {}

#[counter(logger, "calls", sample_rate = 0.5)]
#[timer(*logger, "time", sample_rate = 0.5)]
fn half_of(logger: &Logger) {}

#[track_caller]
fn expect(found: u64, calls: u64, rate: f64) {
    let (expected, calls) = (calls as f64 * rate, calls as f64);
    // Seven standard deviations: one false alarm in 400,000 million runs.
    let allowed = 7.0 * (calls * rate * (1.0 - rate)).sqrt();
    assert!((found as f64 - expected).abs() <= allowed, "{found} of {calls} at {rate}");
}

fn rule(enabled: bool, sample_rate: Option<f64>) {
    let rule = LoggerRule::new("rated").enabled(enabled).sample_rate(sample_rate);
    ferrometer_core::configure(Naming::default(), Limits::default(), vec![rule]);
}

#[test]
fn what_is_recorded_is_the_share_that_was_asked_for() {
    const CALLS: u64 = 100_000;
    let calls = |n: u64| (0..n).for_each(|_| quarter());
    let seen = || [recorded("rated", "calls"), recorded("rated", "time")];

    // Off: not even counted down, so that the first call that is on is as probable as any.
    calls(CALLS);
    recording::on();
    assert_eq!(seen(), [0, 0]);

    calls(CALLS);
    let first = seen();
    first.iter().for_each(|n| expect(*n, CALLS, 0.25));

    // A rule's rate is for what has none of its own.
    rule(true, Some(1.0));
    calls(CALLS);
    let second = seen();
    second.iter().zip(first).for_each(|(n, before)| expect(n - before, CALLS, 0.25));

    rule(false, None);
    calls(CALLS);
    assert_eq!(seen(), second);
    rule(true, None);

    // On many threads, each with a countdown of its own that is not drawn yet.
    let threads: Vec<_> = (0..200).map(|_| std::thread::spawn(move || (0..50).for_each(|_| quarter()))).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    seen().iter().zip(second).for_each(|(n, before)| expect(n - before, 200 * 50, 0.25));

    (0..100).for_each(|_| all());
    assert_eq!([recorded("rated", "all.calls"), recorded("rated", "all.time")], [100; 2]);

    assert_eq!((0..CALLS).map(|_| u64::from(quarter_by_verbs())).sum::<u64>(), 7 * CALLS);
    expect(recorded("rated", "verb.calls"), CALLS, 0.25);
    expect(recorded("rated", "verb.twos") / 2, CALLS, 0.25);
    expect(recorded("rated", "verb.time"), CALLS, 0.25);

    // One call site with two loggers in turn: it remembers one of them.
    let loggers = [get_logger("rated.a"), get_logger("rated.b")];
    (0..CALLS).for_each(|n| half_of(&loggers[n as usize % 2]));
    for logger in ["rated.a", "rated.b"] {
        expect(recorded(logger, "calls"), CALLS / 2, 0.5);
        expect(recorded(logger, "time"), CALLS / 2, 0.5);
    }

    // In a capture scope each call is taken, however far the next hit was when it began; after it none is, as before.
    let rare_calls = || (0..20).for_each(|_| rare());
    rare_calls();
    for _ in 0..2 {
        let capture = Capture::start();
        rare_calls();
        capture.assert_counter("rated.rare.calls", 20);
        capture.assert_timer_count("rated.rare.time", 20);
        drop(capture);
        rare_calls();
    }
    assert_eq!([recorded("rated", "rare.calls"), recorded("rated", "rare.time")], [0, 0]);

    expect_balance();
}
