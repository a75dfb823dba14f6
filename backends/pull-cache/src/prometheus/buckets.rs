//! The buckets of a Prometheus histogram, from the finer ones of the core.
//!
//! A core bucket is counted at the first bound `le` that is not below its upper bound. So no value is ever counted at a bound below
//! it; a value up to 12.5 % below a bound that does not fall on the edge of a core bucket may be counted at the next. A value
//! equal to a bound is counted at the next, because core buckets exclude their upper bound.

use ferrometer_core::{Distribution, Scheme};

/// The bounds of timers, in nanoseconds: 100 µs to 10 s.
const TIMER_BOUNDS: [f64; 16] =
    [1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9, 2.5e9, 5e9, 1e10];

/// The bounds for distributions that are shown together, ascending, without +Inf, in what they were recorded in.
pub(super) fn bounds<'d>(kind: Scheme, distributions: impl Iterator<Item = &'d Distribution>) -> Vec<f64> {
    if kind == Scheme::Nanos {
        return TIMER_BOUNDS.to_vec();
    }
    // Powers of two, which are edges of core buckets, over the range that occurs.
    let (mut negative, mut positive) = (None, None);
    let widen = |range: &mut Option<(i32, i32)>, low: i32, high: i32| {
        *range = Some(range.map_or((low, high), |(l, h)| (l.min(low), h.max(high))));
    };
    for (index, _) in distributions.flat_map(Distribution::buckets) {
        let (low, high) = kind.bounds(index);
        if low >= 0.0 {
            widen(&mut positive, exponent(low), exponent(low) + 1);
        } else if high <= 0.0 {
            widen(&mut negative, exponent(-high), exponent(-high));
        }
    }
    let mut out = Vec::new();
    if let Some((low, high)) = negative {
        out.extend((low..=high).rev().map(|e| -2f64.powi(e)));
    }
    if let Some((low, high)) = positive {
        out.extend((low..=high).map(|e| 2f64.powi(e)));
    }
    out
}

/// The power of two at or below a positive number.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// How many values are counted at each bound, cumulative.
pub(super) fn cumulative(distribution: &Distribution, bounds: &[f64]) -> Vec<u64> {
    let scheme = distribution.scheme();
    // The last bucket takes what lies beyond it too.
    let upper = |index| if index + 1 == scheme.len() { f64::INFINITY } else { scheme.bounds(index).1 };
    let mut buckets = distribution.buckets().peekable();
    let mut seen = 0;
    let count = |bound: &f64| {
        while let Some((_, count)) = buckets.next_if(|(index, _)| upper(*index) <= *bound) {
            seen += count;
        }
        seen
    };
    bounds.iter().map(count).collect()
}

/// Whether there are values below zero.
pub(super) fn has_negative(distribution: &Distribution) -> bool {
    let scheme = distribution.scheme();
    distribution.sum() < 0.0 || distribution.buckets().next().is_some_and(|(index, _)| scheme.bounds(index).1 <= 0.0)
}
