//! What a capture scope says of recordings that are unusual: none that was refused, and more than it keeps.

use ferrometer_core::get_logger;
use ferrometer_core::testing::Capture;
use std::time::Duration;

#[test]
fn a_gauge_that_was_given_no_number_was_not_set() {
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
    let capture = Capture::start();
    let timer = get_logger("many").timer("t");
    (0..70_000).for_each(|_| timer.record(Duration::from_millis(1)));
    capture.assert_timer_count("many.t", 70_000);
    assert_eq!(capture.timer("many.t").len(), 65_536);
}
