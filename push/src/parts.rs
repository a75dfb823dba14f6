//! An instrument as numbers with names, for formats that have nothing but numbers: a counter and a gauge are one, a timer is six.

use crate::instruments::{Rates, Summary};
use crate::packed::Memory;
use crate::scaled::scaled;
use ferrometer_core::{Distribution, Kind, Scheme, Totals, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A count.
    Whole(u64),
    /// How many are in progress.
    Signed(i64),
    /// Anything else; finite.
    Float(f64),
}

/// The names of a kind's numbers, in the order in which [`Interval::parts`] gives them. The empty one is the instrument itself.
#[must_use]
pub fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Counter => &["", "decrements"],
        Kind::Timer | Kind::Histogram => &["count", "sum", "p50", "p95", "p99", "max"],
        _ => &[""],
    }
}

/// Where the distributions stood when they were last sent: quantiles are those of what was recorded since.
#[derive(Debug, Default)]
pub struct Interval {
    /// By the series' id, as far as one of a distribution was sent.
    sent: Vec<Option<Arc<Distribution>>>,
    /// Series of distributions among the first `seen` ones: others have nothing to note.
    distributions: Vec<u32>,
    seen: usize,
}

impl Interval {
    /// Calls `each` with the name and value of every number that an instrument has: a counter's increments, and its decrements once there were any;
    /// of timers and histograms the count and the sum, which only grow, and of what was recorded since they were last sent the quantiles and the
    /// largest value. Timers are in milliseconds.
    pub fn parts(
        &self,
        summary: &Summary<'_>,
        ids: impl Iterator<Item = usize>,
        mut each: impl FnMut(&'static str, Number),
    ) {
        match summary {
            Summary::Counter { increments, decrements } => {
                each("", Number::Whole(*increments));
                if *decrements > 0 {
                    each("decrements", Number::Whole(*decrements));
                }
            }
            Summary::Gauge(value) => each("", Number::Float(*value)),
            Summary::InFlight(value) => each("", Number::Signed(*value)),
            Summary::Distributions(rates) => self.distribution(rates, ids, &mut each),
        }
    }

    fn distribution(
        &self,
        rates: &Rates<'_>,
        ids: impl Iterator<Item = usize>,
        each: &mut dyn FnMut(&'static str, Number),
    ) {
        let (mut count, mut sum) = (0u64, 0.0);
        let mut unit = 1.0;
        let mut new = Vec::new();
        for ((rate, d), id) in rates.iter().zip(ids) {
            if d.scheme() == Scheme::Nanos {
                unit = 1e6;
            }
            count = count.saturating_add(scaled(d.count(), rate));
            sum += d.sum() / unit / rate;
            let before = self.sent.get(id).and_then(Option::as_ref);
            let is_new = before.is_none_or(|before| before.count() != d.count()) && d.count() > 0;
            if is_new {
                new.push((rate, before.map_or_else(|| Distribution::clone(d), |before| d.since(before))));
            }
        }
        each("count", Number::Whole(count));
        // A sum beyond what a float holds has no value to show.
        if f64::is_finite(sum) {
            each("sum", Number::Float(sum));
        }
        if new.is_empty() {
            return;
        }
        for (name, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            each(name, Number::Float(quantile(&new, q) / unit));
        }
        each("max", Number::Float(max(&new) / unit));
    }

    /// Notes what was sent: what is recorded from here on is the next interval's.
    pub fn sent(&mut self, totals: Totals<'_>, memory: &Memory) {
        for id in self.seen..totals.len() {
            if totals.get(id).is_some_and(|total| matches!(total.value, Value::Distribution(_))) {
                self.distributions.push(id as u32);
            }
        }
        self.seen = totals.len();
        for id in self.distributions.iter().map(|id| *id as usize) {
            if !memory.account().is_sent(id) {
                continue;
            }
            let Some(Value::Distribution(d)) = totals.get(id).map(|total| total.value) else { continue };
            if self.sent.len() <= id {
                self.sent.resize(id + 1, None);
            }
            self.sent[id] = Some(Arc::clone(d));
        }
    }
}

fn max(parts: &[(f64, Distribution)]) -> f64 {
    parts.iter().map(|(_, d)| d.max()).fold(f64::NEG_INFINITY, f64::max)
}

/// The quantile of distributions sampled at different rates, each value counted as many times as calls it stands for.
fn quantile(parts: &[(f64, Distribution)], q: f64) -> f64 {
    if let [(_, only)] = parts {
        return only.quantile(q).unwrap_or(0.0);
    }
    let largest = parts.iter().map(|(rate, _)| *rate).fold(0.0, f64::max);
    let mut buckets: BTreeMap<usize, f64> = BTreeMap::new();
    for (rate, d) in parts {
        d.buckets().for_each(|(bucket, count)| *buckets.entry(bucket).or_default() += count as f64 * (largest / rate));
    }
    let rank = q * buckets.values().sum::<f64>();
    let mut seen = 0.0;
    let reached = buckets.iter().find(|(_, weight)| {
        seen += **weight;
        seen >= rank
    });
    let bucket = reached.or(buckets.last_key_value()).map_or(0, |(bucket, _)| *bucket);
    let max = max(parts);
    parts[0].1.scheme().representative(bucket, max).min(max)
}
