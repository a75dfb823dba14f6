//! Snapshots: the totals up to a moment, cumulative, immutable, shared by every backend.

use crate::collect::distribution::Distribution;
use crate::collect::exact::{Exact, Units};
use crate::collect::exemplars::{Exemplar, Exemplars};
use crate::collect::ledger::Amount;
use crate::collect::scalar_blocks::{Blocks, Row};
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::storage::non_finite::Invalid;
use std::num::NonZeroU32;
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
    /// The sequence of the first snapshot that said all that this one says.
    pub(crate) news: u64,
    pub(crate) exact: Exact,
    /// Everything recorded since the program started, ferrometer's own metrics left out.
    pub(crate) recorded: Amount,
    pub(crate) exemplars: Exemplars,
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

    /// Puts another value in the place of one series', in a copy, as one recording: for tests of backends, with the feature `test-support`. A value of
    /// another kind than the series', and a series that is not in the snapshot, change nothing.
    #[cfg(feature = "test-support")]
    #[must_use]
    pub fn with(&self, series: &'static Series, value: Value<'_>) -> Snapshot {
        let mut new = self.clone();
        let Some(old) = self.totals().get(series.id()) else { return new };
        let (increments, decrements) = match (value, series.kind()) {
            (Value::Counter { increments, decrements }, Kind::Counter) => (increments, decrements),
            (Value::Gauge(value), Kind::Gauge) => (value.to_bits(), 0),
            (Value::InFlight(value), Kind::InFlight) => (value as u64, 0),
            (Value::Distribution(distribution), Kind::Timer | Kind::Histogram) => {
                Arc::make_mut(&mut new.distributions)[series.slot as usize] = Arc::clone(distribution);
                (0, 0)
            }
            _ => return new,
        };
        if series.kind().scheme().is_none() {
            new.scalars.set(series.slot, Row { recordings: 1, increments, decrements });
        }
        if !series.is_internal() {
            let recorded = Total { series, recordings: 1, invalid: old.invalid, value, units: old.units }.amount();
            new.recorded += recorded.minus(old.amount());
        }
        new
    }
}

/// A place at which every [`Snapshot`] has the total of a counter, for a backend that keeps four bytes of each: the series itself, which stands elsewhere in
/// memory, need not be read at each delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterPlace(NonZeroU32);

impl Series {
    /// Returns the place of a counter without a sample rate of its own; `None` for anything else. It never changes.
    #[must_use]
    pub fn counter_place(&self) -> Option<CounterPlace> {
        let is_plain = self.kind() == Kind::Counter && !self.is_rated();
        NonZeroU32::new(self.slot.wrapping_add(1)).filter(|_| is_plain).map(CounterPlace)
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
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// let sold = ferrometer::get_logger("shop").counter("get");
    /// sold.add(5);
    /// sold.add(-2);
    /// let snapshot = ferrometer::snapshot();
    /// let total = snapshot.totals().get(sold.series().id()).unwrap();
    /// assert_eq!((total.recordings, total.value.net()), (2, Some(3)));
    /// ```
    #[inline]
    #[must_use]
    pub fn get(self, id: usize) -> Option<Total<'a>> {
        if id >= self.0.len {
            return None;
        }
        Some(self.of(series_table::series_of(id as u32)?))
    }

    /// Returns the total of a series at hand, as [`get`](Self::get) with its id does; `None` when it was registered later.
    #[inline]
    #[must_use]
    pub fn of_series(self, series: &'static Series) -> Option<Total<'a>> {
        (series.id() < self.0.len).then(|| self.of(series))
    }

    /// Returns the increments and decrements of a counter by its place: both are 0 for one that was registered later.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// let sold = ferrometer::get_logger("shop").counter("placed");
    /// let place = sold.series().counter_place().unwrap();
    /// sold.add(5);
    /// sold.add(-2);
    /// assert_eq!(ferrometer::snapshot().totals().counter_at(place), (5, 2));
    /// ```
    #[inline]
    #[must_use]
    pub fn counter_at(self, place: CounterPlace) -> (u64, u64) {
        let row = self.0.scalars.get(place.0.get() - 1);
        (row.increments, row.decrements)
    }

    /// The totals, in the order of registration.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// ferrometer::get_logger("shop").with("city", "Oslo").counter("iter").add(5);
    /// let snapshot = ferrometer::snapshot();
    /// let mut shown = snapshot.totals().iter().filter(|total| !total.series.is_internal()).map(|total| total.series.to_string());
    /// assert_eq!(shown.next().as_deref(), Some("shop.iter city=Oslo"));
    /// ```
    pub fn iter(self) -> impl ExactSizeIterator<Item = Total<'a>> + Clone {
        series_table::series_in(0..self.0.len).map(move |series| self.of(series))
    }

    /// Returns the last exemplars of a series: of a counter at most one, of a timer or histogram at most 16, each for a range of values. In no
    /// order. The recording of each is in the total.
    #[inline]
    #[must_use]
    pub fn exemplars(self, series: &Series) -> &'a [Exemplar] {
        self.0.exemplars.of(series)
    }

    /// Returns whether any series has exemplars.
    #[must_use]
    pub fn has_exemplars(self) -> bool {
        !self.0.exemplars.is_empty()
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
        let is_sampled = kind == Kind::Counter && series.is_rated();
        let units = if is_sampled { snapshot.exact.of(series.id) } else { Units::default() };
        Total { series, recordings, invalid: snapshot.invalid.of(series.id), value, units }
    }
}

/// The total of one series.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Total<'a> {
    /// Which one.
    pub series: &'static Series,
    /// How many recordings are in `value`, sampled-away calls not counted.
    pub recordings: u64,
    /// How many more were refused because they were NaN or infinite.
    pub invalid: u64,
    /// The recorded value.
    pub value: Value<'a>,
    pub(crate) units: Units,
}

impl Total<'_> {
    /// Returns the increments of a counter in two parts: those that are exact, and a sample of others, which is to be divided by the
    /// [rate](Series::rate). Both only grow.
    ///
    /// A counter that is not sampled is exact. Of the first 96 that are sampled, all increments by 1 are, whether a call was recorded or not: threads tell how many calls
    /// they let pass at the next one that they record, when they end, and when they flush. Any other increment is a sample.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # struct Totals;
    /// # impl ferrometer::Backend for Totals {
    /// #     fn publish(&mut self, view: &mut ferrometer::SnapshotView<'_>) -> Result<ferrometer::Delivery, ferrometer::BackendError> {
    /// #         view.all_sent();
    /// #         Ok(ferrometer::Delivery::default())
    /// #     }
    /// # }
    /// # ferrometer::install("totals", Box::new(Totals), std::time::Duration::from_secs(1)).unwrap();
    /// let hits = ferrometer::get_logger("shop").sampled(0.01).counter("hits");
    /// (0..1000).for_each(|_| hits.increment());
    /// let snapshot = ferrometer::snapshot();
    /// let total = snapshot.totals().get(hits.series().id()).unwrap();
    /// assert_eq!(total.increments(), (1000, 0));
    /// assert!(total.recordings < 1000);
    /// ```
    #[must_use]
    pub fn increments(&self) -> (u64, u64) {
        match self.value {
            Value::Counter { increments, .. } if !self.series.is_rated() => (increments, 0),
            Value::Counter { increments, .. } => {
                (self.units.recorded.wrapping_add(self.units.skipped), increments.wrapping_sub(self.units.recorded))
            }
            _ => (0, 0),
        }
    }

    pub(crate) fn amount(&self) -> Amount {
        let mut amount = Amount::new(self.recordings.wrapping_add(self.invalid));
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
