//! A name that no format could carry is refused where it stands.
use ferrometer::{Logger, count, counter, gauge, logger, set_gauge, time, timer};

static METRICS: Logger = logger!();

#[timer("")]
fn empty() {}

#[timer("a b")]
fn space() {}

#[counter(METRICS, "a..b")]
fn empty_part() {}

#[gauge(name = "a.b.")]
fn ends_with_a_dot() -> u32 {
    1
}

#[timer(prefix = "Foo::Bar")]
fn prefix() {}

#[timer(prefix = ".")]
fn dot() {}

#[timer("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
fn long() {}

#[timer(b"bytes")]
fn bytes() {}

#[timer(name = NAME)]
fn constant() {}

#[timer(name = 5)]
fn number() {}

fn main() {
    count!(METRICS, "a:1|c\nb");
    set_gauge!(METRICS, "größe", 1);
    time!(METRICS, "", ());
    count!(METRICS, NAME);
    set_gauge!(METRICS, format!("x{}", 1), 1);
    time!(METRICS, 5, ());
}
