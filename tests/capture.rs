//! Capture scopes: recordings that are refused, more than a scope keeps, and a thread that joins one for good.

use ferrometer::testing::Capture;
use ferrometer::{get_logger, is_on};
use ferrometer_testkit::alone;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_gauge_that_was_given_no_number_was_not_set() {
    let _alone = alone();
    let capture = Capture::start();
    let gauge = get_logger("refused").gauge("g");
    gauge.set(f64::NAN);
    gauge.add(f64::INFINITY);
    assert_eq!(capture.gauge("refused.g"), None);
    gauge.set(2);
    gauge.set(f64::NAN);
    capture.assert_gauge("refused.g", 2.0);
}

#[test]
fn durations_are_counted_beyond_those_that_are_kept() {
    let _alone = alone();
    let capture = Capture::start();
    let timer = get_logger("many").timer("t");
    (0..70_000).for_each(|_| timer.record(Duration::from_millis(1)));
    capture.assert_timer_count("many.t", 70_000);
    assert_eq!(capture.timer("many.t").len(), 65_536);
}

#[test]
fn a_thread_that_joined_a_scope_for_good_leaves_the_switch_off_when_it_ends() {
    let _alone = alone();
    assert!(!is_on());
    let capture = Capture::start();
    let handle = capture.handle();
    thread::spawn(move || {
        handle.enter_thread();
        get_logger("joined").send_counter("c", 1);
    })
    .join()
    .unwrap();
    capture.assert_counter("joined.c", 1);
    drop(capture);
    // A thread is joined a moment before its last destructors have run.
    let until = Instant::now() + Duration::from_secs(10);
    while is_on() {
        assert!(Instant::now() < until);
        thread::yield_now();
    }
}
