//! Several attributes on one function.

use super::*;

// In the order of the source, or qualified, or renamed: the same.
#[ferrometer::timer("a")]
#[::ferrometer::counter("b", on = "ok")]
#[doc = "kept"]
#[gauge("c")]
#[timer("d")]
#[inline]
fn stacked() -> u32 {
    1
}

use ferrometer::{counter as tally, gauge as level, timer as clock};

#[clock("e", outcome)]
#[tally("f", outcome)]
#[level("g")]
fn renamed() -> u32 {
    2
}

mod reexported {
    pub use ferrometer as metrics;
}

#[reexported::metrics::timer("h", crate = reexported::metrics)]
#[reexported::metrics::counter("i", outcome, crate = reexported::metrics)]
fn through_a_path() {}

#[test]
fn several_on_one_function() {
    let seen = capture(|| {
        stacked();
        renamed();
        through_a_path();
    });
    for timer in ["a", "d", "e", "h"] {
        assert_eq!(seen.timer(timer), 1, "{timer}");
    }
    for counter in ["b", "f", "i"] {
        assert_eq!(seen.counter(counter), 1, "{counter}");
    }
    assert_eq!(seen.gauge("c"), Some(1.0));
    assert_eq!(seen.gauge("g"), Some(2.0));
}
