//! Which series are one instrument: those that differ in nothing but their sample rate. They go out as one.

use crate::scaled::scaled;
use ferrometer_core::{Distribution, Kind, Series, Total, Totals, Value};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter;
use std::sync::Arc;

/// Series that go out as one.
#[derive(Debug)]
pub struct Instrument {
    first: &'static Series,
    /// The ids of the others. Most have none.
    others: Vec<u32>,
    /// The number of another one whose hash is the same, from 1; 0 for none.
    next: u32,
}

/// What an instrument has come to, its sample rates added up: each recording counts for as many calls as it stands for.
#[derive(Debug)]
pub enum Summary<'t> {
    /// A counter's increments and decrements; both only grow.
    Counter {
        /// The sum of positive values.
        increments: u64,
        /// The sum of negative values, as a positive number.
        decrements: u64,
    },
    /// The value a gauge was last set to.
    Gauge(f64),
    /// How many are in progress.
    InFlight(i64),
    /// The distributions of a timer or histogram, each with its sample rate.
    Distributions(Rates<'t>),
}

/// Distributions with their sample rates. Nearly always there is one.
#[derive(Debug)]
pub struct Rates<'t> {
    first: (f64, &'t Arc<Distribution>),
    others: Vec<(f64, &'t Arc<Distribution>)>,
}

impl<'t> Rates<'t> {
    /// Puts distributions together.
    #[must_use]
    pub fn new(first: (f64, &'t Arc<Distribution>), others: Vec<(f64, &'t Arc<Distribution>)>) -> Rates<'t> {
        Rates { first, others }
    }

    /// Each rate in (0, 1] and its distribution.
    pub fn iter(&self) -> impl Iterator<Item = (f64, &'t Arc<Distribution>)> + Clone + '_ {
        iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl Instrument {
    /// The series that was registered first, for all that does not depend on the rate.
    #[must_use]
    pub fn series(&self) -> &'static Series {
        self.first
    }

    /// The ids of its series.
    pub fn ids(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        iter::once(self.first.id()).chain(self.others.iter().map(|id| *id as usize))
    }

    /// The totals of each rate.
    pub fn totals<'t>(&self, totals: Totals<'t>) -> impl Iterator<Item = Total<'t>> + Clone {
        self.ids().filter_map(move |id| totals.get(id))
    }

    /// What it has come to; `None` while it has no value: a gauge that was never set, and one of a kind that this version does not know.
    #[must_use]
    pub fn summary<'t>(&self, totals: Totals<'t>) -> Option<Summary<'t>> {
        let first = totals.get(self.first.id())?;
        let others = || self.others.iter().filter_map(|id| totals.get(*id as usize));
        match first.value {
            Value::Counter { .. } => {
                let (mut increments, mut decrements) = (0u64, 0u64);
                for total in iter::once(first).chain(others()) {
                    if let Value::Counter { increments: more, decrements: less } = total.value {
                        let rate = total.series.rate();
                        increments = increments.saturating_add(scaled(more, rate));
                        decrements = decrements.saturating_add(scaled(less, rate));
                    }
                }
                Some(Summary::Counter { increments, decrements })
            }
            Value::Gauge(value) => (first.recordings > 0).then_some(Summary::Gauge(value)),
            Value::InFlight(mut value) => {
                others().for_each(|total| {
                    if let Value::InFlight(more) = total.value {
                        value = value.wrapping_add(more);
                    }
                });
                Some(Summary::InFlight(value))
            }
            Value::Distribution(d) => {
                let more = others().filter_map(|total| match total.value {
                    Value::Distribution(d) => Some((total.series.rate(), d)),
                    _ => None,
                });
                Some(Summary::Distributions(Rates::new((first.series.rate(), d), more.collect())))
            }
            _ => None,
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

/// Every instrument, and the order in which those of one name and kind stand together.
#[derive(Debug, Default)]
pub struct Instruments {
    list: Vec<Instrument>,
    /// How many series were taken in.
    known: usize,
    /// The first of those that share a hash.
    found: HashMap<u64, u32>,
    /// Which family each belongs to, and the families by name.
    family: Vec<u32>,
    families: HashMap<(Kind, &'static str, &'static str), u32>,
    order: Vec<u32>,
}

impl Instruments {
    /// Takes in the series that were registered since.
    pub fn update(&mut self, totals: Totals<'_>) {
        let before = self.list.len();
        for id in self.known..totals.len() {
            let Some(Total { series, .. }) = totals.get(id) else { break };
            self.place(series);
            self.known = id + 1;
        }
        if self.list.len() > before {
            self.order.extend(before as u32..self.list.len() as u32);
            let family = &self.family;
            // Stable, and nearly sorted.
            self.order.sort_by_key(|at| family[*at as usize]);
        }
    }

    fn place(&mut self, series: &'static Series) {
        let new = self.list.len() as u32;
        let first = self.found.entry(hash(series)).or_insert(new);
        let mut at = *first;
        while let Some(instrument) = self.list.get_mut(at as usize) {
            if instrument.first.same_instrument(series) {
                return instrument.others.push(series.id() as u32);
            }
            at = match instrument.next {
                0 => {
                    instrument.next = new + 1;
                    new
                }
                next => next - 1,
            };
        }
        self.list.push(Instrument { first: series, others: Vec::new(), next: 0 });
        let families = self.families.len() as u32;
        let name = (series.kind(), series.logger_name(), series.metric_name());
        self.family.push(*self.families.entry(name).or_insert(families));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them in the order of registration, each with its number, which never changes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Instrument)> {
        self.list.iter().enumerate()
    }

    /// All of them, those of one logger, name and kind (a family) one behind the other: (number, number of the family, instrument).
    pub fn by_family(&self) -> impl Iterator<Item = (usize, u32, &Instrument)> {
        self.order.iter().map(|at| (*at as usize, self.family[*at as usize], &self.list[*at as usize]))
    }
}
