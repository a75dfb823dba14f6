//! Distributions: what was recorded of a timer or histogram.

use crate::storage::bucket::Scheme;

/// The values of a timer (in nanoseconds) or histogram, in buckets of 12.5 % width.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub(crate) scheme: Scheme,
    pub(crate) count: u64,
    /// Exact for timers, in nanoseconds; 0 for histograms.
    pub(crate) nanos: u64,
    pub(crate) sum: f64,
    pub(crate) max: f64,
    /// (bucket, count) of the buckets that are not empty, in order.
    pub(crate) buckets: Vec<(u16, u64)>,
}

impl Distribution {
    /// One without values.
    #[must_use]
    pub fn new(scheme: Scheme) -> Distribution {
        Distribution { scheme, count: 0, nanos: 0, sum: 0.0, max: 0.0, buckets: Vec::new() }
    }

    /// Returns which buckets it has.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// How many values: the sum of the buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of the values: nanoseconds for a timer. Recordings in progress may be missing in it.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The largest value; 0 when there is none.
    #[must_use]
    pub fn max(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.max }
    }

    /// The buckets that are not empty: (index, count), in order of value. [`Scheme::bounds`] says what they hold.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (usize, u64)> + Clone + '_ {
        self.buckets.iter().map(|(index, count)| (usize::from(*index), *count))
    }

    /// The value below which a share `q` (0 to 1) of the values lies, within 6.25 %: the middle of the bucket where
    /// that share is reached, and never above the largest value. `None` when there is no value.
    ///
    /// That holds for durations up to 18 years and for magnitudes from 1e-12 to 1e18. What is larger counts as the largest value since the program started,
    /// what is smaller as 0.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// use ferrometer::Value;
    /// use std::time::Duration;
    ///
    /// let timer = ferrometer::get_logger("api").timer("time");
    /// (1..=100).for_each(|ms| timer.record(Duration::from_millis(ms)));
    /// let snapshot = ferrometer::snapshot();
    /// let Value::Distribution(times) = snapshot.totals().get(timer.series().id()).unwrap().value else { unreachable!() };
    /// let median = times.quantile(0.5).unwrap() / 1e6;        // nanoseconds in milliseconds
    /// assert!((median - 50.0).abs() <= 50.0 * 0.0625, "{median}");
    /// assert_eq!((times.count(), times.max()), (100, 100e6));
    /// ```
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return Some(self.scheme.representative(index, self.max).min(self.max));
            }
        }
        Some(self.max)
    }

    /// Returns the values that came since an earlier state of the same distribution. The largest value is exact when it is the largest since
    /// start, else the upper bound of its bucket.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// use ferrometer::{Snapshot, Value};
    ///
    /// let rows = ferrometer::get_logger("db").histogram("since");
    /// let distribution = |snapshot: &Snapshot| match snapshot.totals().get(rows.series().id()).unwrap().value {
    ///     Value::Distribution(all) => all.clone(),
    ///     _ => unreachable!("it is a histogram"),
    /// };
    /// rows.record(3);
    /// let earlier = distribution(&ferrometer::snapshot());
    /// rows.record(5);
    /// let new = distribution(&ferrometer::snapshot()).since(&earlier);
    /// assert_eq!((new.count(), new.sum()), (1, 5.0));
    /// ```
    // Inline: compiled where there is a backend that asks for it.
    #[inline]
    #[must_use]
    pub fn since(&self, earlier: &Distribution) -> Distribution {
        let mut before = earlier.buckets.iter().peekable();
        let mut buckets = Vec::new();
        for &(index, count) in &self.buckets {
            while before.next_if(|(b, _)| *b < index).is_some() {}
            let old = before.next_if(|(b, _)| *b == index).map_or(0, |(_, c)| *c);
            if count > old {
                buckets.push((index, count - old));
            }
        }
        let max = match buckets.last() {
            Some(_) if earlier.count == 0 || self.max > earlier.max => self.max,
            Some((index, _)) => self.scheme.most(usize::from(*index), self.max),
            None => 0.0,
        };
        Distribution {
            scheme: self.scheme,
            count: buckets.iter().map(|(_, c)| c).sum(),
            nanos: self.nanos.wrapping_sub(earlier.nanos),
            sum: match self.scheme {
                Scheme::Nanos => self.nanos.wrapping_sub(earlier.nanos) as f64,
                Scheme::Float => self.sum - earlier.sum,
            },
            max,
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut d = Distribution::new(Scheme::Nanos);
        let mut counts = std::collections::BTreeMap::new();
        for v in values {
            *counts.entry(Scheme::Nanos.index(*v as f64) as u16).or_insert(0) += 1;
            d.nanos += v;
            d.max = d.max.max(*v as f64);
        }
        d.sum = d.nanos as f64;
        d.count = values.len() as u64;
        d.buckets = counts.into_iter().collect();
        d
    }

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let d = of(&(1..=1000).map(|i| i * 1000).collect::<Vec<_>>());
        for (q, expected) in [(0.5, 500_000.0), (0.95, 950_000.0), (0.99, 990_000.0)] {
            let got = d.quantile(q).unwrap();
            assert!((got - expected).abs() <= expected * 0.0625, "{q}: {got}");
        }
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(of(&[7]).quantile(0.99), Some(7.0));
        assert!(of(&[1_000_000]).quantile(1.0).unwrap() <= 1_000_000.0);
    }

    #[test]
    fn since_takes_away_what_was_there() {
        let early = of(&[10, 20, 20, 5000]);
        let late = of(&[10, 20, 20, 5000, 20, 700]);
        let diff = late.since(&early);
        assert_eq!((diff.count(), diff.sum()), (2, 720.0));
        assert!(diff.max() >= 700.0 && diff.max() < 800.0);
        assert_eq!(late.since(&late).count(), 0);
        assert_eq!(late.since(&Distribution::new(Scheme::Nanos)), late);
        assert_eq!(of(&[1, 9000]).since(&of(&[1])).max(), 9000.0);
    }

    #[test]
    fn the_longest_durations_keep_their_quantiles_and_maxima() {
        let hours = |n: u64| n * 3_600_000_000_000;
        // Two days, ten years, and more than all buckets.
        for (long, longer) in [(hours(48), hours(720)), (hours(87_660), hours(100_000)), (1 << 60, u64::MAX / 4)] {
            let (early, late) = (of(&[longer]), of(&[longer, long, long, long]));
            let within = |found: f64, right: u64| (found / right as f64 - 1.0).abs() <= 0.125;
            let (p50, since) = (late.quantile(0.5).unwrap(), late.since(&early));
            // Beyond the buckets all values count as the largest.
            let right = if long >> 59 == 0 { long } else { longer };
            assert!(within(p50, right) && within(since.quantile(0.5).unwrap(), right), "{long}: {p50}");
            assert!(within(since.max(), right) && late.max() == longer as f64, "{long}: {}", since.max());
        }
    }
}
