//! Sampling: which calls of a sampled series are recorded.
//!
//! Each thread counts down to its next hit. The gaps are geometrically distributed, so every call is recorded with
//! exactly the given probability, independently of the others, without a random number per call.

use crate::sync::{AtomicU64, Ordering::*};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Whether `rate` is a sample rate: in (0, 1].
///
/// ```
/// assert!(ferrometer_core::is_sample_rate(0.25) && ferrometer_core::is_sample_rate(1.0));
/// assert!(![0.0, -1.0, 1.5, f64::NAN].into_iter().any(ferrometer_core::is_sample_rate));
/// ```
#[must_use]
pub const fn is_sample_rate(rate: f64) -> bool {
    rate > 0.0 && rate <= 1.0
}

thread_local! {
    /// Without a destructor, so that it can be used while a thread ends. 0: not seeded yet.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A random number: xorshift64*, seeded for each thread by the standard library's random keys.
fn random() -> u64 {
    STATE.with(|state| {
        let mut x = state.get();
        if x == 0 {
            x = RandomState::new().hash_one(0u8) | 1;
        }
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set(x);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    })
}

/// True once in `n` times, at random.
pub(crate) fn one_in(n: u64) -> bool {
    random().is_multiple_of(n)
}

/// A number in (0, 1].
fn unit() -> f64 {
    ((random() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// How many calls up to and with the next hit: at least 1, geometrically distributed.
fn draw(rate: f64) -> u64 {
    if rate >= 1.0 {
        return 1;
    }
    // ln_1p keeps the tiniest rates apart from 0; the cast saturates.
    ((unit().ln() / (-rate).ln_1p()) as u64).saturating_add(1)
}

/// Whether this call is a hit, by the thread's countdown.
#[inline]
pub(crate) fn is_hit(gap: &AtomicU64, rate: impl FnOnce() -> f64) -> bool {
    !is_miss(gap) && redraw(gap, gap.load(Relaxed), rate())
}

/// Whether this call is no hit, by the countdown alone; else nothing is known, and nothing changed.
#[inline(always)]
pub(crate) fn is_miss(gap: &AtomicU64) -> bool {
    let left = gap.load(Relaxed);
    if left > 1 {
        gap.store(left - 1, Relaxed);
    }
    left > 1
}

#[cold]
fn redraw(gap: &AtomicU64, left: u64, rate: f64) -> bool {
    let hit = left == 1 || {
        let first = draw(rate);
        if first > 1 {
            gap.store(first - 1, Relaxed);
            return false;
        }
        true
    };
    gap.store(draw(rate), Relaxed);
    hit
}

/// Whether this call is a hit, by a throw of its own: for cells that several threads write.
pub(crate) fn throw(rate: f64) -> bool {
    unit() <= rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_come_with_the_given_probability() {
        for rate in [0.01, 0.25, 0.5, 0.9, 1.0] {
            let calls = 400_000;
            let gap = AtomicU64::new(0);
            let by_gap = (0..calls).filter(|_| is_hit(&gap, || rate)).count() as f64;
            let by_throw = (0..calls).filter(|_| throw(rate)).count() as f64;
            let deviation = (f64::from(calls) * rate * (1.0 - rate)).sqrt();
            for hits in [by_gap, by_throw] {
                // Six standard deviations: one false alarm in 500 million runs.
                assert!((hits - f64::from(calls) * rate).abs() <= 6.0 * deviation, "{rate}: {hits}");
            }
        }
    }

    #[test]
    fn the_smallest_rate_neither_panics_nor_hits_at_once() {
        let gap = AtomicU64::new(0);
        assert!(!is_hit(&gap, || f64::MIN_POSITIVE));
        assert!(gap.load(Relaxed) > 1 << 50);
    }
}
