//! Capture scopes: recordings that are refused, more than a scope keeps, and a thread that joins one for good.

use ferrometer::testing::Capture;
use ferrometer::{get_logger, is_on};
use ferrometer_testkit::{alone, wait_until};
use std::thread;
use std::time::Duration;

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
    wait_until("recording to be off", || !is_on());
}

/// Returns the message of an assertion that fails.
fn message(assertion: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(assertion)).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[test]
fn a_failed_assertion_says_what_was_probably_meant() {
    let _alone = alone();
    let capture = Capture::start();
    let shop = get_logger("shop");
    shop.send_counter("sold", 2);
    shop.with("city", "Oslo").send_gauge("open", 1);
    shop.send_timer("wait", Duration::from_millis(1));
    for (found, meant) in [
        (message(|| capture.assert_counter("shop.slod", 2)), " Did you mean \"shop.sold\"?"),
        (message(|| capture.assert_counter("shop.wait", 1)), " shop.wait is of kind timer."),
        (message(|| capture.assert_gauge("shop.open city=Bergen", 1.0)), " Did you mean \"shop.open city=Oslo\"?"),
        (message(|| capture.assert_gauge("shop.open", 1.0)), " Did you mean \"shop.open city=Oslo\"?"),
        (message(|| capture.assert_counter("shop.sold", 3)), "counter shop.sold: expected 3, found 2. Recorded:"),
        (message(|| capture.assert_counter("elsewhere.altogether", 1)), "expected 1, found 0. Recorded:"),
        (message(|| capture.assert_counter_over_labels("shop.solid", 1)), " Did you mean \"shop.sold\"?"),
    ] {
        assert!(found.contains(meant), "{found}\n{meant}");
    }
}

#[test]
fn sums_over_labels_take_the_series_that_have_those_asked_for() {
    let _alone = alone();
    let capture = Capture::start();
    for (method, status, count) in [("GET", "2xx", 1), ("GET", "5xx", 2), ("PUT", "2xx", 4)] {
        let labelled = get_logger("http").with_all(&[("method", method), ("status", status)]);
        labelled.send_counter("requests", count);
        labelled.sampled(0.5).send_counter("requests", count);
        (0..count).for_each(|_| labelled.send_timer("time", Duration::from_millis(1)));
    }
    get_logger("http").child("requests").send_counter("other", 100);
    for (name, sum) in [
        ("http.requests", 14),
        ("http.requests method=GET", 6),
        ("http.requests status=2xx", 10),
        ("http.requests status=2xx method=PUT", 8),
        ("http.requests status=3xx", 0),
        ("http.requests 2xx", 0),
        ("http", 0),
    ] {
        capture.assert_counter_over_labels(name, sum);
    }
    assert_eq!(capture.timer_over_labels("http.time method=GET").len(), 3);
    assert_eq!(capture.names().len(), 7);
}
