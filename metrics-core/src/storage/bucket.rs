//! The buckets of a distribution: log-linear, eight to each power of two, so that a value is within
//! 6.25 % of its bucket's middle. Two schemes: whole nanoseconds for timers, floats for histograms.

use std::fmt;
use std::time::Duration;

/// Buckets of one power of two, as a power of two.
const SUB_BITS: u32 = 3;
const SUB: usize = 1 << SUB_BITS;

/// Timers: up to 2^59 ns (18 years). Longer ones are in the last bucket, with an exact sum and maximum.
const NANOS_TOP: u32 = 59;
const NANOS_LEN: usize = (NANOS_TOP - SUB_BITS + 1) as usize * SUB;

/// Histograms: magnitudes from 2^-40 (9.1e-13) to 2^60 (1.15e18); smaller ones are in the bucket of zero, larger in the outermost.
const FLOAT_LOW: i32 = -40;
const FLOAT_HIGH: i32 = 60;
const FLOAT_SIDE: usize = (FLOAT_HIGH - FLOAT_LOW) as usize * SUB;
const FLOAT_LEN: usize = 2 * FLOAT_SIDE + 1;

/// Which values a distribution holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scheme {
    /// Whole nanoseconds, not negative: what a timer records.
    Nanos,
    /// Finite floats: what a histogram records.
    Float,
}

impl fmt::Debug for Scheme {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Nanos => "Nanos",
            Scheme::Float => "Float",
        })
    }
}

/// The bucket of a number of nanoseconds; what is past the last one belongs in it.
#[inline(always)]
pub(crate) fn unbounded_nanos_index(value: u64) -> usize {
    // Eight to each power of two. Below 8 each value is a bucket, as with a shift of 0: so there is no branch.
    let shift = 60 - (value | SUB as u64).leading_zeros();
    (value >> shift) as usize + shift as usize * SUB
}

pub(crate) fn nanos_index(value: u64) -> usize {
    unbounded_nanos_index(value).min(NANOS_LEN - 1)
}

/// A duration from 8 ns on and below a second, like nearly all that are recorded often. It fits in 32 bits, and needs neither a
/// multiplication nor bounds.
#[derive(Clone, Copy)]
pub(crate) struct SubSecond(u32);

impl SubSecond {
    #[inline(always)]
    pub(crate) fn duration(duration: Duration) -> Option<SubSecond> {
        let nanos = duration.subsec_nanos();
        (duration.as_secs() == 0 && nanos >= SUB as u32).then_some(SubSecond(nanos))
    }

    #[inline(always)]
    pub(crate) fn get(self) -> u64 {
        u64::from(self.0)
    }

    /// That of [`nanos_index`], which is below [`Scheme::len`] of [`Scheme::Nanos`].
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        // As a float, a number has what the bucket's is made of side by side: the power of two, and the first bits below it. From 8 on
        // the two count alike. That is fewer instructions than `nanos_index` has, of which another recording can begin before they end;
        // but the result comes later, for which the next reading of the clock waits.
        const EIGHT: usize = (1023 + SUB_BITS as usize) * SUB;
        (f64::from(self.0 as i32).to_bits() >> (52 - SUB_BITS)) as usize - EIGHT + SUB
    }
}

/// Magnitudes from 2^44 on are *huge*: a sum of floats that holds one of them may have no room for the digits of others.
const HUGE: i32 = 44;

/// The bucket of a float that is positive and neither below 2^-40 nor huge; `None` for every other, NaN and infinities among them.
#[inline(always)]
pub(crate) fn normal_float_index(value: f64) -> Option<usize> {
    // The sign, the exponent and the first bits of the fraction are the number of the bucket already.
    const LOWEST: usize = (1023 + FLOAT_LOW) as usize * SUB;
    const NORMAL: usize = (HUGE - FLOAT_LOW) as usize * SUB;
    let side = ((value.to_bits() >> (52 - SUB_BITS)) as usize).wrapping_sub(LOWEST);
    (side < NORMAL).then(|| FLOAT_SIDE + 1 + side)
}

