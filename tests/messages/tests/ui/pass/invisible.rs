//! Code that compiles without an attribute compiles with it: expressions as loggers, traits of the program's own for every type, bounds of futures
//! that every type meets, names of the program's own where the macros expand.
#![deny(warnings)]
#![allow(dead_code)]

use ferrometer::{Logger, count, counter, gauge, logger, set_gauge, time, timer};
use std::future::{Future, ready};
use std::panic::Location;

static METRICS: Logger = logger!();
static OTHER: Logger = logger!("other");

struct Worker {
    metrics: Logger,
    kind: u32,
}

impl Worker {
    #[timer(match self.kind { 0 => &self.metrics, _ => &METRICS })]
    fn run(&self) {}

    #[gauge({ &self.metrics })]
    async fn depth(&self) -> u32 {
        3
    }

    #[timer((if self.kind == 0 { &self.metrics } else { &OTHER }), outcome)]
    fn later(&self) -> impl Future<Output = u32> + use<> {
        ready(3)
    }

    #[counter(unsafe { &*std::ptr::from_ref(&self.metrics) })]
    fn unsafely(&self) {}
}

#[timer(if large { &METRICS } else { &OTHER }, outcome)]
fn work(large: bool) {
    let _ = large;
}

macro_rules! chosen {
    ($large:expr) => {
        match $large {
            true => &METRICS,
            false => &OTHER,
        }
    };
}

fn verbs(large: bool) -> u32 {
    count!(if large { &METRICS } else { &OTHER }, "x");
    count!(chosen!(large), "x", "size" => if large { "large" } else { "small" });
    set_gauge!({ &METRICS }, "y", 3);
    time!(match large { true => &METRICS, false => &OTHER }, "z", { 3 })
}

trait Everything {
    fn outcome(&self) -> &'static str {
        "any"
    }
    fn label_number(&self) -> u32 {
        0
    }
    fn start(&self) {}
    fn count(&self) {}
    fn finish(&self) {}
    fn leave(&self) {}
    fn increment(self) -> u32
    where
        Self: Sized,
    {
        0
    }
}
impl<T: ?Sized> Everything for T {}

#[timer(outcome)]
fn one() -> u32 {
    1
}

#[timer(outcome)]
#[counter("two.errors", on = "err")]
fn two(text: &str) -> Result<u32, std::num::ParseIntError> {
    count!(METRICS, "labelled", "k" => text);
    let number: u32 = text.parse()?;
    if number > 3 {
        return Ok(3);
    }
    Ok(number)
}

#[counter(on = "err")]
async fn three(text: &str) -> Result<u32, std::num::ParseIntError> {
    Ok(text.parse::<u32>()? + ready(1).await)
}

/// A trait that every type has, for the sake of its lifetime.
trait Captures<'a> {}
impl<T: ?Sized> Captures<'_> for T {}

#[timer(outcome)]
fn captures<'a>(text: &'a str) -> impl Future<Output = usize> + Captures<'a> {
    ready(text.len())
}

mod own_names {
    #![allow(non_camel_case_types)]
    use ferrometer::{Logger, count, logger, timer};
    struct str;
    struct usize;
    struct Option;
    static METRICS: Logger = logger!();

    #[timer(outcome)]
    fn result() -> Result<u32, u32> {
        Err(3u32)?;
        Ok(3)
    }

    fn verb(text: &std::primitive::str) {
        count!(METRICS, "x", "key" => text);
    }
}

#[timer(outcome)]
#[track_caller]
fn caller() -> Result<u32, u32> {
    Ok(Location::caller().line())
}

fn main() {
    work(true);
    let worker = Worker { metrics: METRICS.clone(), kind: 0 };
    worker.run();
    drop((worker.depth(), worker.later(), captures("x"), three("3")));
    assert_eq!((verbs(true), one(), two("3"), 4.outcome(), "x".label_number()), (3, 1, Ok(3), "any", 0));
    // The caller's place.
    let (found, line) = (caller(), line!());
    assert_eq!(found, Ok(line));
}
