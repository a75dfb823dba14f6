//! The generation store: the newest generation and a bounded number of old ones, in the order of their timestamps.
//!
//! Timestamps are whole seconds and strictly increase, so that a reader who asks for what is newer than the last one it saw
//! gets every later generation:
//!
//! - A generation made in the same second of the system's clock as the newest (a flush, a short interval) takes its place and its
//!   timestamp. Totals are cumulative: whoever saw the first gets the difference with the next generation.
//! - When the clock stands at or before the newest timestamp (it was set back), the timestamp is one more than the newest, until
//!   the clock has caught up.

use crate::record::{ID, Point, Record};
use std::collections::VecDeque;
use std::sync::Arc;

/// All records of one time. Immutable.
#[derive(Debug)]
pub struct Generation {
    timestamp: i64,
    points: Box<[Point]>,
}

impl Generation {
    /// Seconds since 1970; strictly greater than that of any earlier generation.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// The records, sorted by metric, then by labels.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> + Clone {
        self.points.iter().map(|point| Record {
            id: ID,
            metric: &point.identity.metric,
            timestamp: self.timestamp,
            kind: point.identity.kind,
            value: point.value,
            labels: &point.identity.labels,
        })
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// What the points take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.points)
    }
}

/// Where the next generation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind the newest.
    New,
    /// In the place of the newest.
    Replace,
}

/// The generations, oldest first.
#[derive(Debug)]
pub(crate) struct Store {
    /// How many besides the newest.
    keep: usize,
    generations: VecDeque<Arc<Generation>>,
    /// The second of the system's clock in which the newest was made.
    second: i64,
}

impl Store {
    pub(crate) fn new(keep: usize) -> Store {
        Store { keep, generations: VecDeque::new(), second: 0 }
    }

    /// Where a generation made in this second of the system's clock goes.
    pub(crate) fn place(&self, second: i64) -> Place {
        if self.generations.is_empty() || second != self.second { Place::New } else { Place::Replace }
    }

    /// Puts a generation in its [`place`](Store::place). What falls out at the other end is handed back, to be freed without
    /// the lock.
    pub(crate) fn push(&mut self, second: i64, points: Box<[Point]>) -> (Arc<Generation>, Option<Arc<Generation>>) {
        let newest = self.generations.back().map(|g| g.timestamp);
        let place = self.place(second);
        let timestamp = match (place, newest) {
            (_, None) => second,
            (Place::Replace, Some(newest)) => newest,
            (Place::New, Some(newest)) => second.max(newest.saturating_add(1)),
        };
        let made = Arc::new(Generation { timestamp, points });
        let out = match place {
            Place::Replace => self.generations.pop_back(),
            Place::New if self.generations.len() > self.keep => self.generations.pop_front(),
            Place::New => None,
        };
        self.generations.push_back(Arc::clone(&made));
        self.second = second;
        (made, out)
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Generation>> {
        self.generations.back()
    }

    /// Those strictly newer than `after`, oldest first.
    pub(crate) fn history(&self, after: Option<i64>) -> History {
        let from = after.map_or(0, |after| self.generations.partition_point(|g| g.timestamp <= after));
        let kept: Vec<_> = self.generations.range(from..).cloned().collect();
        History { kept: kept.into_iter(), window: self.window() }
    }

    /// The timestamps of the oldest and the newest.
    pub(crate) fn window(&self) -> Option<(i64, i64)> {
        Some((self.generations.front()?.timestamp, self.generations.back()?.timestamp))
    }
}

/// Generations, oldest first, as they stood when it was made: see [`PullCacheHandle::history`](crate::PullCacheHandle::history).
#[derive(Debug)]
pub struct History {
    kept: std::vec::IntoIter<Arc<Generation>>,
    window: Option<(i64, i64)>,
}

impl History {
    /// The timestamps of the oldest and the newest generation that the cache held when this was made, whatever was asked for;
    /// `None` when it held none.
    #[must_use]
    pub fn window(&self) -> Option<(i64, i64)> {
        self.window
    }
}

impl Iterator for History {
    type Item = Arc<Generation>;

    fn next(&mut self) -> Option<Arc<Generation>> {
        self.kept.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(keep: usize, seconds: &[i64]) -> Store {
        let mut store = Store::new(keep);
        seconds.iter().for_each(|s| drop(store.push(*s, Box::default())));
        store
    }

    fn stamps(history: History) -> Vec<i64> {
        history.map(|g| g.timestamp).collect()
    }

    #[test]
    fn the_newest_and_as_many_old_ones_as_asked_for_are_kept() {
        assert_eq!(stamps(store(2, &[0, 1, 2, 3]).history(None)), [1, 2, 3]);
        assert_eq!(stamps(store(0, &[0, 1]).history(None)), [1]);
        assert_eq!(stamps(store(usize::MAX, &[0, 1]).history(None)), [0, 1]);
        assert_eq!(store(3, &(0..100).collect::<Vec<_>>()).history(None).count(), 4);
        assert_eq!(store(2, &[]).window(), None);
        assert_eq!(store(2, &[5, 6, 7, 8]).window(), Some((6, 8)));
    }

    #[test]
    fn since_is_strict_and_the_future_is_empty() {
        let store = store(10, &[10, 20, 30]);
        for (start, expected) in
            [(i64::MIN, vec![10, 20, 30]), (9, vec![10, 20, 30]), (10, vec![20, 30]), (29, vec![30]), (30, vec![])]
        {
            assert_eq!(stamps(store.history(Some(start))), expected, "{start}");
        }
        assert!(store.history(Some(i64::MAX)).next().is_none());
    }

    #[test]
    fn the_same_second_takes_the_place_of_the_newest() {
        let store = store(10, &[10, 10, 11, 11, 11]);
        assert_eq!(stamps(store.history(None)), [10, 11]);
        assert_eq!((store.place(11), store.place(12), store.place(10)), (Place::Replace, Place::New, Place::New));
    }

    #[test]
    fn a_clock_set_back_neither_hides_nor_reorders_anything() {
        let mut store = store(10, &[100, 110]);
        let mut seen = 110;
        for (second, expected) in [(50, 111), (60, 112), (60, 112), (112, 113), (120, 120), (-5, 121), (i64::MIN, 122)]
        {
            let place = store.place(second);
            store.push(second, Box::default());
            assert_eq!(store.newest().unwrap().timestamp, expected);
            assert_eq!(stamps(store.history(Some(seen))).len(), usize::from(place == Place::New), "{second}");
            seen = expected;
        }
        store.push(i64::MAX, Box::default());
        store.push(0, Box::default());
        assert_eq!(store.newest().unwrap().timestamp, i64::MAX);
    }
}
