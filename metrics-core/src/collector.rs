//! The collector's work: reads the cells of all threads into one snapshot. Runs under the pipeline's lock, one at a time.

use crate::bucket::Scheme;
use crate::cells::{Dist, OwnDist, Place, Slab, Writer};
use crate::lease;
use crate::registry;
use crate::ring::Ring;
use crate::series::{Kind, Series};
use crate::singles::{Pool, Segment};
use crate::snapshot::{Distribution, Snapshot, Total, Value};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Instant, SystemTime};

/// What the collector keeps between collections.
#[derive(Default)]
pub(crate) struct Collector {
    sequence: u64,
    /// Single values that were drained from rings, folded, by slot among distributions.
    drained: Vec<Option<OwnDist>>,
    last: Vec<Arc<Distribution>>,
    pool: Pool,
}

impl Collector {
    /// Takes the single values out of every ring and folds them into the distributions.
    pub(crate) fn drain(&mut self) -> Arc<Segment> {
        let slabs = lease::slabs();
        self.drain_slabs(&slabs)
    }

    fn drain_slabs(&mut self, slabs: &[&Slab]) -> Arc<Segment> {
        let rings = || slabs.iter().filter_map(|s| s.ring());
        let len: usize = rings().map(Ring::len).sum();
        let mut drained = self.pool.take();
        // Only here is it shared: whoever gets it holds it from below.
        let Some(segment) = Arc::get_mut(&mut drained) else { return drained };
        // Some more may be pushed while the first are read.
        segment.begin(self.sequence + 1, if len > 0 { len + len / 8 } else { 0 });
        for ring in rings() {
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

    /// Makes the cell that single values of a series are folded into.
    #[cold]
    fn add_drained(&mut self, slot: u32) {
        let dists = registry::list().dists;
        let Some(scheme) = dists.get(slot as usize) else { return };
        self.drained.resize_with(dists.len(), || None);
        self.drained[slot as usize] = Some(OwnDist::new(*scheme));
    }

    /// Reads everything. Everything recorded before the call is in.
    pub(crate) fn collect(&mut self) -> (Arc<Snapshot>, Arc<Segment>) {
        let (time, instant) = (SystemTime::now(), Instant::now());
        let slabs = lease::slabs();
        let segment = self.drain_slabs(&slabs);
        let listed = registry::list();
        let scalars = sum_scalars(&slabs, listed.scalars);
        self.drained.resize_with(listed.dists.len(), || None);
        for (slot, scheme) in listed.dists.iter().enumerate() {
            let new = self.distribution(&slabs, slot, *scheme);
            match self.last.get_mut(slot) {
                Some(old) if **old == new => {}
                Some(old) => *old = Arc::new(new),
                None => self.last.push(Arc::new(new)),
            }
        }
        let totals = listed.series.map(|series| self.total(series, &scalars)).collect();
        self.sequence += 1;
        (Arc::new(Snapshot { sequence: self.sequence, time, instant, totals }), segment)
    }

    fn total(&self, series: &'static Series, scalars: &[[u64; 3]]) -> Total {
        let slot = series.slot as usize;
        let (recordings, value) = match series.kind() {
            Kind::Timer | Kind::Histogram => {
                let distribution = Arc::clone(&self.last[slot]);
                (distribution.count, Value::Distribution(distribution))
            }
            kind => {
                let [increments, decrements, calls] = scalars[slot];
                let value = match kind {
                    Kind::Gauge => Value::Gauge(f64::from_bits(series.value().load(Relaxed))),
                    Kind::InFlight => Value::InFlight(increments.wrapping_sub(decrements) as i64),
                    _ => Value::Counter { increments, decrements },
                };
                (calls, value)
            }
        };
        Total { series, recordings, invalid: series.invalid.load(Relaxed), value }
    }

    fn distribution(&self, slabs: &[&Slab], slot: usize, scheme: Scheme) -> Distribution {
        let mut sum = Sum::new(scheme);
        slabs.iter().filter_map(|s| s.dist_of(slot as u32)).for_each(|cell| sum.add(cell));
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

fn sum_scalars(slabs: &[&Slab], len: usize) -> Vec<[u64; 3]> {
    let mut sums = vec![[0u64; 3]; len];
    for slab in slabs {
        for (slot, sum) in sums.iter_mut().enumerate() {
            let slot = slot as u32;
            if let Some(ones) = slab.ones(Place::scalar(slot)) {
                // Acquired: a gauge that was set has its value by now.
                let ones = ones.load(Acquire);
                sum[2] = sum[2].wrapping_add(ones);
                sum[0] = sum[0].wrapping_add(ones);
            }
            let Some(cell) = slab.scalar(slot) else { continue };
            // The count first, acquired: what is counted is in the value. A value may be ahead of its count; the next snapshot has
            // the count then, and whoever looks for news finds it.
            sum[2] = sum[2].wrapping_add(cell.calls.load(Acquire));
            sum[0] = sum[0].wrapping_add(cell.inc.load(Relaxed));
            sum[1] = sum[1].wrapping_add(cell.dec.load(Relaxed));
        }
    }
    sums
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
        let buckets: Vec<(u16, u64)> =
            self.buckets.iter().enumerate().filter(|(_, c)| **c > 0).map(|(i, c)| (i as u16, *c)).collect();
        Distribution {
            scheme: self.scheme,
            count: buckets.iter().map(|(_, c)| c).sum(),
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
