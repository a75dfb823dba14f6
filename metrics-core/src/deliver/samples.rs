//! The single values of one delivery: grouped by series, and for each of them whether it is accounted for.
//!
//! The work for each value is small: one copy when they are grouped, and one bit when a run of them is handed in. The *bucket* of a value is looked
//! at only when a series has values of the other sort too (merged ones, or a delivery that was cut short): else all buckets of the series are
//! as in the snapshot.

use crate::collect::sample_batch::SampleBatch;
use crate::storage::bucket::Scheme;
use std::ops::Range;
use std::sync::Arc;

/// Values grouped by slot, each group in the order of recording on each thread.
#[derive(Default)]
pub(crate) struct GroupedSamples {
    values: Vec<f64>,
    /// In the order of slots.
    groups: Vec<(u32, Range<usize>)>,
}

impl GroupedSamples {
    /// Groups what is in these segments, oldest first, into the memory of an earlier delivery.
    pub(crate) fn of(segments: &[Arc<SampleBatch>], mut memory: Vec<f64>) -> GroupedSamples {
        memory.clear();
        let mut slots = 0;
        for segment in segments {
            for (slot, _) in segment.runs() {
                slots = slots.max(slot as usize + 1);
            }
        }
        // How many of each slot, then where each slot's begin, then where its next one goes.
        let mut places = vec![0usize; slots];
        for segment in segments {
            for (slot, run) in segment.runs() {
                places[slot as usize] += run.len();
            }
        }
        let mut groups = Vec::new();
        let mut from = 0;
        for (slot, place) in places.iter_mut().enumerate() {
            let len = std::mem::replace(place, from);
            if len > 0 {
                groups.push((slot as u32, from..from + len));
                from += len;
            }
        }
        memory.resize(from, 0.0);
        for segment in segments {
            for (slot, run) in segment.runs() {
                let place = &mut places[slot as usize];
                memory[*place..*place + run.len()].copy_from_slice(run);
                *place += run.len();
            }
        }
        GroupedSamples { values: memory, groups }
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The memory, for the next delivery.
    pub(crate) fn into_memory(self) -> Vec<f64> {
        self.values
    }

    /// Which group is this slot's.
    pub(crate) fn group(&self, slot: u32) -> Option<usize> {
        self.groups.binary_search_by_key(&slot, |(s, _)| *s).ok()
    }

    /// The groups, and whose they are.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (usize, usize)> {
        self.groups.iter().map(|(slot, _)| *slot as usize).enumerate()
    }

    /// None of them accounted for.
    pub(crate) fn marks(&self) -> AckBitmap {
        let mut groups = Vec::with_capacity(self.groups.len());
        for (_, range) in &self.groups {
            groups.push(Group { range: range.clone(), next: range.start, left: range.len(), in_buckets: false });
        }
        AckBitmap { done: vec![0; self.values.len().div_ceil(64)], groups }
    }
}

/// Which values are accounted for.
pub(crate) struct AckBitmap {
    done: Vec<u64>,
    groups: Vec<Group>,
}

struct Group {
    range: Range<usize>,
    /// Behind the last value that is accounted for.
    next: usize,
    /// How many are not accounted for.
    left: usize,
    /// `true` once the accounted values are counted in the cursor's buckets.
    in_buckets: bool,
}

impl AckBitmap {
    /// Values that are not accounted for: the last ones of the group, after any that is. And whether those are all there are.
    pub(crate) fn rest(&self, group: usize) -> (Range<usize>, bool) {
        let group = &self.groups[group];
        let rest = group.next..group.range.end;
        let all = rest.len() == group.left;
        (rest, all)
    }

    /// Accounts for a run of values; says how many were not before. What lies outside the group does not count.
    pub(crate) fn mark(
        &mut self,
        group: usize,
        run: Range<usize>,
        values: &[f64],
        scheme: Scheme,
        buckets: &mut [u64],
    ) -> u64 {
        let group = &mut self.groups[group];
        let run = run.start.max(group.range.start)..run.end.min(group.range.end);
        if run.is_empty() {
            return 0;
        }
        let mut new = 0;
        for word in run.start / 64..=(run.end - 1) / 64 {
            let low = run.start.saturating_sub(word * 64);
            let high = (run.end - word * 64).min(64);
            let bits = (u64::MAX >> (64 - (high - low))) << low;
            let mut fresh = bits & !self.done[word];
            new += u64::from(fresh.count_ones());
            self.done[word] |= bits;
            while group.in_buckets && fresh != 0 {
                count(values[word * 64 + fresh.trailing_zeros() as usize], scheme, buckets);
                fresh &= fresh - 1;
            }
        }
        group.left -= new as usize;
        group.next = group.next.max(run.end);
        new
    }

