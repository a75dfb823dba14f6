//! Which series are one instrument: those that differ in nothing but their sample rate, shown as one; and which of them are
//! shown: those that something was recorded on lately. This is the one place that decides it, for records and for Prometheus.

use ferrometer_core::{Series, Total, Totals, Value};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter;

/// Series that are shown as one.
#[derive(Debug)]
pub(crate) struct Instrument {
    /// The one registered first, for all that does not depend on the rate.
    pub(crate) first: &'static Series,
    /// The ids of the others. Most have none.
    others: Vec<u32>,
    /// The number of another one whose hash is the same, from 1; 0: there is none.
    next: u32,
    /// What changes with each recording, and when it last did, in seconds.
    activity: u64,
    active: i64,
}

impl Instrument {
    /// The totals of each rate.
    pub(crate) fn totals<'t>(&self, totals: Totals<'t>) -> impl Iterator<Item = Total<'t>> + Clone {
        let others = self.others.iter();
        let ids = iter::once(self.first.id()).chain(others.map(|id| *id as usize));
        ids.filter_map(move |id| totals.get(id))
    }

    /// Looks whether something was recorded since it was looked last.
    fn look(&mut self, totals: Totals<'_>, now: i64) {
        let activity = self.totals(totals).fold(0u64, |all, total| {
            let value = match &total.value {
                Value::Counter { increments, decrements } => increments.wrapping_mul(3).wrapping_add(*decrements),
                Value::Gauge(value) => value.to_bits(),
                Value::InFlight(value) => *value as u64,
                Value::Distribution(d) => d.count(),
                _ => 0,
            };
            let one = value.wrapping_add(total.recordings.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            all.rotate_left(7).wrapping_add(one).wrapping_add(total.invalid)
        });
        // What is in progress is not idle, however long it takes.
        let busy = || self.totals(totals).any(|total| matches!(total.value, Value::InFlight(n) if n != 0));
        if activity != self.activity || now < self.active || busy() {
            (self.activity, self.active) = (activity, now);
        }
    }
}

/// The same for the series of one instrument; seldom for others.
fn hash(series: &Series) -> u64 {
    let mut hasher = DefaultHasher::new();
    (series.kind(), series.logger_name(), series.metric_name()).hash(&mut hasher);
    series.labels_with_object().for_each(|label| label.hash(&mut hasher));
    hasher.finish()
}

/// Every instrument, in the order of registration.
#[derive(Debug, Default)]
pub(crate) struct Instruments {
    list: Vec<Instrument>,
    /// The instrument of each series.
    of_series: Vec<u32>,
    /// The first of those that share a hash.
    found: HashMap<u64, u32>,
    /// Seconds without a recording after which an instrument is not shown; 0 for never.
    idle_after: i64,
    now: i64,
}

impl Instruments {
    pub(crate) fn new(idle_after: i64) -> Instruments {
        Instruments { idle_after, ..Instruments::default() }
    }

    /// Takes in series registered since (they are indexed by id and are never taken away), and what was recorded on all of them
    /// until `now`, in seconds that do not fall.
    pub(crate) fn update(&mut self, totals: Totals<'_>, now: i64) {
        self.now = now;
        for id in self.of_series.len()..totals.len() {
            let Some(Total { series, .. }) = totals.get(id) else { break };
            let at = self.place(series, now);
            self.of_series.push(at);
        }
        self.list.iter_mut().for_each(|instrument| instrument.look(totals, now));
    }

    /// The instrument of a series that came since.
    fn place(&mut self, series: &'static Series, now: i64) -> u32 {
        let new = self.list.len() as u32;
        let first = self.found.entry(hash(series)).or_insert(new);
        let mut at = *first;
        while let Some(instrument) = self.list.get_mut(at as usize) {
            if instrument.first.same_instrument(series) {
                instrument.others.push(series.id() as u32);
                return at;
            }
            at = match instrument.next {
                0 => {
                    instrument.next = new + 1;
                    new
                }
                next => next - 1,
            };
        }
        self.list.push(Instrument { first: series, others: Vec::new(), next: 0, activity: 0, active: now });
        new
    }

    /// Those that are shown, in the order of registration, each with its number. One that was idle for too long is not; it is again with
    /// its next recording, under the same number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Instrument)> {
        let idle = |i: &Instrument| self.idle_after > 0 && self.now.saturating_sub(i.active) > self.idle_after;
        self.list.iter().enumerate().filter(move |(_, instrument)| !idle(instrument))
    }

    /// How many are not shown because they are idle.
    pub(crate) fn count_idle(&self) -> usize {
        self.list.len() - self.iter().count()
    }

    /// The instrument of a series, shown or not.
    pub(crate) fn of(&self, series: &Series) -> Option<usize> {
        self.of_series.get(series.id()).map(|at| *at as usize)
    }
}
