//! The raw points of a metric that can still change an aggregate, and what was accepted of it.

use crate::aggregate::{Rows, rows};
use crate::policy::{Definition, Policy};
use crate::{Nanos, Point};

/// Raw points of a metric from the start of its back window on, and its account.
///
/// A point is accepted when it is not before the window as it stood when its batch began. All buckets that an accepted point can touch
/// have their raw points here, so their aggregates are computed again from all of them, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Window {
    /// Sequence number of the last batch that was applied; a batch is applied once.
    pub applied: u64,
    /// The latest point.
    pub last: Option<Nanos>,
    /// From here on every accepted point is in `points`.
    pub complete_from: Nanos,
    /// Points accepted since the metric was created; a point replaced by one of its own time stamp counts again.
    pub accepted: u64,
    /// Points that came too late for the back window.
    pub too_late: u64,
    /// Sorted by time, one of each stamp. The first may be the one before `complete_from`, for differences.
    pub points: Vec<Point>,
    /// The earliest point that changed since the window was stored.
    pub changed_from: Option<Nanos>,
    /// True when the account changed since the window was stored.
    pub touched: bool,
}

impl Window {
    /// Applies one batch: points in any order, of which the first with a stamp counts, and replaces an older one of that stamp.
    pub fn apply(&mut self, sequence: u64, mut batch: Vec<Point>, policy: &Policy) {
        if sequence <= self.applied {
            return;
        }
        self.applied = sequence;
        self.touched = true;
        let from = match self.last {
            Some(last) => policy.accept_from(last).max(self.complete_from),
            None => 0,
        };
        if !batch.windows(2).all(|pair| pair[0].at < pair[1].at) {
            batch.sort_by_key(|point| point.at);
            // The duplicates within a batch are no points that came too late.
            batch.dedup_by_key(|point| point.at);
        }
        let late = batch.partition_point(|point| point.at < from);
        self.too_late += late as u64;
        batch.drain(..late);
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        self.accepted += batch.len() as u64;
        self.last = Some(self.last.map_or(last.at, |known| known.max(last.at)));
        self.changed_from = Some(self.changed_from.map_or(first.at, |known| known.min(first.at)));
        if self.points.is_empty() {
            if batch.capacity() > batch.len() + batch.len() / 4 {
                batch.shrink_to_fit();
            }
            self.points = batch;
            return;
        }
        // A quarter of room to grow, where doubling would make the bound of memory twice what is used.
        if self.points.capacity() < self.points.len() + batch.len() {
            self.points.reserve_exact(batch.len() + self.points.len() / 4);
        }
        if self.points.last().is_none_or(|known| known.at < first.at) {
            self.points.extend_from_slice(&batch);
            return;
        }
        let at = self.points.partition_point(|point| point.at < first.at);
        let tail: Vec<Point> = self.points.drain(at..).collect();
        let (mut old, mut new) = (tail.into_iter().peekable(), batch.iter().copied().peekable());
        loop {
            let take_new = match (old.peek(), new.peek()) {
                (Some(a), Some(b)) if a.at == b.at => {
                    old.next();
                    true
                }
                (Some(a), Some(b)) => b.at < a.at,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            match if take_new { new.next() } else { old.next() } {
                Some(point) => self.points.push(point),
                None => break,
            }
        }
    }

    /// Returns the rows of a definition that changed since the window was stored and are not too old to be kept, from a bucket on.
    pub fn changed(&self, definition: &Definition, methods: &[crate::Method], from_bucket: i64) -> Rows {
        match (self.changed_from, self.last) {
            (Some(from), Some(last)) => {
                let first =
                    from.div_euclid(definition.granularity).max(definition.oldest_bucket(last)).max(from_bucket);
                rows(&self.points, definition.granularity, methods, first)
            }
            _ => Rows::with_columns(methods.len()),
        }
    }

    /// Returns the window as it is stored: without the points that can change nothing any more, and unchanged.
    pub fn settled(&self, policy: &Policy) -> Window {
        let accepted = self.last.map_or(Nanos::MIN, |last| policy.accept_from(last));
        let floors = policy.definitions().iter().map(|d| accepted.div_euclid(d.granularity) * d.granularity);
        let keep_from = if self.last.is_some() { floors.min().unwrap_or(accepted) } else { Nanos::MIN };
        let mut cut = 0;
        if keep_from > self.complete_from {
            cut = self.points.partition_point(|point| point.at < keep_from);
            if policy.has_rate() {
                cut = cut.saturating_sub(1);
            }
        }
        Window {
            complete_from: self.complete_from.max(keep_from),
            points: self.points[cut..].to_vec(),
            changed_from: None,
            touched: false,
            ..*self
        }
    }

    /// Returns the first bucket of which every accepted point is here.
    pub fn first_complete(&self, granularity: Nanos) -> i64 {
        self.complete_from.div_euclid(granularity) + i64::from(self.complete_from.rem_euclid(granularity) != 0)
    }

    /// Returns how many bytes of memory the points take.
    pub fn memory(&self) -> usize {
        self.points.capacity() * size_of::<Point>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SECOND;
    use crate::method::{Kind, Method};

    fn policy() -> Policy {
        let minute = Definition::new(Some(60 * SECOND), Some(10), None).unwrap();
        Policy::new("p", 1, vec![minute], &[Method::of(Kind::Mean)]).unwrap()
    }

    fn batch(list: &[(i64, f64)]) -> Vec<Point> {
        list.iter().map(|(second, value)| Point { at: second * SECOND, value: *value }).collect()
    }

    #[test]
    fn within_a_batch_the_first_of_a_stamp_counts_and_over_batches_the_last() {
        let mut window = Window::default();
        window.apply(1, batch(&[(5, 1.0), (3, 2.0), (5, 9.0)]), &policy());
        assert_eq!(window.points, batch(&[(3, 2.0), (5, 1.0)]));
        window.apply(2, batch(&[(5, 7.0), (4, 6.0)]), &policy());
        window.apply(2, batch(&[(5, 8.0)]), &policy());
        assert_eq!(window.points, batch(&[(3, 2.0), (4, 6.0), (5, 7.0)]));
        assert_eq!((window.accepted, window.too_late), (4, 0));
    }

    #[test]
    fn what_is_too_late_is_counted_and_what_is_settled_stays_complete() {
        let (mut window, policy) = (Window::default(), policy());
        window.apply(1, batch(&[(10, 1.0), (630, 2.0)]), &policy);
        window = window.settled(&policy);
        assert_eq!((window.complete_from, window.points.len()), (540 * SECOND, 1));
        window.apply(2, batch(&[(539, 1.0), (540, 3.0)]), &policy);
        assert_eq!((window.too_late, window.accepted), (1, 3));
        // A longer back window does not open what is no longer complete.
        let longer = policy.resized(policy.definitions().to_vec(), Some(5)).unwrap();
        window.apply(3, batch(&[(400, 1.0)]), &longer);
        assert_eq!(window.too_late, 2);
    }
}
