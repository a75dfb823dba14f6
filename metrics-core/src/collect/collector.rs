//! The collector's work: reads the cells of all threads into one snapshot. Runs under the pipeline's lock, one at a time.
//!
//! It is one pass, whose steps share their state; hence the length.

use crate::collect::distribution::Distribution;
use crate::collect::exact::{Exact, Units};
use crate::collect::exemplars::LastExemplars;
use crate::collect::ledger::Amount;
use crate::collect::sample_batch::{BatchPool, SampleBatch};
use crate::collect::scalar_blocks::{Block, Blocks, Row};
use crate::collect::snapshot::Snapshot;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::storage::bucket::Scheme;
use crate::storage::cell_address::CHUNK;
use crate::storage::histogram_cell::{Dist, OwnDist};
use crate::storage::non_finite;
use crate::storage::non_finite::Invalid;
use crate::storage::sample_ring::Ring;
use crate::storage::scalar_cell::Writer;
use crate::storage::slab::Slab;
use crate::storage::thread_slab;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Instant, SystemTime};

/// The part of a series that counts as recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// It is ferrometer's own, or not known yet.
    Nothing,
    Recordings,
    /// Increments and decrements too.
    Value,
}

/// The collector, with the state that it keeps between collections.
#[derive(Default)]
pub(crate) struct Collector {
    sequence: u64,
    /// Single values that were drained from rings, folded, by slot among distributions.
    drained: Vec<Option<OwnDist>>,
    /// The last collection. Where nothing changed, the next snapshot shares it.
    scalars: Blocks,
    distributions: Arc<Vec<Arc<Distribution>>>,
    /// How many series were looked at, and which of them take floats, in the order of their ids and slots: gauges have values elsewhere than in
    /// cells, and floats can be refused.
    seen: usize,
    floats: Vec<&'static Series>,
    /// Counters that are sampled, in the order of their ids and slots.
    sampled: Vec<&'static Series>,
    exact: Exact,
    /// By slot, of scalars and of distributions.
    counts: (Vec<Counts>, Vec<Counts>),
    /// Everything recorded since the program started, refused floats and ferrometer's own metrics left out.
    recorded: Amount,
    /// Refusals as of the last collection, and whether anything else changed since.
    invalid: Invalid,
    is_new: bool,
    /// The number of the last snapshot that said something new.
    news: u64,
    pool: BatchPool,
    exemplars: LastExemplars,
}

impl Collector {
    /// Takes the single values out of every ring and folds them into the distributions.
    pub(crate) fn drain(&mut self) -> Arc<SampleBatch> {
        let slabs = thread_slab::slabs();
        self.drain_slabs(&slabs)
    }

    fn drain_slabs(&mut self, slabs: &[&Slab]) -> Arc<SampleBatch> {
        let mut len = 0;
        for slab in slabs {
            len += slab.ring().map_or(0, Ring::len);
        }
        let mut drained = self.pool.take();
        // Nobody else has it yet: it is shared when it is returned.
        let Some(segment) = Arc::get_mut(&mut drained) else { return drained };
        // Some more may be pushed while the first are read.
        segment.begin(self.sequence + 1, if len > 0 { len + len / 8 } else { 0 });
        for slab in slabs {
            let Some(ring) = slab.ring() else { continue };
            ring.drain(|slot, bits| {
                if self.drained.get(slot as usize).is_none_or(Option::is_none) {
                    self.add_drained(slot);
                }
                let Some(Some(cell)) = self.drained.get(slot as usize) else { return };
                let cell = cell.get();
                cell.record_bits(bits, Writer::Single);
                let value = match cell.scheme() {
                    Scheme::Nanos => float(bits),
                    Scheme::Float => f64::from_bits(bits),
                };
                segment.push(slot, value);
            });
        }
        self.pool.put(&drained);
        drained
    }

    fn make_places(&mut self, len: usize) {
        while self.drained.len() < len {
            self.drained.push(None);
        }
    }

