//! Every instrument of the program, and what each has come to, its sample rates added up.

use crate::scaled::scaled;
use ferrometer_core::{CounterPlace, Distribution, Kind, Series, Total, Totals, Value};
use ferrometer_export::{Instrument, age_seconds};
use std::collections::HashMap;
use std::iter;
use std::sync::Arc;
use std::time::Instant;

/// The total of an instrument, its sample rates added up: each recording counts for as many calls as it stands for.
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

/// The ids of an instrument's series, as far as the snapshot has them.
pub fn ids(instrument: &Instrument, totals: Totals<'_>) -> impl Iterator<Item = usize> + Clone {
    let known = totals.len();
    instrument.ids().filter(move |id| *id < known)
}

/// Returns what an instrument has come to; `None` while it has no value: a gauge that was never set, and one of a kind that this version does not
/// know.
#[must_use]
pub fn summary<'t>(instrument: &Instrument, totals: Totals<'t>) -> Option<Summary<'t>> {
    let first = totals.of_series(instrument.first)?;
    let others = || instrument.totals(totals).skip(1);
    match first.value {
        Value::Counter { .. } => {
            let (mut increments, mut decrements) = (0u64, 0u64);
            let mut add = |total: &Total<'_>| {
                if let Value::Counter { decrements: less, .. } = total.value {
                    let (rate, (exact, sampled)) = (total.series.rate(), total.increments());
                    increments = increments.saturating_add(exact).saturating_add(scaled(sampled, rate));
                    decrements = decrements.saturating_add(scaled(less, rate));
                }
            };
            add(&first);
            if !instrument.is_single() {
                others().for_each(|total| add(&total));
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

/// Every instrument, and the order in which those of one name and kind stand together.
#[derive(Debug, Default)]
pub struct Instruments {
    all: ferrometer_export::Instruments,
    /// Which family each belongs to, and the families by name.
    family: Vec<u32>,
    families: HashMap<(Kind, &'static str, &'static str), u32>,
    /// (Family, instrument).
    order: Vec<(u32, u32)>,
    /// By instrument.
    plain: Vec<Option<Plain>>,
    /// How many series were taken in.
    seen: usize,
}

/// A counter that is one series without a sample rate, as most instruments are: enough to find its total, so that nothing else of it need be read.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    id: u32,
    place: CounterPlace,
}

impl Plain {
    /// The id of its series.
    #[must_use]
    #[inline]
    pub fn id(self) -> usize {
        self.id as usize
    }

    /// Returns its increments where it was never decremented.
    #[must_use]
    #[inline]
    pub fn increments(self, totals: Totals<'_>) -> Option<u64> {
        match totals.counter_at(self.place) {
            (increments, 0) => Some(increments),
            _ => None,
        }
    }
}

impl Instruments {
    /// Takes in the series that were registered since.
    pub fn update(&mut self, totals: Totals<'_>) {
        self.all.update(totals, age_seconds(Instant::now()));
        let before = self.family.len();
        self.note_plain(totals);
        for (at, instrument) in self.all.iter().skip(before) {
            let (series, new) = (instrument.first, self.families.len() as u32);
            let name = (series.kind(), series.logger_name(), series.metric_name());
            let family = *self.families.entry(name).or_insert(new);
            self.family.push(family);
            self.order.push((family, at as u32));
        }
        if self.family.len() > before {
            self.order.sort_unstable();
        }
    }

    /// Notes which of the new series are plain counters, and which instruments are no longer one series.
    fn note_plain(&mut self, totals: Totals<'_>) {
        for id in self.seen..totals.len() {
            let Some(series) = Series::of_id(id) else { break };
            let Some(at) = self.all.of(series) else { break };
            let plain = series.counter_place().map(|place| Plain { id: id as u32, place });
            match self.plain.get_mut(at) {
                Some(known) => *known = None,
                None => self.plain.push(plain),
            }
            self.seen = id + 1;
        }
    }

    /// Returns the instrument of a number where it is a plain counter.
    #[must_use]
    #[inline]
    pub fn plain(&self, at: usize) -> Option<Plain> {
        self.plain.get(at).copied().flatten()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.family.len()
    }

    /// Returns `true` when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.family.is_empty()
    }

    /// All of them in the order of registration, each with its number, which never changes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Instrument)> {
        self.all.iter()
    }

    /// Returns `true` when [`iter`](Self::iter) leaves none out.
    #[must_use]
    pub fn are_all_shown(&self) -> bool {
        self.all.are_all_shown()
    }

    /// Returns the instrument of a number, unless [`iter`](Self::iter) leaves it out.
    #[must_use]
    pub fn shown(&self, at: usize) -> Option<&Instrument> {
        self.all.shown(at)
    }

    /// All of them by family: those of one logger, name and kind. The number of the family, and (family, number of the instrument) of each in it.
    pub fn families(&self) -> impl Iterator<Item = (u32, &[(u32, u32)])> {
        self.order.chunk_by(|a, b| a.0 == b.0).map(|family| (family[0].0, family))
    }

    /// The instrument of a number.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Instrument> {
        self.all.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::{get_logger, snapshot};

    #[test]
    fn an_instrument_of_several_series_is_no_plain_counter() {
        ferrometer_core::hold();
        let logger = get_logger("plain");
        let (sold, gauge) = (logger.counter("sold"), logger.gauge("gauge"));
        sold.add(3);
        let mut instruments = Instruments::default();
        let first = snapshot();
        instruments.update(first.totals());
        let number = |instruments: &Instruments, series: &Series| {
            instruments.iter().find(|(_, one)| one.first.same_instrument(series)).map(|(at, _)| at).unwrap()
        };
        let at = number(&instruments, sold.series());
        let plain = instruments.plain(at).unwrap();
        assert_eq!((plain.id(), plain.increments(first.totals())), (sold.series().id(), Some(3)));
        assert!(instruments.plain(number(&instruments, gauge.series())).is_none());
        sold.add(-1);
        assert_eq!(plain.increments(snapshot().totals()), None);
        // Another rate of the same one comes later, and one that was never anything else.
        logger.sampled(0.5).counter("sold").increment();
        let rated = logger.sampled(0.5).counter("rated");
        rated.increment();
        instruments.update(snapshot().totals());
        assert!(instruments.plain(at).is_none() && instruments.plain(number(&instruments, rated.series())).is_none());
        assert!(instruments.plain(instruments.len()).is_none());
    }
}
