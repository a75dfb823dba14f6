//! Series grouped to instruments: series that differ only in their sample rate are shown as one. Where that is asked for, an instrument
//! with labels and without a recent recording is idle, and not shown until its next recording.

// `#[inline]` stands at what is long here, so that it is compiled with the exporters that use it: most programs have none.

use ferrometer_core::{Kind, Series, Total, Totals, Value};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter;

/// Series that are shown as one: the sample rates of one instrument.
#[derive(Debug)]
#[non_exhaustive]
pub struct Instrument {
    /// The series registered first, for everything that does not depend on the rate.
    pub first: &'static Series,
    /// The ids of the others. Most have none.
    others: Box<[u32]>,
    /// The number of another one whose hash is the same, from 1; 0: there is none.
    next: u32,
    /// All its series are retired, and were so when they were first seen.
    is_retired: bool,
}

/// Keeps when an instrument was last recorded on, where idle ones are to be hidden.
#[derive(Debug)]
struct Activity {
    /// Sum that changes with each recording, and when it last did, in seconds.
    sum: u64,
    since: i64,
    /// How often it was recorded on, as far as that tells a gauge that was set once.
    recordings: u32,
}

impl Instrument {
    /// Returns the totals of each rate, that of the first in front, as far as the snapshot has them.
    pub fn totals<'t>(&self, totals: Totals<'t>) -> impl Iterator<Item = Total<'t>> + Clone {
        let others = self.others.iter().filter_map(move |id| totals.get(*id as usize));
        totals.of_series(self.first).into_iter().chain(others)
    }

    /// Returns the ids of its series, that of the first in front.
    #[inline]
    pub fn ids(&self) -> impl Iterator<Item = usize> + Clone {
        iter::once(self.first.id()).chain(self.others.iter().map(|id| *id as usize))
    }

    /// Returns `true` when it is one series, as most are.
    #[inline]
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.others.is_empty()
    }

    /// Returns the sample rates that its series were given, each below 1; without one, every recording counts.
    ///
    /// ```
    /// use ferrometer_export::Instruments;
    ///
    /// let logger = ferrometer_core::get_logger("rates");
    /// logger.counter("sales").series();
    /// logger.sampled(0.5).counter("sales").series();
    ///
    /// let mut instruments = Instruments::new(0);
    /// let snapshot = ferrometer_core::snapshot();
    /// instruments.update(snapshot.totals(), 1_700_000_000);
    /// let (_, sales) = instruments.iter().find(|(_, one)| one.first.logger_name() == "rates").unwrap();
    /// assert_eq!(sales.rates(snapshot.totals()).collect::<Vec<_>>(), [0.5]);
    /// ```
    pub fn rates<'t>(&self, totals: Totals<'t>) -> impl Iterator<Item = f64> + use<'_, 't> {
        self.totals(totals).map(|total| total.series.rate()).filter(|rate| *rate < 1.0)
    }

    /// Tells what may be idle. Without labels (or an object) an instrument stands for the program itself, however seldom something is
    /// recorded on it; a gauge that was set once is a constant; ferrometer's own say how it is at any time.
    #[inline]
    fn may_age(&self, activity: &Activity) -> bool {
        let name = self.first.logger_name();
        let is_own = name.strip_prefix("ferrometer").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let is_constant = self.first.kind() == Kind::Gauge && activity.recordings <= 1;
        self.first.labels_with_object().next().is_some() && !is_own && !is_constant
    }

    /// Tells whether it counts since the program's start: a counter, or what has one within.
    fn is_total(&self) -> bool {
        !matches!(self.first.kind(), Kind::Gauge | Kind::InFlight)
    }

    /// Notes `now` as the time of the last recording if something was recorded since the last call, or is in progress.
    #[inline]
    fn look(&self, activity: &mut Activity, totals: Totals<'_>, now: i64) {
        let recordings: u64 = self.totals(totals).map(|total| total.recordings).sum();
        activity.recordings = u32::try_from(recordings).unwrap_or(u32::MAX);
        let sum = self.totals(totals).fold(0u64, |all, total| {
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
        // An instrument in progress is not idle, however long it takes.
        let busy = || self.totals(totals).any(|total| matches!(total.value, Value::InFlight(n) if n != 0));
        if sum != activity.sum || now < activity.since || busy() {
            (activity.sum, activity.since) = (sum, now);
        }
    }
}

/// Returns a hash that all series of one instrument share, and seldom others.
#[inline]
fn hash(series: &Series) -> u32 {
    let mut hasher = DefaultHasher::new();
    (series.kind(), series.logger_name(), series.metric_name()).hash(&mut hasher);
    series.labels_with_object().for_each(|label| label.hash(&mut hasher));
    hasher.finish() as u32
}

/// Every instrument, in the order of registration.
///
/// ```
/// use ferrometer_export::Instruments;
///
/// let logger = ferrometer_core::get_logger("instruments");
/// let sales = logger.counter("sales").series();
/// let sampled = logger.sampled(0.5).counter("sales").series();
///
/// let mut instruments = Instruments::new(1800);
/// instruments.update(ferrometer_core::snapshot().totals(), 1_700_000_000);
/// assert_eq!(instruments.of(sales), instruments.of(sampled));
/// ```
#[derive(Debug, Default)]
pub struct Instruments {
    list: Vec<Instrument>,
    /// The instrument of each series.
    of_series: Vec<u32>,
    /// The first of those that share a hash.
    found: HashMap<u32, u32>,
    /// By instrument; empty where none is ever idle.
    activity: Vec<Activity>,
    /// Numbers of those that are retired.
    retired: Vec<u32>,
    /// Seconds without a recording after which an instrument is not shown; 0 for never.
    idle_after: i64,
    totals_stay: bool,
    now: i64,
}

impl Instruments {
    /// Creates an empty list. An instrument is idle `idle_after` seconds after its last recording; 0 means never. Only instruments with
    /// labels or an object become idle, no gauge that was set once does, and none of ferrometer's own.
    #[must_use]
    pub fn new(idle_after: i64) -> Instruments {
        Instruments { idle_after, ..Instruments::default() }
    }

    /// Hides idle gauges alone: counters, timers and histograms never become idle. For systems that compute rates: a counter that goes between two
    /// increments and comes back with the second has lost the first.
    #[must_use]
    pub fn keeping_totals(mut self) -> Instruments {
        self.totals_stay = true;
        self
    }

    /// Takes in series registered since the last call, and looks which instruments have recordings since. `now` is in seconds, and
    /// must not fall from call to call; see [`age_seconds`](crate::age_seconds).
    #[inline]
    pub fn update(&mut self, totals: Totals<'_>, now: i64) {
        self.now = now;
        let new = totals.len().saturating_sub(self.of_series.len());
        self.of_series.reserve_exact(new);
        self.list.reserve_exact(new);
        self.found.reserve(new);
        for id in self.of_series.len()..totals.len() {
            let Some(Total { series, .. }) = totals.get(id) else { break };
            let at = self.place(series);
            self.of_series.push(at);
        }
        // The configuration may have changed, or the program asks for it now.
        let Instruments { list, retired, .. } = self;
        retired.retain(|at| {
            let Some(instrument) = list.get_mut(*at as usize) else { return false };
            let is_retired = instrument.totals(totals).all(|total| total.series.is_retired());
            instrument.is_retired = is_retired;
            is_retired
        });
        if self.idle_after > 0 {
            self.activity.reserve_exact(self.list.len() - self.activity.len());
            self.activity.resize_with(self.list.len(), || Activity { sum: 0, since: now, recordings: 0 });
            for (instrument, activity) in self.list.iter().zip(&mut self.activity) {
                instrument.look(activity, totals, now);
            }
        }
    }

    /// Finds or makes the instrument of a new series.
    #[inline]
    fn place(&mut self, series: &'static Series) -> u32 {
        let new = self.list.len() as u32;
        let first = self.found.entry(hash(series)).or_insert(new);
        let mut at = *first;
        while let Some(instrument) = self.list.get_mut(at as usize) {
            if instrument.first.same_instrument(series) {
                let mut others = std::mem::take(&mut instrument.others).into_vec();
                others.push(series.id() as u32);
                instrument.others = others.into();
                instrument.is_retired &= series.is_retired();
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
        let is_retired = series.is_retired();
        if is_retired {
            self.retired.push(new);
        }
        self.list.push(Instrument { first: series, others: Box::default(), next: 0, is_retired });
        new
    }

    /// Returns the instruments that are not idle, in the order of registration, each with its number. An idle instrument comes back
    /// with its next recording, under the same number. One that was [retired](Series::is_retired) when it was first seen is left out too, until it no
    /// longer is.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Instrument)> {
        self.with_retired().filter(|(_, instrument)| !instrument.is_retired)
    }

    /// Returns `true` when [`iter`](Self::iter) leaves none out: none is retired, and none is ever idle.
    #[must_use]
    pub fn are_all_shown(&self) -> bool {
        self.retired.is_empty() && self.activity.is_empty()
    }

    /// Returns the instrument of a number, unless [`iter`](Self::iter) leaves it out.
    #[must_use]
    pub fn shown(&self, at: usize) -> Option<&Instrument> {
        let instrument = self.list.get(at).filter(|instrument| !instrument.is_retired)?;
        let is_idle = self.activity.get(at).is_some_and(|activity| self.is_idle(instrument, activity));
        (!is_idle).then_some(instrument)
    }

    fn is_idle(&self, instrument: &Instrument, activity: &Activity) -> bool {
        self.now.saturating_sub(activity.since) > self.idle_after
            && instrument.may_age(activity)
            && !(self.totals_stay && instrument.is_total())
    }

    fn with_retired(&self) -> impl Iterator<Item = (usize, &Instrument)> {
        let is_idle =
            move |at: usize, i: &Instrument| self.activity.get(at).is_some_and(|activity| self.is_idle(i, activity));
        self.list.iter().enumerate().filter(move |(at, instrument)| !is_idle(*at, instrument))
    }

    /// Returns the instrument of a number, idle or not.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Instrument> {
        self.list.get(at)
    }

    /// Returns the number of instruments, idle ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether there is no instrument.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the number of idle instruments.
    #[must_use]
    #[inline]
    pub fn count_idle(&self) -> usize {
        if self.activity.is_empty() { 0 } else { self.list.len() - self.with_retired().count() }
    }

    /// Returns the number of a series' instrument, idle or not. `None` means that the series came after the last
    /// [`update`](Instruments::update).
    #[must_use]
    pub fn of(&self, series: &Series) -> Option<usize> {
        self.of_series.get(series.id()).map(|at| *at as usize)
    }
}
