//! The aggregates of the points of one bucket.

use crate::method::{Kind, Method};
use crate::{Nanos, Point};

/// Returns the sum of the values, compensated (Neumaier) and rounded once: it does not depend on how the points came in, and a sum of
/// decimals is nearly always the decimal. Where the plain sum is not finite, it is that.
pub fn sum(values: &[f64]) -> f64 {
    sum_of(values.iter().copied())
}

fn sum_of(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = 0.0_f64;
    let mut lost = 0.0_f64;
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    let compensated = sum + lost;
    if compensated.is_finite() { compensated } else { sum }
}

/// Returns the standard deviation, dividing by `n − less`; `None` where nothing is left to divide by.
pub fn deviation(values: &[f64], less: usize) -> Option<f64> {
    let free = values.len().checked_sub(less).filter(|free| *free > 0)?;
    let mean = sum(values) / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean) * (value - mean));
    Some((sum_of(squares) / free as f64).sqrt())
}

/// Returns the percentile of sorted values, interpolated linearly between order statistics at (n − 1)·rank/100.
pub fn percentile(sorted: &[f64], rank: f64) -> Option<f64> {
    let at = sorted.len().checked_sub(1)? as f64 * (rank / 100.0);
    let (low, high) = (at.floor(), at.ceil());
    let (below, above) = (*sorted.get(low as usize)?, *sorted.get(high as usize)?);
    Some(if low == high { below } else { below * (high - at) + above * (at - low) })
}

/// Returns the value in the middle of sorted values, or the mean of the two in the middle.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(high);
    }
    let low = sorted[middle - 1];
    Some((low + high) / 2.0)
}

/// Returns the aggregate of values in order of time; `None` where there is none.
pub fn aggregate(kind: Kind, values: &[f64]) -> Option<f64> {
    let sorted = || {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    match kind {
        _ if values.is_empty() => None,
        Kind::Mean => Some(sum(values) / values.len() as f64),
        Kind::Sum => Some(sum(values)),
        Kind::Last => values.last().copied(),
        Kind::First => values.first().copied(),
        Kind::Max => values.iter().copied().reduce(f64::max),
        Kind::Min => values.iter().copied().reduce(f64::min),
        Kind::Std => deviation(values, 1),
        Kind::Count => Some(values.len() as f64),
        Kind::Median => median(&sorted()),
        Kind::Percentile(rank) => percentile(&sorted(), f64::from(rank)),
    }
}

/// Returns the values in order, sorted at the first call.
fn in_order<'a>(ordered: &'a mut Option<Vec<f64>>, values: &[f64]) -> &'a [f64] {
    ordered.get_or_insert_with(|| {
        let mut copy = values.to_vec();
        copy.sort_by(f64::total_cmp);
        copy
    })
}

/// Rows of one granularity: numbers of buckets, and for each method a value or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    /// Bucket numbers (time stamp divided by the granularity), ascending.
    pub buckets: Vec<i64>,
    /// A column for each method, as long as `buckets`.
    pub columns: Vec<Vec<Option<f64>>>,
}

impl Rows {
    pub fn with_columns(columns: usize) -> Rows {
        Rows { buckets: Vec::new(), columns: vec![Vec::new(); columns] }
    }

    /// Puts `newer` over these rows; a bucket of both has the newer values.
    pub fn overlay(mut self, newer: Rows) -> Rows {
        if newer.buckets.is_empty() {
            return self;
        }
        if self.buckets.is_empty() {
            return newer;
        }
        let cut = self.buckets.partition_point(|bucket| *bucket < newer.buckets[0]);
        // The usual case: what is new begins behind what is there.
        if cut == self.buckets.len() {
            self.buckets.extend(newer.buckets);
            self.columns.iter_mut().zip(newer.columns).for_each(|(column, more)| column.extend(more));
            return self;
        }
        let mut merged = Rows::with_columns(self.columns.len());
        merged.buckets.extend_from_slice(&self.buckets[..cut]);
        for (column, old) in merged.columns.iter_mut().zip(&self.columns) {
            column.extend_from_slice(&old[..cut]);
        }
        let (mut old, mut new) = (cut, 0);
        while old < self.buckets.len() || new < newer.buckets.len() {
            let take_old = match (self.buckets.get(old), newer.buckets.get(new)) {
                (Some(a), Some(b)) => {
                    if a == b {
                        old += 1;
                    }
                    a < b
                }
                (there, _) => there.is_some(),
            };
            let (from, at) = if take_old { (&self, &mut old) } else { (&newer, &mut new) };
            merged.buckets.push(from.buckets[*at]);
            for (column, source) in merged.columns.iter_mut().zip(&from.columns) {
                column.push(source[*at]);
            }
            *at += 1;
        }
        merged
    }
}

/// Returns how many points from the first on are among those that this tells, which stand at the front and the first of which is one. It looks near
/// the front: most buckets are short.
pub(crate) fn run(points: &[Point], is_within: impl Fn(&Point) -> bool) -> usize {
    let mut beyond = 1;
    while points.get(beyond).is_some_and(&is_within) {
        beyond *= 2;
    }
    let within = beyond / 2;
    within + points[within..points.len().min(beyond)].partition_point(is_within)
}