    /// Makes the cell that single values of a series are folded into.
    #[cold]
    fn add_drained(&mut self, slot: u32) {
        let dists = series_table::list().dists;
        let Some(scheme) = dists.get(slot as usize) else { return };
        self.make_places(dists.len());
        self.drained[slot as usize] = Some(OwnDist::new(*scheme));
    }

    /// Reads everything. Everything recorded before the call is in.
    pub(crate) fn collect(&mut self) -> (Arc<Snapshot>, Arc<SampleBatch>) {
        let (time, instant) = (SystemTime::now(), Instant::now());
        // Before the cells: the recordings of those taken are in them.
        self.is_new |= self.exemplars.take(self.sequence + 1);
        let slabs = thread_slab::slabs();
        let segment = self.drain_slabs(&slabs);
        let listed = series_table::list();
        for series in series_table::series_in(self.seen..listed.series) {
            self.add(series);
        }
        self.seen = listed.series;
        self.collect_distributions(&slabs, &listed.dists);
        self.collect_scalars(&slabs);
        let (mut refused, mut recorded) = (Vec::new(), self.recorded);
        for series in &self.floats {
            let count = non_finite::of(series.id);
            if count > 0 {
                refused.push((series.id, count));
                recorded += Amount::new(if series.is_internal() { 0 } else { count });
            }
        }
        self.sequence += 1;
        let invalid = Invalid::new(refused);
        if self.is_new || invalid != self.invalid {
            (self.news, self.is_new, self.invalid) = (self.sequence, false, invalid.clone());
        }
        let snapshot = Snapshot {
            sequence: self.sequence,
            time,
            instant,
            len: listed.series,
            scalars: self.scalars.clone(),
            distributions: Arc::clone(&self.distributions),
            invalid,
            news: self.news,
            exact: self.exact.clone(),
            recorded,
            exemplars: self.exemplars.all(),
        };
        (Arc::new(snapshot), segment)
    }

    /// Takes in a series that was registered since the last collection.
    fn add(&mut self, series: &'static Series) {
        let kind = series.kind();
        let counts = match kind {
            _ if series.is_internal() => Counts::Nothing,
            Kind::Counter => Counts::Value,
            _ => Counts::Recordings,
        };
        let all = if kind.scheme().is_some() { &mut self.counts.1 } else { &mut self.counts.0 };
        while all.len() < series.slot as usize {
            all.push(Counts::Nothing);
        }
        all.push(counts);
        if matches!(kind, Kind::Gauge | Kind::Histogram) {
            self.floats.push(series);
        }
        if kind == Kind::Counter && series.is_rated() {
            self.sampled.push(series);
        }
    }

    fn collect_distributions(&mut self, slabs: &[&Slab], schemes: &[Scheme]) {
        self.make_places(schemes.len());
        // The list is copied where something in it changed, and only then.
        let mut changed: Option<Vec<Arc<Distribution>>> = None;
        for (slot, scheme) in schemes.iter().enumerate() {
            let new = self.distribution(slabs, slot, *scheme);
            let old = self.distributions.get(slot);
            if old.is_some_and(|old| **old == new) {
                continue;
            }
            // The values of a series that came since are counted when that is known.
            let counts = self.counts.1.get(slot).copied();
            let new = if counts.is_none() { Distribution::new(*scheme) } else { new };
            if counts.is_some_and(|counts| counts != Counts::Nothing) {
                self.recorded += Amount::new(new.count.wrapping_sub(old.map_or(0, |old| old.count)));
            }
            let mut all = match changed.take() {
                Some(all) => all,
                None => Vec::clone(&self.distributions),
            };
            match all.get_mut(slot) {
                Some(old) => *old = Arc::new(new),
                None => all.push(Arc::new(new)),
            }
            changed = Some(all);
        }
        if let Some(all) = changed {
            self.distributions = Arc::new(all);
            self.is_new = true;
        }
    }

