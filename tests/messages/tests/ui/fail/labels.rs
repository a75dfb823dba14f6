//! Labels that are none, and what is written instead of one.

use ferrometer::{Logger, count, counter, gauge, logger, time, timer};

static METRICS: Logger = logger!();

#[counter("x", "op" => "read", "op" => "write")]
fn twice() {}

#[counter("x", "a b" => "read")]
fn bad_key() {}

#[counter("x", KEY => "read")]
fn no_literal() {}

#[counter("x", "op" = "read")]
fn one_sign() {}

#[counter("x", "op" =>)]
fn no_value() {}

#[timer(outcome, "outcome" => "fine")]
fn taken() {}

#[timer("x", 0.1)]
fn unnamed_rate() {}

#[gauge("x", 0.1)]
fn gauge_rate() -> u32 {
    1
}

#[timer("x", "share" => 0.5)]
fn float() {}

struct Type;

fn main() {
    count!(METRICS, "x", "key" => 1.5);
    count!(METRICS, "x", "key" => Type);
    time!(METRICS, "x", 0.1, { 3 });
    let _ = METRICS.with("key", 1.5);
    let _ = METRICS.with("key", String::from("owned"));
    METRICS.gauge("x").increment(1);
}

static CALLED: Logger = ferrometer::get_logger("x");