    /// From here on the cursor's buckets tell of each value that is accounted for.
    pub(crate) fn fold_into_buckets(&mut self, group: usize, values: &[f64], scheme: Scheme, buckets: &mut [u64]) {
        let group = &mut self.groups[group];
        if std::mem::replace(&mut group.in_buckets, true) || group.left == group.range.len() {
            return;
        }
        for at in group.range.clone().filter(|at| self.done[at / 64] >> (at % 64) & 1 == 1) {
            count(values[at], scheme, buckets);
        }
    }

    /// Returns whether there are accounted values that the cursor's buckets do not count yet.
    pub(crate) fn is_unfolded(&self, group: usize) -> bool {
        let group = &self.groups[group];
        !group.in_buckets && group.left < group.range.len()
    }

    /// The first value of a bucket that is not accounted for.
    pub(crate) fn first_of(&self, group: usize, bucket: usize, values: &[f64], scheme: Scheme) -> Option<usize> {
        let group = &self.groups[group];
        if group.left == 0 {
            return None;
        }
        // Usually values are handed in in their order.
        let is_it = |at: &usize| self.done[at / 64] >> (at % 64) & 1 == 0 && scheme.index(values[*at]) == bucket;
        (group.next..group.range.end).find(is_it).or_else(|| (group.range.start..group.next).find(is_it))
    }
}

fn count(value: f64, scheme: Scheme, buckets: &mut [u64]) {
    if let Some(bucket) = buckets.get_mut(scheme.index(value)) {
        *bucket += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(values: &[(u32, f64)]) -> Arc<SampleBatch> {
        let mut segment = SampleBatch::default();
        segment.begin(1, values.len());
        values.iter().for_each(|(slot, value)| segment.push(*slot, *value));
        Arc::new(segment)
    }

    #[test]
    fn groups_keep_the_order_of_recording() {
        let segments =
            [segment(&[(3, 1.0), (3, 2.0), (0, 3.0)]), segment(&[]), segment(&[(3, 4.0), (7, 5.0), (0, 6.0)])];
        let grouped = GroupedSamples::of(&segments, vec![9.0; 2]);
        assert_eq!(grouped.values(), [3.0, 6.0, 1.0, 2.0, 4.0, 5.0]);
        let marks = grouped.marks();
        let of = |slot| grouped.group(slot).map(|g| marks.rest(g).0);
        assert_eq!((of(0), of(3), of(7), of(1)), (Some(0..2), Some(2..5), Some(5..6), None));
    }

    #[test]
    fn a_run_counts_once_whatever_its_order_and_bounds() {
        let values: Vec<(u32, f64)> = (0..300).map(|i| (i / 200, f64::from(i))).collect();
        let grouped = GroupedSamples::of(&[segment(&values)], Vec::new());
        let mut marks = grouped.marks();
        let mut buckets = vec![0; Scheme::Nanos.len()];
        let mut mark = |marks: &mut AckBitmap, run| marks.mark(0, run, grouped.values(), Scheme::Nanos, &mut buckets);
        assert_eq!(mark(&mut marks, 60..130), 70);
        assert_eq!((marks.rest(0), marks.groups[0].left), ((130..200, false), 130));
        assert_eq!(mark(&mut marks, 0..70), 60);
        assert_eq!(marks.rest(0), (130..200, true));
        assert_eq!(mark(&mut marks, 60..130), 0);
        assert_eq!(mark(&mut marks, 199..1000), 1);
        assert_eq!((marks.rest(0), marks.groups[0].left, marks.groups[1].left), ((200..200, false), 69, 100));
        assert!(marks.is_unfolded(0) && !marks.is_unfolded(1));
        marks.fold_into_buckets(0, grouped.values(), Scheme::Nanos, &mut buckets);
        assert_eq!(buckets.iter().sum::<u64>(), 131);
        // Settled, each further one is counted at once, and none twice.
        assert_eq!(marks.mark(0, 129..132, grouped.values(), Scheme::Nanos, &mut buckets), 2);
        marks.fold_into_buckets(0, grouped.values(), Scheme::Nanos, &mut buckets);
        assert_eq!(buckets.iter().sum::<u64>(), 133);
        let bucket = Scheme::Nanos.index(133.0);
        assert_eq!(marks.first_of(0, bucket, grouped.values(), Scheme::Nanos), Some(132));
    }
}
