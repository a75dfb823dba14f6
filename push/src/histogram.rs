//! Distributions as formats with buckets want them: at explicit bounds, or in buckets of equal ratio.

use crate::instruments::Rates;
use crate::scaled::scaled;
use ferrometer_core::{Distribution, Kind, Scheme};

/// The bounds of timers in nanoseconds: 100 µs to 10 s.
const TIMER_BOUNDS: [f64; 16] =
    [1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9, 2.5e9, 5e9, 1e10];

/// The bounds of histograms: powers of four from 2^-20 to 2^44, which are edges of core buckets, and their negatives. The same for all of them, so that they
/// add up.
const FLOAT_EXPONENTS: std::ops::RangeInclusive<i32> = -10..=22;

/// The upper bounds of a kind's explicit buckets, ascending, without infinity, in what was recorded: nanoseconds for timers.
#[must_use]
pub fn bounds(kind: Kind) -> Vec<f64> {
    if kind == Kind::Timer {
        return TIMER_BOUNDS.to_vec();
    }
    let power = |exponent: i32| 2f64.powi(2 * exponent);
    let negative = FLOAT_EXPONENTS.rev().map(|exponent| -power(exponent));
    negative.chain([0.0]).chain(FLOAT_EXPONENTS.map(power)).collect()
}

/// By what a recorded value is divided when it is shown: timers are shown in seconds.
#[must_use]
pub fn unit(scheme: Scheme) -> f64 {
    if scheme == Scheme::Nanos { 1e9 } else { 1.0 }
}

/// How many values, for how many calls, and their sum in the unit they are shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// How many calls the values stand for.
    pub count: u64,
    /// Their sum; `None` when it is beyond what a float holds.
    pub sum: Option<f64>,
    /// The largest value, in the unit it is shown in; `None` when there is none.
    pub max: Option<f64>,
    /// `true` when there are values below zero: then the sum may fall.
    pub has_negative: bool,
}

impl Sum {
    /// Adds up the sample rates.
    #[must_use]
    pub fn of(rates: &Rates<'_>) -> Sum {
        let mut all = Sum::default();
        let mut sum = 0.0;
        for (rate, d) in rates.iter() {
            let unit = unit(d.scheme());
            all.count = all.count.saturating_add(scaled(d.count(), rate));
            sum += d.sum() / unit / rate;
            all.has_negative |= has_negative(d);
            if d.count() > 0 {
                let max = d.max() / unit;
                all.max = Some(all.max.map_or(max, |other| other.max(max)));
            }
        }
        all.sum = sum.is_finite().then_some(sum);
        all
    }
}

/// Returns `true` when there are values below zero.
fn has_negative(distribution: &Distribution) -> bool {
    let scheme = distribution.scheme();
    distribution.sum() < 0.0 || distribution.buckets().next().is_some_and(|(index, _)| scheme.bounds(index).1 <= 0.0)
}

/// Adds to `cumulative` how many values are counted at each bound. A core bucket is counted at the first bound that is not below its upper
/// edge, so no value is ever counted at a bound below it.
pub fn explicit(rates: &Rates<'_>, bounds: &[f64], cumulative: &mut Vec<u64>) {
    cumulative.clear();
    cumulative.resize(bounds.len(), 0);
    for (rate, d) in rates.iter() {
        let scheme = d.scheme();
        // The last bucket takes what lies beyond it too.
        let upper = |index| if index + 1 == scheme.len() { f64::INFINITY } else { scheme.bounds(index).1 };
        let mut buckets = d.buckets().peekable();
        let mut seen = 0;
        for (bound, to) in bounds.iter().zip(cumulative.iter_mut()) {
            while let Some((_, count)) = buckets.next_if(|(index, _)| upper(*index) <= *bound) {
                seen += count;
            }
            *to = to.saturating_add(scaled(seen, rate));
        }
    }
}

