//! Which series are one instrument: those that differ in nothing but their sample rate, shown as one.

use ferrometer_core::{Series, Total};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Series that are shown as one.
#[derive(Debug)]
pub(crate) struct Instrument {
    /// The one registered first, for all that does not depend on the rate.
    pub(crate) first: &'static Series,
    /// The ids of all.
    members: Vec<usize>,
}

impl Instrument {
    /// The totals of each rate.
    pub(crate) fn totals<'t>(&self, totals: &'t [Total]) -> impl Iterator<Item = &'t Total> + Clone {
        self.members.iter().filter_map(|id| totals.get(*id))
    }
}

/// The same for the series of one instrument; seldom for others.
fn hash(series: &Series) -> u64 {
    let mut hasher = DefaultHasher::new();
    (series.kind(), series.logger_name(), series.metric_name()).hash(&mut hasher);
    series.labels().for_each(|label| label.hash(&mut hasher));
    hasher.finish()
}

/// Every instrument, in the order of registration.
#[derive(Debug, Default)]
pub(crate) struct Instruments {
    list: Vec<Instrument>,
    /// The instrument of each series.
    of_series: Vec<usize>,
    found: HashMap<u64, Vec<usize>>,
}

impl Instruments {
    /// Takes in series registered since. They are indexed by id and are never taken away.
    pub(crate) fn update(&mut self, totals: &[Total]) {
        for total in totals.iter().skip(self.of_series.len()) {
            let series = total.series;
            let candidates = self.found.entry(hash(series)).or_default();
            let list = &mut self.list;
            let at =
                candidates.iter().copied().find(|at| list[*at].first.same_instrument(series)).unwrap_or_else(|| {
                    list.push(Instrument { first: series, members: Vec::new() });
                    candidates.push(list.len() - 1);
                    list.len() - 1
                });
            list[at].members.push(series.id());
            self.of_series.push(at);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Instrument)> {
        self.list.iter().enumerate()
    }

    /// The instrument of a series.
    pub(crate) fn of(&self, series: &Series) -> Option<usize> {
        self.of_series.get(series.id()).copied()
    }
}
