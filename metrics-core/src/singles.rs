//! The single values of one delivery: grouped by series, and for each of them whether it is accounted for.
//!
//! They are what rings held and mail kept, so there are many of them, and the work for each is small: one copy when they are grouped, and one bit
//! when a run of them is handed in. Which *bucket* each stands in is looked at only when a series has values of the other sort too (merged ones,
//! or a delivery that was cut short): else all buckets of the series are as in the snapshot.

use crate::bucket::Scheme;
use std::ops::Range;
use std::sync::Arc;

/// Single values drained at one collection.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// The first snapshot they are in.
    pub(crate) sequence: u64,
    /// Timers in nanoseconds.
    values: Vec<f64>,
    /// Whose they are: a slot among distributions, and how many of its values follow each other. The values of one series often stand together.
    runs: Vec<(u32, u32)>,
}

impl Segment {
    /// Forgets the values and keeps the memory.
    pub(crate) fn begin(&mut self, sequence: u64, expected: usize) {
        self.sequence = sequence;
        self.values.clear();
        self.runs.clear();
        self.values.reserve(expected);
    }

    #[inline]
    pub(crate) fn push(&mut self, slot: u32, value: f64) {
        self.values.push(value);
        match self.runs.last_mut() {
            Some((last, len)) if *last == slot && *len < u32::MAX => *len += 1,
            _ => self.runs.push((slot, 1)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

}

/// Segments that were handed out, to be used again when nobody holds them any more.
#[derive(Default)]
pub(crate) struct Pool {
    segments: Vec<Arc<Segment>>,
}

impl Pool {
    /// How many are kept at most, and of how many values each.
    const SEGMENTS: usize = 32;
    const VALUES: usize = 4096;
    /// The most memory they take.
    pub(crate) const BYTES: usize = Self::SEGMENTS * (Self::VALUES * 16 + size_of::<Segment>());

    /// An empty segment.
    pub(crate) fn take(&mut self) -> Arc<Segment> {
        for at in 0..self.segments.len() {
            if Arc::get_mut(&mut self.segments[at]).is_some() {
                return self.segments.swap_remove(at);
            }
        }
        Arc::default()
    }

    /// Remembers a segment that is handed out.
    pub(crate) fn put(&mut self, segment: &Arc<Segment>) {
        let is_small = segment.values.capacity() <= Self::VALUES && segment.runs.capacity() <= Self::VALUES;
        if is_small && self.segments.len() < Self::SEGMENTS {
            self.segments.push(Arc::clone(segment));
        }
    }
}

/// Values grouped by slot, each group in the order of recording on each thread.
#[derive(Default)]
pub(crate) struct Grouped {
    values: Vec<f64>,
    /// In the order of slots.
    groups: Vec<(u32, Range<usize>)>,
}

impl Grouped {
    /// Groups what is in these segments, oldest first, into the memory of an earlier delivery.
    pub(crate) fn of(segments: &[Arc<Segment>], mut memory: Vec<f64>) -> Grouped {
        memory.clear();
        let mut slots = 0;
        for segment in segments {
            for (slot, _) in &segment.runs {
                slots = slots.max(*slot as usize + 1);
            }
        }
        // How many of each slot, then where each slot's begin, then where its next one goes.
        let mut places = vec![0usize; slots];
        for segment in segments {
            for (slot, len) in &segment.runs {
                places[*slot as usize] += *len as usize;
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
            let mut rest = segment.values.as_slice();
            for (slot, len) in &segment.runs {
                let (run, behind) = rest.split_at(*len as usize);
                rest = behind;
                let place = &mut places[*slot as usize];
                memory[*place..*place + run.len()].copy_from_slice(run);
                *place += run.len();
            }
        }
        Grouped { values: memory, groups }
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
    pub(crate) fn marks(&self) -> Marks {
        let mut groups = Vec::with_capacity(self.groups.len());
        for (_, range) in &self.groups {
            groups.push(Group { range: range.clone(), next: range.start, left: range.len(), in_buckets: false });
        }
        Marks { done: vec![0; self.values.len().div_ceil(64)], groups }
    }
}

/// Which values are accounted for.
pub(crate) struct Marks {
    done: Vec<u64>,
    groups: Vec<Group>,
}

struct Group {
    range: Range<usize>,
    /// Behind the last value that is accounted for.
    next: usize,
    /// How many are not accounted for.
    left: usize,
    /// Whether those that are accounted for are counted in the cursor's buckets.
    in_buckets: bool,
}

impl Marks {
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
    pub(crate) fn settle(&mut self, group: usize, values: &[f64], scheme: Scheme, buckets: &mut [u64]) {
        let group = &mut self.groups[group];
        if std::mem::replace(&mut group.in_buckets, true) || group.left == group.range.len() {
            return;
        }
        for at in group.range.clone().filter(|at| self.done[at / 64] >> (at % 64) & 1 == 1) {
            count(values[at], scheme, buckets);
        }
    }

    /// Whether the cursor's buckets have to be told of values yet.
    pub(crate) fn is_unsettled(&self, group: usize) -> bool {
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

    fn segment(values: &[(u32, f64)]) -> Arc<Segment> {
        let mut segment = Segment::default();
        segment.begin(1, values.len());
        values.iter().for_each(|(slot, value)| segment.push(*slot, *value));
        Arc::new(segment)
    }

    #[test]
    fn groups_keep_the_order_of_recording() {
        let segments = [segment(&[(3, 1.0), (3, 2.0), (0, 3.0)]), segment(&[]), segment(&[(3, 4.0), (7, 5.0), (0, 6.0)])];
        let grouped = Grouped::of(&segments, vec![9.0; 2]);
        assert_eq!(grouped.values(), [3.0, 6.0, 1.0, 2.0, 4.0, 5.0]);
        let marks = grouped.marks();
        let of = |slot| grouped.group(slot).map(|g| marks.rest(g).0);
        assert_eq!((of(0), of(3), of(7), of(1)), (Some(0..2), Some(2..5), Some(5..6), None));
    }

    #[test]
    fn the_pool_gives_out_what_nobody_holds() {
        let mut pool = Pool::default();
        let mut first = pool.take();
        Arc::get_mut(&mut first).unwrap().push(1, 1.0);
        pool.put(&first);
        assert!(!Arc::ptr_eq(&pool.take(), &first));
        let held = Arc::as_ptr(&first);
        drop(first);
        let again = pool.take();
        assert_eq!(Arc::as_ptr(&again), held);
        let mut large = Segment::default();
        large.begin(1, Pool::VALUES + 1);
        pool.put(&Arc::new(large));
        assert!(pool.segments.is_empty());
    }

    #[test]
    fn a_run_counts_once_whatever_its_order_and_bounds() {
        let values: Vec<(u32, f64)> = (0..300).map(|i| (i / 200, f64::from(i))).collect();
        let grouped = Grouped::of(&[segment(&values)], Vec::new());
        let mut marks = grouped.marks();
        let mut buckets = vec![0; Scheme::Nanos.len()];
        let mut mark = |marks: &mut Marks, run| marks.mark(0, run, grouped.values(), Scheme::Nanos, &mut buckets);
        assert_eq!(mark(&mut marks, 60..130), 70);
        assert_eq!((marks.rest(0), marks.groups[0].left), ((130..200, false), 130));
        assert_eq!(mark(&mut marks, 0..70), 60);
        assert_eq!(marks.rest(0), (130..200, true));
        assert_eq!(mark(&mut marks, 60..130), 0);
        assert_eq!(mark(&mut marks, 199..1000), 1);
        assert_eq!((marks.rest(0), marks.groups[0].left, marks.groups[1].left), ((200..200, false), 69, 100));
        assert!(marks.is_unsettled(0) && !marks.is_unsettled(1));
        marks.settle(0, grouped.values(), Scheme::Nanos, &mut buckets);
        assert_eq!(buckets.iter().sum::<u64>(), 131);
        // Settled, each further one is counted at once, and none twice.
        assert_eq!(marks.mark(0, 129..132, grouped.values(), Scheme::Nanos, &mut buckets), 2);
        marks.settle(0, grouped.values(), Scheme::Nanos, &mut buckets);
        assert_eq!(buckets.iter().sum::<u64>(), 133);
        let bucket = Scheme::Nanos.index(133.0);
        assert_eq!(marks.first_of(0, bucket, grouped.values(), Scheme::Nanos), Some(132));
    }
}