/// Aggregates points, sorted by time, into buckets from number `first` on. The points before serve the differences alone.
pub(crate) fn rows(points: &[Point], granularity: Nanos, methods: &[Method], first: i64) -> Rows {
    let mut rows = Rows::with_columns(methods.len());
    let mut start = points.partition_point(|point| point.at.div_euclid(granularity) < first);
    let with_rate = methods.iter().any(|method| method.rate);
    let (mut values, mut rates) = (Vec::new(), Vec::new());
    while start < points.len() {
        let at = points[start].at;
        let last = at.saturating_add(granularity - 1 - at.rem_euclid(granularity));
        let end = start + run(&points[start..], |point| point.at <= last);
        values.clear();
        values.extend(points[start..end].iter().map(|point| point.value));
        if with_rate {
            rates.clear();
            let before = start.saturating_sub(1);
            rates.extend(points[before..end].windows(2).map(|pair| pair[1].value - pair[0].value));
        }
        rows.buckets.push(at.div_euclid(granularity));
        // One sorting serves the median and all percentiles.
        let mut sorted: [Option<Vec<f64>>; 2] = [None, None];
        for (method, column) in methods.iter().zip(&mut rows.columns) {
            let of = if method.rate { &rates } else { &values };
            let ordered = &mut sorted[usize::from(method.rate)];
            column.push(match method.kind {
                Kind::Median => median(in_order(ordered, of)),
                Kind::Percentile(rank) => percentile(in_order(ordered, of), f64::from(rank)),
                kind => aggregate(kind, of),
            });
        }
        start = end;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SECOND;

    fn points(list: &[(i64, f64)]) -> Vec<Point> {
        list.iter().map(|(second, value)| Point { at: second * SECOND, value: *value }).collect()
    }

    fn column(list: &[(i64, f64)], method: &str) -> Vec<Option<f64>> {
        let methods = [method.parse().unwrap()];
        rows(&points(list), 60 * SECOND, &methods, 0).columns.remove(0)
    }

    #[test]
    fn differences_belong_to_the_bucket_of_their_later_point() {
        let list = [(10, 10.0), (50, 16.0), (70, 20.0), (100, 50.0), (185, 45.0)];
        assert_eq!(column(&list, "rate:mean"), [Some(6.0), Some(17.0), Some(-5.0)]);
        assert_eq!(column(&list, "rate:max"), [Some(6.0), Some(30.0), Some(-5.0)]);
        assert_eq!(column(&list, "mean"), [Some(13.0), Some(35.0), Some(45.0)]);
        assert_eq!(column(&list, "std")[2], None);
        assert_eq!(column(&list, "95pct"), [Some(15.7), Some(48.5), Some(45.0)]);
        assert_eq!(column(&[(1, 3.0)], "rate:count"), [None]);
    }

    #[test]
    fn runs_are_found_whatever_their_length_and_at_the_ends_of_time() {
        for length in 1..40 {
            for within in 1..=length {
                let list: Vec<Point> = (0..length).map(|at| Point { at, value: 0.0 }).collect();
                assert_eq!(run(&list, |point| point.at < within), within as usize, "{within} of {length}");
            }
        }
        for granularity in [1, 2, 7, SECOND, i64::MAX] {
            let list = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX].map(|at| Point { at, value: 1.0 });
            let rows = rows(&list, granularity, &["count".parse().unwrap()], i64::MIN);
            let mut buckets: Vec<i64> = list.iter().map(|point| point.at.div_euclid(granularity)).collect();
            buckets.dedup();
            assert_eq!(rows.buckets, buckets);
            assert_eq!(rows.columns[0].iter().flatten().sum::<f64>(), 7.0);
        }
    }

    #[test]
    fn order_statistics_are_interpolated() {
        let list = [(1, 4.0), (2, 1.0), (3, 3.0), (4, 2.0)];
        assert_eq!(column(&list, "95pct"), [Some(3.8499999999999996)]);
        assert_eq!(column(&list, "median"), [Some(2.5)]);
        assert_eq!(column(&list, "std"), [Some(1.2909944487358056)]);
        assert_eq!(column(&list, "first"), [Some(4.0)]);
        assert_eq!(column(&list, "last"), [Some(2.0)]);
    }

    #[test]
    fn a_sum_of_decimals_is_the_decimal() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e300, 1e300, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[1e16, 1.0, -1e16]), 1.0);
    }

    #[test]
    fn newer_rows_replace_and_join() {
        let rows = |list: &[(i64, f64)]| Rows {
            buckets: list.iter().map(|row| row.0).collect(),
            columns: vec![list.iter().map(|row| Some(row.1)).collect()],
        };
        let old = rows(&[(1, 1.0), (3, 3.0), (5, 5.0)]);
        assert_eq!(
            old.clone().overlay(rows(&[(2, 20.0), (3, 30.0), (9, 9.0)])),
            rows(&[(1, 1.0), (2, 20.0), (3, 30.0), (5, 5.0), (9, 9.0)])
        );
        assert_eq!(old.clone().overlay(rows(&[])), old);
    }
}