    fn collect_scalars(&mut self, slabs: &[&Slab]) {
        let mut floats = self.floats.as_slice();
        let (mut sampled, mut exact) = (self.sampled.as_slice(), Vec::new());
        for (chunk, counts) in self.counts.0.chunks(CHUNK).enumerate() {
            while let [series, rest @ ..] = floats
                && series.kind() != Kind::Gauge
            {
                floats = rest;
            }
            let is_here = |series: Option<&&'static Series>| series.is_some_and(|s| s.slot as usize / CHUNK == chunk);
            if !is_here(floats.first())
                && !is_here(sampled.first())
                && let Some(mut sums) = sum_unit_counts(slabs, chunk)
            {
                // The values of a series that came since are not in this snapshot.
                sums[counts.len()..].fill(0);
                if self.scalars.0.get(chunk).is_some_and(|old| old.is_of_unit_counts(&sums)) {
                    continue;
                }
                put_block(&mut self.scalars, chunk, Block::of_unit_counts(sums), counts, &mut self.recorded);
                self.is_new = true;
                continue;
            }
            let (mut rows, units) = sum_scalars(slabs, chunk);
            while let [series, rest @ ..] = sampled
                && series.slot as usize / CHUNK == chunk
            {
                let units = units[series.slot as usize % CHUNK];
                if units != Units::default() {
                    exact.push((series.id, units));
                }
                sampled = rest;
            }
            // The values of a series that came since are not in this snapshot.
            rows[counts.len()..].fill(Row::default());
            // A gauge that was set has its value by now: its count was acquired.
            while let [series, rest @ ..] = floats {
                let slot = series.slot as usize;
                if series.kind() == Kind::Gauge {
                    if slot / CHUNK != chunk {
                        break;
                    }
                    rows[slot % CHUNK].increments = series.value().load(Relaxed);
                    rows[slot % CHUNK].decrements = 0;
                }
                floats = rest;
            }
            let new = Block::of(&rows);
            if self.scalars.0.get(chunk).is_none_or(|old| **old != new) {
                put_block(&mut self.scalars, chunk, new, counts, &mut self.recorded);
                self.is_new = true;
            }
        }
        self.exact = Exact::new(exact);
    }

    fn distribution(&self, slabs: &[&Slab], slot: usize, scheme: Scheme) -> Distribution {
        let mut sum = Sum::new(scheme);
        for slab in slabs {
            if let Some(cell) = slab.dist_of(slot as u32) {
                sum.add(cell);
            }
        }
        if let Some(cell) = &self.drained[slot] {
            sum.add(cell.get());
        }
        sum.finish()
    }
}

/// A whole number as a float.
#[inline]
fn float(value: u64) -> f64 {
    // Below 2^52 it is the lowest bits of a float of 2^52 and more: an unsigned conversion takes several times as long.
    const TOP: f64 = (1u64 << 52) as f64;
    if value < 1 << 52 { f64::from_bits(value | TOP.to_bits()) - TOP } else { value as f64 }
}

/// Puts a block that has changed in its place, and counts what was recorded.
fn put_block(scalars: &mut Blocks, chunk: usize, new: Block, counts: &[Counts], recorded: &mut Amount) {
    scalars.grow(chunk + 1);
    let new = Arc::new(new);
    let old = std::mem::replace(&mut scalars.0[chunk], Arc::clone(&new));
    if let Some(more) = new.unit_counts().zip(old.unit_counts()).map(|(new, old)| more_unit_counts(new, old, counts)) {
        *recorded += more;
        return;
    }
    for (at, counts) in counts.iter().enumerate() {
        let more = new.get(at).amount().minus(old.get(at).amount());
        match counts {
            Counts::Nothing => {}
            Counts::Recordings => *recorded += Amount::new(more.recordings),
            Counts::Value => *recorded += more,
        }
    }
}

/// Returns what was recorded by increments of one alone. Without a branch, so that several series are counted at once.
fn more_unit_counts(new: &[u64; CHUNK], old: &[u64; CHUNK], counts: &[Counts]) -> Amount {
    let (mut recordings, mut increments) = (0u64, 0u64);
    for ((new, old), counts) in new.iter().zip(old).zip(counts) {
        let more = new.wrapping_sub(*old);
        recordings = recordings.wrapping_add(if *counts == Counts::Nothing { 0 } else { more });
        increments = increments.wrapping_add(if *counts == Counts::Value { more } else { 0 });
    }
    Amount::new(recordings).with_value(increments, 0)
}

