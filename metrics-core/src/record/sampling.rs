//! Sampling: which calls of a sampled series are recorded.
//!
//! Each thread counts down to its next hit, for each rate. The gaps are geometrically distributed, so every call is recorded with
//! exactly the given probability, independently of the others, without a random number per call. That holds whichever series of the
//! rate the calls are of, so one countdown serves them all, and a miss needs nothing but it.
//!
//! The first counters that are sampled have a countdown each. It knows how many calls it let pass, so their total is exact: the misses before a hit are
//! [taken](take_skipped) with the hit, and those since the last hit when the thread ends, or collects.

use crate::registry::hash;
use crate::sync::AtomicU64;
use crate::sync::Ordering::*;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Returns whether `rate` is a sample rate: in (0, 1].
pub(crate) const fn is_sample_rate(rate: f64) -> bool {
    rate > 0.0 && rate <= 1.0
}

thread_local! {
    /// Without a destructor, so that it can be used while a thread ends. 0: not seeded yet.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A random number: xorshift64*, seeded for each thread by the standard library's random keys. Children of one process have the same keys, so
/// the process is a part of it.
fn random() -> u64 {
    STATE.with(|state| {
        let mut x = state.get();
        if x == 0 {
            x = hash::mix(RandomState::new().hash_one(0u8), u64::from(std::process::id())) | 1;
        }
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set(x);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    })
}

/// A number in (0, 1].
fn unit() -> f64 {
    ((random() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// How many misses up to the next hit: geometrically distributed. `mean` as [`mean`] says of the rate.
fn draw(mean: f64) -> i64 {
    // The cast saturates.
    (unit().ln() * mean) as i64
}

/// How far apart hits are, as a factor of the logarithm of a number in (0, 1]: negative, and 0 for a rate of 1.
fn mean(rate: f64) -> f64 {
    // `ln_1p` keeps the tiniest rates apart from 0; the least number keeps the factor finite.
    1.0 / (-rate).ln_1p().min(-f64::MIN_POSITIVE)
}

/// Maximum number of distinct rates with a shared countdown. Calls at any further rate draw a random number each.
const RATES: usize = 32;
/// Maximum number of counters with a countdown of their own.
const OWN: usize = 96;
const NUMBERS: usize = RATES + OWN;

/// The bits of the rates that were met, each at its number; 0: none yet. The place of number 0 stays free.
static MET: [AtomicU64; NUMBERS] = [const { AtomicU64::new(0) }; NUMBERS];
/// The bits of what [`mean`] says of them, each at its number; 0: not computed yet.
static MEANS: [AtomicU64; NUMBERS] = [const { AtomicU64::new(0) }; NUMBERS];
/// The slots of the counters with a countdown of their own, each plus 1; 0: none yet.
static OWNERS: [AtomicU64; OWN] = [const { AtomicU64::new(0) }; OWN];

/// The value of a countdown that was not drawn yet; lower ones mean that too. Not -1, to which a hit counts down.
const UNDRAWN: i64 = -2;

thread_local! {
    /// Misses up to the next hit, for each rate. Without a destructor, like the state above.
    static GAPS: [Cell<i64>; NUMBERS] = const { [const { Cell::new(UNDRAWN) }; NUMBERS] };
    /// Misses that were drawn for counters with a countdown of their own, and not taken yet; those of the gap that is being counted down are among them.
    static DRAWN: [Cell<i64>; OWN] = const { [const { Cell::new(0) }; OWN] };
}

/// The number of a rate, below [`RATES`]; 0: there are too many others.
pub(crate) fn number(rate: f64) -> u8 {
    let bits = rate.to_bits();
    let is_its = |met: &AtomicU64| match met.load(Relaxed) {
        0 => met.compare_exchange(0, bits, Relaxed, Relaxed).map_or_else(|found| found == bits, |_| true),
        found => found == bits,
    };
    MET[..RATES].iter().skip(1).position(is_its).map_or(0, |at| at as u8 + 1)
}

/// The number of a counter's own countdown at this rate; that of the rate when too many others have one. Called under the registry's lock.
pub(crate) fn own_number(slot: u32, rate: f64) -> u8 {
    let (owner, bits) = (u64::from(slot) + 1, rate.to_bits());
    for (at, place) in OWNERS.iter().enumerate() {
        let met = &MET[RATES + at];
        match place.load(Relaxed) {
            0 => {
                met.store(bits, Relaxed);
                place.store(owner, Relaxed);
            }
            found if found == owner && met.load(Relaxed) == bits => {}
            _ => continue,
        }
        return (RATES + at) as u8;
    }
    number(rate)
}

/// Returns whether a number is that of a counter's own countdown.
#[inline]
pub(crate) fn is_own(number: u8) -> bool {
    usize::from(number) >= RATES
}

/// Returns the number of the rate that a number stands for: itself, if it is no counter's own.
pub(crate) fn shared(of: u8) -> u8 {
    if is_own(of) { number(f64::from_bits(MET[usize::from(of) % NUMBERS].load(Relaxed))) } else { of }
}

/// Returns the misses of this thread that were not taken yet, of a counter with a countdown of its own, and takes them.
pub(crate) fn take_skipped(number: u8) -> u64 {
    let Some(at) = usize::from(number).checked_sub(RATES) else { return 0 };
    DRAWN.with(|drawn| {
        let left = GAPS.with(|gaps| gaps[at + RATES].get().max(0));
        let skipped = drawn[at].replace(left).saturating_sub(left);
        skipped.max(0) as u64
    })
}

/// Hands every counter's misses of this thread that were not taken yet to `take`, by the counter's slot.
pub(crate) fn take_all_skipped(mut take: impl FnMut(u32, u64)) {
    for (at, owner) in OWNERS.iter().enumerate() {
        let owner = owner.load(Relaxed);
        if owner == 0 {
            return;
        }
        match take_skipped((RATES + at) as u8) {
            0 => {}
            skipped => take((owner - 1) as u32, skipped),
        }
    }
}

/// Draws how many misses come next.
fn next_gap(number: usize, mean: f64) -> i64 {
    let misses = draw(mean);
    if let Some(at) = number.checked_sub(RATES) {
        DRAWN.with(|drawn| drawn[at].set(drawn[at].get().saturating_add(misses)));
    }
    misses
}

/// Counts one call down. Returns `true` when it is no hit. `false` decides nothing yet: the caller must call [`is_hit_now`], once.
#[inline(always)]
#[must_use]
pub(crate) fn is_miss(number: u8) -> bool {
    GAPS.with(|gaps| {
        let gap = &gaps[usize::from(number) % NUMBERS];
        let left = gap.get().wrapping_sub(1);
        gap.set(left);
        // The sign alone decides, so that subtracting in place tells it.
        left >= 0
    })
}

/// Returns whether the call that was counted down last is a hit.
#[cold]
pub(crate) fn is_hit_now(number: u8, rate: f64) -> bool {
    let number = usize::from(number) % NUMBERS;
    let mean = match MEANS[number].load(Relaxed) {
        0 => {
            // The mean belongs to the rate that has the number: the series may have been given another rate just now.
            let met = MET[number].load(Relaxed);
            // There are too many; or what this thread has seen of the number is no more than the number.
            if met == 0 {
                return unit() <= rate;
            }
            let mean = mean(f64::from_bits(met));
            MEANS[number].store(mean.to_bits(), Relaxed);
            mean
        }
        bits => f64::from_bits(bits),
    };
    GAPS.with(|gaps| {
        let gap = &gaps[number];
        // It was counted down from 0, or else from what was not drawn, or not at all: the series had another rate then.
        let was_drawn = gap.get() == -1;
        if !was_drawn {
            let misses = next_gap(number, mean);
            if misses > 0 {
                // This call is one of them.
                gap.set(misses - 1);
                return false;
            }
        }
        gap.set(next_gap(number, mean));
        true
    })
}

/// Forgets the countdowns of this thread: they are drawn again at the next calls, which changes nothing in how probable a hit is. Misses that
/// were not taken are forgotten too.
pub(crate) fn forget() {
    GAPS.with(|gaps| gaps.iter().for_each(|gap| gap.set(UNDRAWN)));
    DRAWN.with(|drawn| drawn.iter().for_each(|drawn| drawn.set(0)));
}

/// Starts over in the child of a fork. With the countdowns of the parent, all children would be hit at the same calls, or at none.
#[cfg(unix)]
pub(crate) fn in_child() {
    STATE.with(|state| state.set(0));
    forget();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_hit(number: u8, rate: f64) -> bool {
        !is_miss(number) && is_hit_now(number, rate)
    }

    #[test]
    fn a_rate_is_above_0_and_at_most_1() {
        assert!([f64::MIN_POSITIVE, 0.25, 1.0].into_iter().all(is_sample_rate));
        assert!(![0.0, -1.0, 1.5, f64::INFINITY, f64::NAN].into_iter().any(is_sample_rate));
    }

    #[test]
    fn hits_come_with_the_given_probability() {
        for rate in [0.01, 0.25, 0.5, 0.9, 1.0] {
            let calls = 400_000;
            let number = number(rate);
            assert!(number > 0 && number == super::number(rate));
            let by_gap = (0..calls).filter(|_| is_hit(number, rate)).count() as f64;
            // Further rates draw a number for each call.
            let by_throw = (0..calls).filter(|_| is_hit(0, rate)).count() as f64;
            // Drawn again at any moment.
            let drawn_again = (0..calls).filter(|n| {
                if n % 7 == 0 {
                    forget();
                }
                is_hit(number, rate)
            });
            let drawn_again = drawn_again.count() as f64;
            let deviation = (f64::from(calls) * rate * (1.0 - rate)).sqrt();
            for hits in [by_gap, by_throw, drawn_again] {
                // Six standard deviations: one false alarm in 500 million runs.
                assert!((hits - f64::from(calls) * rate).abs() <= 6.0 * deviation, "{rate}: {hits}");
            }
        }
    }

    #[test]
    fn series_that_share_a_countdown_are_sampled_independently() {
        let (rate, calls) = (0.3, 300_000u32);
        let number = number(rate);
        // Two series called in turn: how often each is hit, and both in a row.
        let (mut hits, mut both) = ([0.0; 2], 0.0);
        for _ in 0..calls {
            let pair = [is_hit(number, rate), is_hit(number, rate)];
            for (hits, hit) in hits.iter_mut().zip(pair) {
                *hits += f64::from(u8::from(hit));
            }
            both += f64::from(u8::from(pair == [true; 2]));
        }
        for (found, share) in [(hits[0], rate), (hits[1], rate), (both, rate * rate)] {
            let deviation = (f64::from(calls) * share * (1.0 - share)).sqrt();
            assert!((found - f64::from(calls) * share).abs() <= 6.0 * deviation, "{found} of {share}");
        }
    }

    #[test]
    fn a_call_that_was_counted_down_for_another_rate_is_a_hit_as_often() {
        // A series changes rates between the two questions, and the thread has met neither before.
        let (before, now, calls) = (number(0.75), number(0.125), 100_000);
        let taken = |_: &u32| {
            forget();
            !is_miss(before) && is_hit_now(now, 0.125)
        };
        let hits = (0..calls).filter(taken).count() as f64;
        let deviation = (f64::from(calls) * 0.125 * 0.875).sqrt();
        assert!((hits - f64::from(calls) * 0.125).abs() <= 6.0 * deviation, "{hits}");
    }

    #[test]
    fn a_number_that_no_rate_has_yet_is_left_alone() {
        // The tests here meet fewer rates. A call may come with such a number when its series changes rates at that moment, or when the
        // number has been seen and its rate has not.
        let number = RATES - 1;
        let (rate, calls) = (0.5, 100_000);
        let hits = (0..calls).filter(|_| is_hit(number as u8, rate)).count() as f64;
        assert_eq!(MET[number].load(Relaxed), 0);
        assert_eq!(MEANS[number].load(Relaxed), 0, "the rate that gets the number would have a wrong mean, for ever");
        let deviation = (f64::from(calls) * rate * (1.0 - rate)).sqrt();
        assert!((hits - f64::from(calls) * rate).abs() <= 6.0 * deviation, "{hits}");
    }

    #[test]
    fn the_smallest_rate_neither_panics_nor_hits_at_once() {
        let number = number(f64::MIN_POSITIVE);
        assert!(!is_hit(number, f64::MIN_POSITIVE));
        assert!(GAPS.with(|gaps| gaps[usize::from(number)].get()) > 1 << 50);
    }

    #[test]
    fn a_countdown_of_its_own_knows_every_call() {
        // Slots that no series of these tests has.
        for (slot, rate) in [(1 << 28, 0.5), (1 << 28 | 1, 0.01), (1 << 28 | 2, 1e-9)] {
            let number = own_number(slot, rate);
            assert!(is_own(number) && own_number(slot, rate) == number && own_number(slot, rate / 2.0) != number);
            let (mut hits, mut skipped) = (0, 0);
            for calls in 1..=20_000u64 {
                if is_hit(number, rate) {
                    hits += 1;
                    skipped += take_skipped(number);
                    assert_eq!(hits + skipped, calls, "{rate}: at a hit");
                } else if calls % 7777 == 0 {
                    skipped += take_skipped(number);
                    assert_eq!(hits + skipped, calls, "{rate}: between hits");
                }
            }
            take_all_skipped(|of, more| skipped += if of == slot { more } else { 0 });
            assert_eq!((hits + skipped, take_skipped(number)), (20_000, 0), "{rate}");
        }
        // Counters without one have that of the rate.
        let rate = 0.625;
        let numbers: Vec<u8> = (0..2 * OWN as u32).map(|at| own_number(1 << 27 | at, rate)).collect();
        let (own, shared): (Vec<u8>, Vec<u8>) = numbers.iter().partition(|number| is_own(**number));
        assert!(own.len() <= OWN && shared.len() >= OWN && shared.iter().all(|found| *found == number(rate)));
        assert_eq!(take_skipped(number(rate)), 0);
    }
}
