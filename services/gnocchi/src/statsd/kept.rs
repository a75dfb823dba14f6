//! Measures that the archive did not take yet: they go before what comes later, and are bounded.

use super::gathered::Measures;
use std::collections::VecDeque;

/// Most bytes of measures that are kept.
const MOST: usize = 64 << 20;

/// Measures of flushes that failed, in the order of their flushes.
#[derive(Default)]
pub(super) struct Kept {
    /// And the bytes of each.
    flushes: VecDeque<(Measures, usize)>,
    bytes: usize,
    measures: u64,
}

impl Kept {
    /// Adds the measures of the latest flush. Returns how many measures of the earliest ones had to go for them.
    #[must_use]
    pub(super) fn add(&mut self, measures: Measures) -> u64 {
        if measures.is_empty() {
            return 0;
        }
        let bytes = size(&measures);
        (self.bytes, self.measures) = (self.bytes + bytes, self.measures + count(&measures));
        self.flushes.push_back((measures, bytes));
        let before = self.measures;
        while self.bytes > MOST && self.take_first().is_some() {}
        before - self.measures
    }

    /// Returns the measures of the earliest flush.
    pub(super) fn first(&self) -> Option<&Measures> {
        self.flushes.front().map(|(measures, _)| measures)
    }

    /// Takes the measures of the earliest flush out.
    pub(super) fn take_first(&mut self) -> Option<Measures> {
        let (measures, bytes) = self.flushes.pop_front()?;
        (self.bytes, self.measures) = (self.bytes - bytes, self.measures - count(&measures));
        Some(measures)
    }

    /// Returns how many measures are kept.
    pub(super) fn count(&self) -> u64 {
        self.measures
    }
}

/// Returns the number of points.
pub(super) fn count(measures: &Measures) -> u64 {
    measures.iter().map(|(_, points)| points.len() as u64).sum()
}

/// Returns about how many bytes of memory measures take.
fn size(measures: &Measures) -> usize {
    measures.iter().map(|one| size_of_val(one) + one.0.capacity() + size_of_val(&one.1[..])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_archive::Point;

    fn flush(name: &str, points: usize) -> Measures {
        vec![(name.to_owned(), vec![Point { at: 1, value: 1.0 }; points])]
    }

    #[test]
    fn the_earliest_go_when_there_is_no_room() {
        let (third, mut kept) = (MOST / 3 / size_of::<Point>(), Kept::default());
        assert_eq!(kept.add(Measures::new()), 0);
        for name in ["a", "b"] {
            assert_eq!(kept.add(flush(name, third)), 0);
        }
        assert_eq!(kept.add(flush("c", third)), third as u64, "the third has a name too, which has no room");
        assert_eq!((kept.count(), &*kept.first().unwrap()[0].0), (2 * third as u64, "b"));
        assert_eq!(kept.add(flush("d", 4 * third)), 6 * third as u64, "one that is too large has no room either");
        assert_eq!((kept.count(), kept.bytes, kept.take_first()), (0, 0, None));
    }
}
