//! Every way in which a function ends: return, `?`, panic, `!`; and what counts as which outcome.

use super::*;

#[timer]
#[timer("labelled", outcome)]
#[timer("slow.errors", on = "err")]
#[counter]
#[counter("entered", on = "entry")]
#[counter("ok", on = "ok")]
#[counter("err", on = "err")]
#[counter("panic", on = "panic")]
#[counter("cancelled", on = "cancelled")]
#[counter("ended", outcome)]
#[counter("failed", on = "err", outcome)]
fn work(what: &str) -> Result<u32, std::num::ParseIntError> {
    if what == "return" {
        return Ok(1);
    }
    assert_ne!(what, "panic", "as asked");
    let number: u32 = what.parse()?;
    Ok(number)
}

#[test]
fn every_ending_is_recorded() {
    let seen = capture(|| {
        assert_eq!(work("return"), Ok(1));
        assert_eq!(work("3"), Ok(3));
        assert!(work("x").is_err());
        assert!(panics(|| drop(work("panic"))));
    });
    assert_eq!(seen.timer("work.time"), 4);
    assert_eq!(seen.timer_with("labelled", &[("outcome", "ok")]), 2);
    assert_eq!(seen.timer_with("labelled", &[("outcome", "err")]), 1);
    assert_eq!(seen.timer_with("labelled", &[("outcome", "panic")]), 1);
    assert_eq!(seen.timer_with("slow.errors", &[]), 1);
    assert_eq!(seen.counter("work.count"), 4);
    assert_eq!(seen.counter("entered"), 4);
    assert_eq!(seen.counter("ok"), 2);
    assert_eq!(seen.counter("err"), 1);
    assert_eq!(seen.counter("panic"), 1);
    assert_eq!(seen.counter("cancelled"), 0);
    assert_eq!(seen.counter_with("ended", &[("outcome", "ok")]), 2);
    assert_eq!(seen.counter_with("ended", &[("outcome", "err")]), 1);
    assert_eq!(seen.counter_with("ended", &[("outcome", "panic")]), 1);
    assert_eq!(seen.counter_with("failed", &[("outcome", "err")]), 1);
    assert_eq!(seen.counter("failed"), 1);
}

#[timer("option", outcome)]
fn option(some: bool) -> Option<u32> {
    some.then_some(1)
}

#[test]
fn what_is_no_result_is_ok() {
    let seen = capture(|| {
        option(true);
        option(false);
    });
    assert_eq!(seen.timer_with("option", &[("outcome", "ok")]), 2);
}

#[timer]
fn sleeps() {
    std::thread::sleep(Duration::from_millis(20));
}

#[test]
fn the_time_is_the_body_s() {
    let seen = capture(sleeps);
    assert!(seen.longest("sleeps.time") >= 20.0);
}

#[timer("never", outcome)]
#[counter("never.panics", on = "panic")]
#[counter]
fn never() -> ! {
    panic!("as asked")
}

#[test]
fn functions_that_never_return() {
    let seen = capture(|| {
        assert!(panics(|| never()));
    });
    assert_eq!(seen.timer_with("never", &[("outcome", "panic")]), 1);
    assert_eq!(seen.counter("never.panics"), 1);
    assert_eq!(seen.counter("never.count"), 1);
}

#[gauge("number")]
fn number(kind: u8) -> Result<Option<f64>, &'static str> {
    match kind {
        0 => Ok(Some(1.5)),
        1 => Ok(None),
        2 => Err("no number"),
        _ => panic!("as asked"),
    }
}

fn assert_number(kind: u8) {
    assert_eq!(number(kind).is_err(), kind == 2);
}

#[test]
fn a_gauge_takes_numbers_only() {
    assert_eq!(capture(|| assert_number(0)).gauge("number"), Some(1.5));
    assert!(capture(|| assert_number(1)).is_empty());
    assert!(capture(|| assert_number(2)).is_empty());
    assert!(capture(|| assert!(panics(|| assert_number(3)))).is_empty());
}

#[test]
fn off_records_nothing() {
    off(|| {
        assert_eq!(work("1"), Ok(1));
        assert_eq!(number(0), Ok(Some(1.5)));
    });
    assert!(capture(|| ()).is_empty());
}