/// Buckets of equal ratio: 2^`SCALE` to each power of two. The core's are of equal width, eight to each power of two; each is counted as a whole in
/// the bucket that holds its middle. At this scale no two of the core's share one, and they add at most 4.4 % to its 6.25 %.
pub const SCALE: i32 = 4;

/// A distribution in buckets of equal ratio.
#[derive(Debug, Default, PartialEq)]
pub struct Exponential {
    /// The largest magnitude that counts as zero.
    pub zero_threshold: f64,
    /// How many do.
    pub zero_count: u64,
    /// (Bucket, count), ascending. Bucket `i` holds (2^(i / 16), 2^((i + 1) / 16)].
    pub positive: Vec<(i32, u64)>,
    /// Buckets of the magnitudes of negative values.
    pub negative: Vec<(i32, u64)>,
}

impl Exponential {
    /// Counts again, in the room there is.
    pub fn count(&mut self, rates: &Rates<'_>) {
        (self.zero_threshold, self.zero_count) = (0.0, 0);
        self.positive.clear();
        self.negative.clear();
        let mut many = 0;
        for (rate, d) in rates.iter() {
            many += 1;
            let (scheme, unit) = (d.scheme(), unit(d.scheme()));
            // Below the first bucket that is not the one of zero, and not below any value in it.
            self.zero_threshold = match scheme {
                Scheme::Nanos => 0.5e-9,
                Scheme::Float => scheme.bounds(scheme.index(0.0)).1,
            };
            let (mut before, mut seen) = (0, 0u64);
            for (index, count) in d.buckets() {
                seen += count;
                // Scaled cumulatively, so that the buckets add up to the count.
                let now = scaled(seen, rate);
                let n = now - before;
                before = now;
                let middle = scheme.middle(index) / unit;
                if middle == 0.0 {
                    self.zero_count = self.zero_count.saturating_add(n);
                } else if middle > 0.0 {
                    self.positive.push((bucket(middle), n));
                } else {
                    self.negative.push((bucket(-middle), n));
                }
            }
        }
        if many > 1 || !self.negative.is_empty() {
            merge(&mut self.positive);
            merge(&mut self.negative);
        }
    }
}

fn merge(buckets: &mut Vec<(i32, u64)>) {
    buckets.sort_unstable_by_key(|(at, _)| *at);
    buckets.dedup_by(|(at, n), (kept, sum)| {
        let same = at == kept;
        if same {
            *sum = sum.saturating_add(*n);
        }
        same
    });
}

/// The bucket of a positive value.
fn bucket(value: f64) -> i32 {
    (value.log2() * f64::from(1 << SCALE)).ceil() as i32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_buckets_of_the_core_share_one_of_equal_ratio() {
        assert_eq!((bucket(1.0), bucket(1.001), bucket(2.0), bucket(2.1)), (-1, 0, 15, 17));
        for (scheme, unit) in [(Scheme::Nanos, 1e9), (Scheme::Float, 1.0)] {
            let mut last = None;
            for index in 0..scheme.len() {
                let middle = scheme.middle(index) / unit;
                if middle <= 0.0 {
                    continue;
                }
                let at = bucket(middle);
                let (low, high) = (2f64.powf(f64::from(at) / 16.0), 2f64.powf(f64::from(at + 1) / 16.0));
                assert!(low < middle && middle <= high * (1.0 + 1e-12), "{low} {middle} {high}");
                assert!(last.is_none_or(|last| last < at), "{index}");
                last = Some(at);
            }
        }
    }

    #[test]
    fn bounds_ascend_and_are_edges() {
        for kind in [Kind::Timer, Kind::Histogram] {
            assert!(bounds(kind).windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert_eq!(bounds(Kind::Histogram).len(), 67);
    }

    #[test]
    fn buckets_that_meet_are_added() {
        let mut all = vec![(3, 1), (-2, 5), (3, u64::MAX)];
        merge(&mut all);
        assert_eq!(all, [(-2, 5), (3, u64::MAX)]);
    }
}
