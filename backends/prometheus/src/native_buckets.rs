//! Native histograms from the core's buckets.
//!
//! The core has eight buckets to each power of two, of equal width and in nanoseconds; a native histogram has buckets
//! of equal ratio, around powers of two of a second. The two never coincide, so each core bucket is counted as a whole in
//! the native bucket that holds its middle, where every value is within 6.25 % of it. Schema 5, with 32 buckets to a power
//! of two, adds at most 2.2 % to that, keeps every core bucket apart from its neighbours, and takes no more populated buckets than there are
//! core buckets; a reader that wants fewer merges them, as it does with any schema. Counts and sums are exact.
//!
//! Sampled counts are scaled cumulatively, as those of classic buckets are, so that they add up to the same count.

use crate::number::scaled;
use ferrometer_core::{Distribution, Scheme};
use std::sync::Arc;

/// 2^5 buckets to a power of two.
pub(crate) const SCHEMA: i32 = 5;
/// A gap of this many empty buckets is written as empty buckets, not as a new span.
const FILLED_GAP: i32 = 2;

/// The buckets of one histogram.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Native {
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
}

/// Populated buckets: where they are, and the difference of each count from the one before.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    /// (Offset from the end of the one before, or from 0, and length.)
    pub(crate) spans: Vec<(i32, u32)>,
    pub(crate) deltas: Vec<i64>,
}

impl Native {
    /// Adds up the sample rates of one instrument, whose values are divided by `unit`.
    pub(crate) fn of(rates: &[(f64, Arc<Distribution>)], unit: f64) -> Native {
        let (mut zero_count, mut positive, mut negative) = (0u64, Counts::default(), Counts::default());
        let mut zero_threshold = 0.0;
        for (rate, d) in rates {
            let scheme = d.scheme();
            // Below the first bucket that is not the one of zero, and not below any value in it.
            zero_threshold = match scheme {
                Scheme::Nanos => 0.5e-9,
                Scheme::Float => scheme.bounds(scheme.index(0.0)).1,
            };
            let (mut before, mut seen) = (0, 0u64);
            for (index, count) in d.buckets() {
                seen += count;
                let now = scaled(seen, *rate);
                let n = now - before;
                before = now;
                let middle = scheme.middle(index) / unit;
                if middle == 0.0 {
                    zero_count = zero_count.saturating_add(n);
                    continue;
                }
                // Backwards, so that they come in rising order too.
                match middle > 0.0 {
                    true => positive.add(bucket(middle), n),
                    false => negative.add(-bucket(-middle), n),
                }
            }
        }
        negative.0.reverse();
        negative.0.iter_mut().for_each(|(at, _)| *at = -*at);
        Native { zero_threshold, zero_count, positive: Buckets::of(&positive), negative: Buckets::of(&negative) }
    }
}

/// Counts of buckets, in rising order of the buckets.
#[derive(Default)]
struct Counts(Vec<(i32, u64)>);

impl Counts {
    /// Most come in rising order, and so at the end.
    fn add(&mut self, bucket: i32, n: u64) {
        let from = if self.0.last().is_some_and(|(last, _)| *last < bucket) { self.0.len() } else { 0 };
        match self.0[from..].binary_search_by_key(&bucket, |(at, _)| *at) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(n),
            Err(at) => self.0.insert(from + at, (bucket, n)),
        }
    }
}

/// The native bucket of a positive value: number `i` ends at 2^(i / 2^schema), which it holds.
fn bucket(value: f64) -> i32 {
    (value.log2() * f64::from(1 << SCHEMA)).ceil() as i32
}

impl Buckets {
    fn of(counts: &Counts) -> Buckets {
        let mut out = Buckets::default();
        let (mut next, mut before) = (0, 0);
        for (index, count) in &counts.0 {
            let gap = index - next;
            match out.spans.last_mut() {
                Some((_, len)) if gap <= FILLED_GAP => {
                    for _ in 0..gap {
                        out.deltas.push(0i64.wrapping_sub(before));
                        before = 0;
                    }
                    *len += gap as u32 + 1;
                }
                _ => out.spans.push((gap, 1)),
            }
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            out.deltas.push(count - before);
            (next, before) = (index + 1, count);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (Bucket, count) again.
    fn unpack(buckets: &Buckets) -> Vec<(i32, i64)> {
        let (mut at, mut count, mut deltas) = (0, 0, buckets.deltas.iter());
        let mut out = Vec::new();
        for (offset, len) in &buckets.spans {
            at += offset;
            for _ in 0..*len {
                count += deltas.next().unwrap();
                if count > 0 {
                    out.push((at, count));
                }
                at += 1;
            }
        }
        assert!(deltas.next().is_none());
        out
    }

    #[test]
    fn spans_and_deltas_say_what_was_counted() {
        let counts = Counts(vec![(-40, 7), (-39, 2), (-36, 5), (3, 1), (10, i64::MAX as u64)]);
        let buckets = Buckets::of(&counts);
        assert_eq!(buckets.spans, [(-40, 5), (38, 1), (6, 1)]);
        assert_eq!(unpack(&buckets), [(-40, 7), (-39, 2), (-36, 5), (3, 1), (10, i64::MAX)]);
        assert_eq!(Buckets::of(&Counts::default()), Buckets::default());
    }

    #[test]
    fn counts_of_several_rates_are_added_in_order() {
        let mut counts = Counts::default();
        for (bucket, n) in [(-3, 1), (2, 2), (7, 3), (-3, 4), (-5, 5), (4, u64::MAX), (4, 1), (9, 6)] {
            counts.add(bucket, n);
        }
        assert_eq!(counts.0, [(-5, 5), (-3, 5), (2, 2), (4, u64::MAX), (7, 3), (9, 6)]);
    }

    #[test]
    fn a_bucket_holds_its_upper_bound_and_no_two_of_ours_share_one() {
        assert_eq!((bucket(1.0), bucket(1.0001), bucket(0.9999), bucket(2.0)), (0, 1, 0, 32));
        for (scheme, unit) in [(Scheme::Nanos, 1e9), (Scheme::Float, 1.0)] {
            let mut last = None;
            for index in 0..scheme.len() {
                let middle = scheme.middle(index) / unit;
                if middle <= 0.0 {
                    continue;
                }
                let at = bucket(middle);
                let (low, high) = (2f64.powf(f64::from(at - 1) / 32.0), 2f64.powf(f64::from(at) / 32.0));
                assert!(low < middle && middle <= high * (1.0 + 1e-12), "{low} {middle} {high}");
                // Below 8 ns each whole number is a bucket of its own.
                assert!(last.is_none_or(|last| last < at), "{index}");
                last = Some(at);
                // A reader's value for it is within 8.6 % of any value that was recorded in it.
                let (ours_low, ours_high) = scheme.bounds(index);
                if scheme == Scheme::Float || index >= 16 {
                    assert!(high / (ours_low / unit) < 1.086 && low / (ours_high / unit) > 0.92, "{index}");
                }
            }
        }
    }
}