/// Returns whether a float is huge.
pub(crate) fn is_huge(value: f64) -> bool {
    value.abs() >= (1u64 << HUGE) as f64
}

#[inline]
pub(crate) fn float_index(value: f64) -> usize {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    if exponent < FLOAT_LOW {
        return FLOAT_SIDE;
    }
    let side = if exponent >= FLOAT_HIGH {
        FLOAT_SIDE - 1
    } else {
        (exponent - FLOAT_LOW) as usize * SUB + ((bits >> (52 - SUB_BITS)) as usize & (SUB - 1))
    };
    if value > 0.0 { FLOAT_SIDE + 1 + side } else { FLOAT_SIDE - 1 - side }
}

impl Scheme {
    /// How many buckets there are.
    // None is empty.
    #[allow(clippy::len_without_is_empty)]
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Scheme::Nanos => NANOS_LEN,
            Scheme::Float => FLOAT_LEN,
        }
    }

    /// The bucket of a value (nanoseconds for [`Scheme::Nanos`], where negative ones count as 0).
    #[must_use]
    pub fn index(self, value: f64) -> usize {
        match self {
            Scheme::Nanos => nanos_index(value as u64),
            Scheme::Float => float_index(value),
        }
    }

    /// The bounds of a bucket: `low <= value < high` (mirrored for negative values: `low < value <= high`).
    ///
    /// Timers have buckets up to 2^59 ns (18 years), histograms for magnitudes from 2^-40 (9.1e-13) to 2^60 (1.15e18). The outermost buckets take what lies
    /// beyond them too, and magnitudes below are in the bucket of zero.
    #[must_use]
    pub fn bounds(self, index: usize) -> (f64, f64) {
        match self {
            Scheme::Nanos => {
                let (octave, sub) = (index / SUB, index % SUB);
                if octave == 0 {
                    return (sub as f64, sub as f64 + 1.0);
                }
                let width = (1u64 << (octave - 1)) as f64;
                let low = (SUB + sub) as f64 * width;
                (low, low + width)
            }
            Scheme::Float => {
                if index == FLOAT_SIDE {
                    let edge = 2f64.powi(FLOAT_LOW);
                    return (-edge, edge);
                }
                let positive = index > FLOAT_SIDE;
                let side = if positive { index - FLOAT_SIDE - 1 } else { FLOAT_SIDE - 1 - index };
                let base = 2f64.powi(FLOAT_LOW + (side / SUB) as i32);
                let width = base / SUB as f64;
                let low = base + width * (side % SUB) as f64;
                if positive { (low, low + width) } else { (-(low + width), -low) }
            }
        }
    }

    /// Returns the value that represents a bucket: its middle (exact below 16 ns, and 0 for the bucket of zero).
    #[must_use]
    pub fn middle(self, index: usize) -> f64 {
        let (low, high) = self.bounds(index);
        if self == Scheme::Nanos && index < 2 * SUB { low } else { (low + high) / 2.0 }
    }

    /// Returns the largest value that a bucket of a distribution with this largest value can hold: the bucket's upper bound, or the largest value
    /// where that is less, or where the bucket takes all that lies beyond it.
    ///
    /// ```
    /// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
    /// use ferrometer::backend::Scheme;
    ///
    /// let last = Scheme::Float.len() - 1;
    /// assert_eq!(Scheme::Float.most(last, 1e20), 1e20);
    /// assert_eq!(Scheme::Float.most(Scheme::Float.index(1.0), 1e20), 1.125);
    /// ```
    #[must_use]
    pub fn most(self, index: usize, max: f64) -> f64 {
        if index + 1 == self.len() { max } else { self.bounds(index).1.min(max) }
    }

    /// Returns the value that represents a bucket of a distribution with this largest value: its middle, and the largest value for the last bucket where
    /// that holds values beyond its bounds.
    ///
    /// ```
    /// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
    /// use ferrometer::backend::Scheme;
    ///
    /// let century = 100.0 * 365.0 * 86_400e9;
    /// assert_eq!(Scheme::Nanos.representative(Scheme::Nanos.index(century), century), century);
    /// let hour = Scheme::Nanos.index(3600e9);
    /// assert_eq!(Scheme::Nanos.representative(hour, century), Scheme::Nanos.middle(hour));
    /// ```
    #[must_use]
    pub fn representative(self, index: usize, max: f64) -> f64 {
        if index + 1 == self.len() && max >= self.bounds(index).1 { max } else { self.middle(index) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_its_bucket() {
        let mut v: u64 = 0;
        while v < 1 << NANOS_TOP {
            for v in [v, v + 1, v.saturating_sub(1)] {
                if v >= 1 << NANOS_TOP {
                    continue;
                }
                let (low, high) = Scheme::Nanos.bounds(nanos_index(v));
                assert!(low <= v as f64 && (v as f64) < high, "{v}: {low}..{high}");
                let middle = Scheme::Nanos.middle(nanos_index(v));
                assert!((middle - v as f64).abs() <= v as f64 * 0.0625, "{v} {middle}");
            }
            v = v + v / 7 + 1;
        }
        assert_eq!(nanos_index(u64::MAX), Scheme::Nanos.len() - 1);
    }

    #[test]
    fn what_is_brief_has_the_bucket_of_its_nanoseconds() {
        let brief = |nanos: u64| SubSecond::duration(Duration::from_nanos(nanos));
        let second = 1_000_000_000;
        // Every end of a bucket, and what is beside it; the index never falls, so what is between has it too.
        let ends = (3..30).flat_map(|bit| (8..16u64).map(move |sub| (sub << bit) >> 3));
        for nanos in ends.flat_map(|n| [n - 1, n, n + 1]).chain([second - 1]).filter(|n| (8..second).contains(n)) {
            let brief = brief(nanos).unwrap();
            assert!(brief.get() == nanos && brief.index() == nanos_index(nanos), "{nanos}");
            assert!(brief.index() < NANOS_LEN && brief.index() <= nanos_index(second - 1));
        }
        for nanos in [0, 1, 7, second, second + 100, u64::from(u32::MAX) + 100, u64::MAX] {
            assert!(brief(nanos).is_none(), "{nanos}");
        }
        assert!(SubSecond::duration(Duration::MAX).is_none());
    }

    #[test]
    fn the_index_of_a_usual_float_is_that_of_any_float() {
        for exponent in -50..70 {
            for value in [1.0, 1.0624, 1.125, 1.9999999, -1.0].map(|m: f64| m * 2f64.powi(exponent)) {
                let usual = value > 0.0 && (FLOAT_LOW..HUGE).contains(&exponent);
                assert_eq!(normal_float_index(value), usual.then(|| float_index(value)), "{value}");
            }
        }
    }

    #[test]
    fn floats_are_monotone_and_within_their_bucket() {
        let mut values: Vec<f64> = (FLOAT_LOW..FLOAT_HIGH).map(|e| 1.37 * 2f64.powi(e)).collect();
        values.extend([0.0, 1e-300, 1e300, f64::MIN_POSITIVE, 1.0, 2.0, 1.125, 1e-12, 1e-10, 1e18]);
        let mut all: Vec<f64> = values.iter().flat_map(|v| [*v, -*v]).collect();
        all.sort_by(f64::total_cmp);
        let mut last = 0;
        for v in all {
            let index = float_index(v);
            assert!(index < Scheme::Float.len() && index >= last, "{v}");
            last = index;
            let (low, high) = Scheme::Float.bounds(index);
            if v.abs() <= 1e18 {
                assert!(low <= v && v <= high, "{v}: {low}..{high}");
            }
            if (1e-12..=1e18).contains(&v.abs()) {
                assert!((Scheme::Float.middle(index) / v - 1.0).abs() <= 0.0625, "{v}");
            }
        }
        assert_eq!(float_index(-0.0), float_index(0.0));
        assert_eq!(Scheme::Float.middle(float_index(0.0)), 0.0);
    }
}