/// Sums the unit counts of a chunk; `None` where there are other recordings in it. Most chunks have none, and that is a third of the memory to be read.
fn sum_unit_counts(slabs: &[&Slab], chunk: usize) -> Option<[u64; CHUNK]> {
    let mut sums = [0u64; CHUNK];
    for slab in slabs {
        if slab.scalars_of_chunk(chunk).is_some() {
            return None;
        }
        if let Some(ones) = slab.unit_counts_of_chunk(chunk) {
            for (sum, ones) in sums.iter_mut().zip(ones) {
                *sum = sum.wrapping_add(ones.load(Relaxed));
            }
        }
    }
    Some(sums)
}

fn sum_scalars(slabs: &[&Slab], chunk: usize) -> ([Row; CHUNK], [Units; CHUNK]) {
    let (mut sums, mut units) = ([Row::default(); CHUNK], [Units::default(); CHUNK]);
    for slab in slabs {
        if let Some(ones) = slab.unit_counts_of_chunk(chunk) {
            for ((sum, units), ones) in sums.iter_mut().zip(&mut units).zip(ones) {
                // Acquired: a gauge that was set has its value by now.
                let ones = ones.load(Acquire);
                units.recorded = units.recorded.wrapping_add(ones);
                sum.recordings = sum.recordings.wrapping_add(ones);
                sum.increments = sum.increments.wrapping_add(ones);
            }
        }
        let Some(cells) = slab.scalars_of_chunk(chunk) else { continue };
        for ((sum, units), cell) in sums.iter_mut().zip(&mut units).zip(cells) {
            units.skipped = units.skipped.wrapping_add(cell.skipped.load(Relaxed));
            // The count first, acquired: what is counted is in the value. A value may be ahead of its count; the next snapshot has
            // the count then, and a backend that looks for news finds it.
            sum.recordings = sum.recordings.wrapping_add(cell.calls.load(Acquire));
            sum.increments = sum.increments.wrapping_add(cell.inc.load(Relaxed));
            sum.decrements = sum.decrements.wrapping_add(cell.dec.load(Relaxed));
        }
    }
    (sums, units)
}

/// A distribution being summed over threads.
struct Sum {
    scheme: Scheme,
    buckets: Vec<u64>,
    nanos: u64,
    sum: f64,
    max: Option<f64>,
}

impl Sum {
    fn new(scheme: Scheme) -> Sum {
        Sum { scheme, buckets: vec![0; scheme.len()], nanos: 0, sum: 0.0, max: None }
    }

    fn add(&mut self, cell: Dist<'_>) {
        let mut any = 0;
        for (to, from) in self.buckets.iter_mut().zip(cell.buckets()) {
            let count = from.load(Relaxed);
            any |= count;
            *to += count;
        }
        if any == 0 {
            return;
        }
        let (sum, max) = (cell.sum(), cell.max());
        let max = match self.scheme {
            Scheme::Nanos => {
                self.nanos = self.nanos.wrapping_add(sum);
                max as f64
            }
            Scheme::Float => {
                self.sum += f64::from_bits(sum);
                f64::from_bits(max)
            }
        };
        // The very first value may be counted and its maximum not yet stored.
        if max.is_finite() {
            self.max = Some(self.max.map_or(max, |m| m.max(max)));
        }
    }

    fn finish(self) -> Distribution {
        let (mut buckets, mut all) = (Vec::new(), 0);
        for (index, count) in self.buckets.iter().enumerate() {
            if *count > 0 {
                buckets.push((index as u16, *count));
                all += count;
            }
        }
        Distribution {
            scheme: self.scheme,
            count: all,
            nanos: self.nanos,
            sum: if self.scheme == Scheme::Nanos { self.nanos as f64 } else { self.sum },
            max: self.max.unwrap_or(0.0),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn whole_numbers_become_floats_exactly() {
        for value in (0..64).map(|b| 1u64 << b).flat_map(|p| [p - 1, p, p + 1]) {
            assert_eq!(float(value), value as f64, "{value}");
        }
        assert_eq!(float(u64::MAX), u64::MAX as f64);
    }
}
