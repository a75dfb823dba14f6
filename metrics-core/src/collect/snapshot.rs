//! Snapshots: the totals up to a moment, cumulative, immutable, shared by every backend.

use crate::collect::distribution::Distribution;
use crate::collect::ledger::Amount;
use crate::collect::scalar_blocks::{Blocks, Row};
use crate::record::non_finite::Invalid;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The totals of every series since the program started.
///
/// Each cell is read at some instant of the collection: everything recorded before the collection began is in, nothing recorded
/// after its end, and there is no order across series.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) sequence: u64,
    pub(crate) time: SystemTime,
    pub(crate) instant: Instant,
    /// How many series there are: those with the ids below.
    pub(crate) len: usize,
    /// The totals of counters, gauges and in-flight counts, by slot.
    pub(crate) scalars: Blocks,
    /// By slot among distributions.
    pub(crate) distributions: Arc<Vec<Arc<Distribution>>>,
    pub(crate) invalid: Invalid,
    /// Everything recorded since the program started, ferrometer's own metrics left out.
    pub(crate) recorded: Amount,
}

impl Snapshot {
    /// Counts up by one with each snapshot.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the collection began, by the system's clock; it may jump.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// When the collection began, by the monotonic clock.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.instant
    }

    /// The totals of all series.
    #[must_use]
    pub fn totals(&self) -> Totals<'_> {
        Totals(self)
    }

    /// Puts another total in the place of one series', in a copy: for tests of backends. A value of another kind than the series', and a series
    /// that is not in the snapshot, change nothing.
    #[doc(hidden)]
    // Inline, and what it calls too: no program but a test has it compiled.
    #[inline]
    #[must_use]
    pub fn with(&self, total: &Total<'_>) -> Snapshot {
        let mut new = self.clone();
        let Some(old) = self.totals().get(total.series.id()) else { return new };
        let (series, recordings) = (total.series, total.recordings);
        let scalar = match (&total.value, series.kind()) {
            (Value::Counter { increments, decrements }, Kind::Counter) => (*increments, *decrements),
            (Value::Gauge(value), Kind::Gauge) => (value.to_bits(), 0),
            (Value::InFlight(value), Kind::InFlight) => (*value as u64, 0),
            (Value::Distribution(distribution), Kind::Timer | Kind::Histogram) => {
                if let Some(place) = Arc::make_mut(&mut new.distributions).get_mut(series.slot as usize) {
                    *place = Arc::clone(distribution);
                }
                new.counts(series, &old, total);
                return new;
            }
            _ => return new,
        };
        new.scalars.set(series.slot, Row { recordings, increments: scalar.0, decrements: scalar.1 });
        new.counts(series, &old, total);
        new
    }

    /// Corrects what is kept beside the values when one total takes the place of another.
    #[inline]
    fn counts(&mut self, series: &Series, old: &Total<'_>, new: &Total<'_>) {
        if new.invalid != old.invalid {
            self.invalid = self.invalid.with(series.id, new.invalid);
        }
        if !series.is_internal() {
            self.recorded += new.amount().minus(old.amount());
        }
    }
}

/// The totals of a [`Snapshot`].
#[derive(Clone, Copy, Debug)]
pub struct Totals<'a>(&'a Snapshot);

impl<'a> Totals<'a> {
    /// How many series there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len
    }

    /// Returns whether there is no series.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.len == 0
    }

    /// The total of the series with this [id](Series::id); `None` when it was registered later.
    #[inline]
    #[must_use]
    pub fn get(self, id: usize) -> Option<Total<'a>> {
        if id >= self.0.len {
            return None;
        }
        Some(self.of(series_table::series_of(id as u32)?))
    }

    /// The totals, in the order of registration.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Total<'a>> + Clone {
        series_table::series_in(0..self.0.len).map(move |series| self.of(series))
    }

    /// The total of a series that is in the snapshot.
    #[inline]
    pub(crate) fn of(self, series: &'static Series) -> Total<'a> {
        let snapshot = self.0;
        let kind = series.kind();
        let (recordings, value) = match kind {
            Kind::Timer | Kind::Histogram => {
                let distribution = &snapshot.distributions[series.slot as usize];
                (distribution.count, Value::Distribution(distribution))
            }
            _ => {
                let Row { recordings, increments, decrements } = snapshot.scalars.get(series.slot);
                let value = match kind {
                    Kind::Gauge => Value::Gauge(f64::from_bits(increments)),
                    Kind::InFlight => Value::InFlight(increments.wrapping_sub(decrements) as i64),
                    _ => Value::Counter { increments, decrements },
                };
                (recordings, value)
            }
        };
        Total { series, recordings, invalid: snapshot.invalid.of(series.id), value }
    }
}

/// The total of one series.
#[derive(Clone, Debug)]
pub struct Total<'a> {
    /// Which one.
    pub series: &'static Series,
    /// How many recordings are in `value`, sampled-away calls not counted.
    pub recordings: u64,
    /// How many more were refused because they were NaN or infinite.
    pub invalid: u64,
    /// The recorded value.
    pub value: Value<'a>,
}

impl Total<'_> {
    pub(crate) fn amount(&self) -> Amount {
        let mut amount = Amount::of(self.recordings.wrapping_add(self.invalid));
        if let Value::Counter { increments, decrements } = self.value {
            (amount.increments, amount.decrements) = (increments, decrements);
        }
        amount
    }
}

/// The value of a series, by its kind.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A counter: both sums only grow. Not scaled by the sample rate.
    Counter {
        /// The sum of positive values.
        increments: u64,
        /// The sum of negative values, as a positive number.
        decrements: u64,
    },
    /// A gauge: the last value set. Meaningless while `recordings` is 0.
    Gauge(f64),
    /// How many are in progress now.
    InFlight(i64),
    /// A timer or histogram.
    Distribution(&'a Arc<Distribution>),
}

impl Value<'_> {
    /// The net value of a counter, `increments - decrements`; `None` for other kinds.
    #[must_use]
    pub fn net(&self) -> Option<i64> {
        match self {
            Value::Counter { increments, decrements } => Some(increments.wrapping_sub(*decrements) as i64),
            _ => None,
        }
    }
}
