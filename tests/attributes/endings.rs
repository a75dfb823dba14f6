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

/// Leaves in ways that only look like the function's own, and in each of its own.
#[timer("leaves", outcome)]
fn leaves(how: u32) -> Result<u32, String> {
    macro_rules! hidden {
        ($value:expr) => {
            return $value
        };
    }
    fn inner() -> Option<u32> {
        None?;
        Some(1)
    }
    assert_eq!(inner(), None);
    let parse = |text: &str| {
        let number: u32 = text.parse::<u32>().map_err(|error| error.to_string())?;
        Ok::<u32, String>(number)
    };
    assert!(parse("x").is_err());
    match how {
        0 => hidden!(Err("hidden".to_owned())),
        1 => hidden!(Ok(1)),
        _ => parse("2"),
    }
}

/// A function like the one above, without exits that have to be captured.
#[allow(clippy::needless_return, clippy::never_loop, clippy::while_immutable_condition)] // the exits are what is tested
#[timer("leaves.in.place", outcome)]
fn leaves_in_place(how: &[&str]) -> Result<u32, String> {
    fn inner() -> Option<u32> {
        None?;
        return Some(1);
    }
    let mut sum = inner().unwrap_or_default();
    'words: for word in how {
        if *word == "next" {
            continue 'words;
        }
        while *word == "return" {
            return Ok(sum);
        }
        let Some(first) = word.chars().next() else { return Err("empty".to_owned()) };
        if first == '-' {
            break;
        }
        sum += word.parse::<u32>().map_err(|error| format!("{error}"))?;
    }
    Ok(sum)
}

#[timer("none", outcome)]
fn none(text: &str) -> Option<u32> {
    let first = text.chars().next()?;
    first.to_digit(10)
}

#[timer("flow", outcome)]
fn flow(n: u32) -> std::ops::ControlFlow<u32, u32> {
    use std::ops::ControlFlow::{Break, Continue};
    let n = (if n > 3 { Break(n) } else { Continue(n) })?;
    Continue(n + 1)
}

#[timer("polled", outcome)]
fn polled(result: Result<u32, u32>) -> std::task::Poll<Result<u32, u32>> {
    let value = result?;
    std::task::Poll::Ready(Ok(value))
}

/// Records once more as it goes, after the `?` has been looked at.
struct Slow;

impl Drop for Slow {
    fn drop(&mut self) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[timer("slow", outcome)]
fn slow() -> Result<(), std::num::ParseIntError> {
    let _slow = Slow;
    let _: u32 = "x".parse()?;
    Ok(())
}

#[test]
fn each_exit_is_the_function_s_own() {
    let seen = capture(|| {
        assert_eq!([leaves(0).is_err(), leaves(1).is_err(), leaves(2).is_err()], [true, false, false]);
        assert_eq!(leaves_in_place(&["1", "next", "2"]), Ok(3));
        assert_eq!(leaves_in_place(&["1", "return", "x"]), Ok(1));
        assert_eq!(leaves_in_place(&["5", "-", "x"]), Ok(5));
        assert!(leaves_in_place(&["1", "x"]).is_err());
        assert!(leaves_in_place(&[""]).is_err());
        assert_eq!((none(""), none("3")), (None, Some(3)));
        assert!(flow(1).is_continue() && flow(5).is_break());
        assert!(polled(Err(1)).is_ready() && polled(Ok(1)).is_ready());
        assert!(slow().is_err());
    });
    let outcomes =
        |name| ["ok", "err", "panic", "cancelled"].map(|outcome| seen.timer_with(name, &[("outcome", outcome)]));
    assert_eq!(outcomes("leaves"), [2, 1, 0, 0]);
    assert_eq!(outcomes("leaves.in.place"), [3, 2, 0, 0]);
    assert_eq!(outcomes("none"), [2, 0, 0, 0]);
    assert_eq!(outcomes("flow"), [2, 0, 0, 0]);
    assert_eq!(outcomes("polled"), [2, 0, 0, 0]);
    assert_eq!(outcomes("slow"), [0, 1, 0, 0]);
    // The time that the locals take as they go belongs to the call.
    assert!(seen.longest("slow") >= 20.0);
}
