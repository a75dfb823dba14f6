//! A sample rate is a number literal in (0, 1].
use ferrometer::{Logger, count, counter, logger, time, timer};

static METRICS: Logger = logger!();
const RATE: f64 = 0.1;

#[timer(sample_rate = -0.1)]
fn negative() {}

#[timer(sample_rate = 0)]
fn zero() {}

#[timer(sample_rate = 1.5)]
fn above_one() {}

#[counter(sample_rate = "0.1")]
fn string() {}

#[counter(sample_rate = "often")]
fn word() {}

#[counter(sample_rate = 1e-400)]
fn rounds_to_zero() {}

#[counter(sample_rate = RATE)]
fn constant() {}

#[counter(sample_rate = 1u8)]
fn suffix() {}

#[counter(sample_rate = true)]
fn boolean() {}

#[counter(sample_rate)]
fn no_value() {}

#[counter(sample_rate = )]
fn nothing() {}

fn main() {
    count!(METRICS, "a", sample_rate = 2);
    count!(METRICS, "a", sample_rate = -1);
    time!(METRICS, "a", sample_rate = RATE, ());
    time!(METRICS, "a", sample_rate = "0.1", ());
}
