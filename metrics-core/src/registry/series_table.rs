//! Series: from a logger, a name, a kind and a rate to the one series that has them, and where its recordings go.
//!
//! Look-up, registration and routes are one piece of work under one writer; hence the length.

use crate::naming::name::MAX_RAW_BYTES;
use crate::record::sampling::is_sample_rate;
use crate::registry::append_table::{AppendTable, Hashed, Permit, Values};
use crate::registry::kind::Kind;
use crate::registry::label_set::{LABEL_ROOM, Label, LabelSet};
use crate::registry::limits::{self, Limits, RESERVED};
use crate::registry::loggers::{self, OVERFLOW_LOGGER};
use crate::registry::overflow::{FULL_DISTRIBUTIONS, REFUSED, is_full, mark_full, nothing_is_full, refuse};
use crate::registry::rules::{LoggerRule, Rules};
use crate::registry::series::{Identity, LoggerEntry, LoggerName, Role, SENTINEL_SERIES, Series};
use crate::registry::views::{self, View, Viewed, Words};
use crate::registry::{self, State, Writer, descriptions, hash};
use crate::storage::bucket::Scheme;
use crate::storage::cell_address::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::storage::exemplar_slots;
use crate::storage::non_finite;
use crate::sync::reentrancy::{self, Busy};
use crate::sync::{AtomicPtr, AtomicU64, Ordering::*};
use std::ops::Range;
use std::ptr;

static SERIES: AppendTable<Series> = AppendTable::new();
static OVERFLOW: [AtomicPtr<Series>; Kind::ALL.len()] = [const { AtomicPtr::new(ptr::null_mut()) }; Kind::ALL.len()];

/// A series' identity as it was given, and its hash.
#[derive(Clone, Copy)]
struct Key<'k> {
    logger: &'static LoggerEntry,
    name: &'k str,
    kind: Kind,
    rate: f64,
    hash: u64,
}

impl<'k> Key<'k> {
    /// By the address of its logger, which is one for the program's life, and by the text of its name.
    fn new(logger: &'static LoggerEntry, name: &'k str, kind: Kind, rate: f64) -> Key<'k> {
        let identity = hash::mix(hash::seed() ^ ptr::from_ref(logger) as u64, rate.to_bits() ^ (kind as u64) << 1);
        Key { logger, name, kind, rate, hash: hash::text(identity, name) }
    }

    /// Returns the series that has it, without a lock.
    fn find(&self) -> Option<&'static Series> {
        SERIES.get(self.hash, |s| {
            ptr::eq(s.logger, self.logger)
                && s.kind() == self.kind
                && s.given_rate().to_bits() == self.rate.to_bits()
                && s.metric_name() == self.name
        })
    }
}

impl Key<'_> {
    /// Returns whether it is that of a series of the same kind and rate.
    fn is_of(&self, series: &Series) -> bool {
        ptr::eq(self.logger, series.logger) && self.name == series.metric_name()
    }
}

impl Hashed for Series {
    fn hash(&self) -> u64 {
        Key::new(self.logger, self.metric_name(), self.kind(), self.given_rate()).hash
    }
}

/// The caps that a new series has to keep.
#[derive(Clone, Copy, PartialEq)]
enum Cap {
    /// Those of the configuration: for series of the program.
    Limits,
    /// The tables' own: for the overflow series and ferrometer's own metrics.
    Tables,
}

/// Returns the series of a name that may live anywhere.
pub(crate) fn series(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> &'static Series {
    let rate = match kind {
        // Never sampled.
        Kind::Gauge | Kind::InFlight => 0.0,
        _ => checked(rate),
    };
    let key = Key::new(logger, name, kind, rate);
    let found = key.find();
    if let Some(found) = found.filter(|found| found.is_asked_for()) {
        return found;
    }
    let Some(busy) = reentrancy::enter() else { return SENTINEL_SERIES };
    if logger.is_overflow() {
        return overflow(busy, kind);
    }
    let refused = match name.len() > MAX_RAW_BYTES {
        true => Some(&REFUSED.long_names),
        false => (found.is_none() && is_full(1 << kind as usize)).then(|| cause(kind)),
    };
    if let Some(counter) = refused {
        refuse(counter);
        return overflow(busy, kind);
    }
    let Some(mut writer) = Writer::new(busy) else { return found.unwrap_or_else(|| turned_away(kind)) };
    match find_or_register(&mut writer, key, Cap::Limits, true) {
        Some(series) => {
            route(&mut writer, series);
            series
        }
        None => register_overflow(&mut writer, kind),
    }
}

/// Returns where refusals of a kind that is full are counted: the table of distributions has room for fewer than `max_instruments` may ask for.
fn cause(kind: Kind) -> &'static AtomicU64 {
    match kind.scheme() {
        Some(_) if is_full(FULL_DISTRIBUTIONS) => &REFUSED.distributions,
        _ => &REFUSED.instruments,
    }
}

/// Returns one of ferrometer's own series, which the limits do not touch.
pub(crate) fn internal_series(name: &str, kind: Kind) -> &'static Series {
    static LOGGER: LoggerEntry = LoggerEntry::new(&LoggerName::new("ferrometer", "", Role::Internal), LabelSet::EMPTY);
    let Some(busy) = reentrancy::enter() else { return SENTINEL_SERIES };
    unlimited(&mut Writer::wait(busy), &LOGGER, name, kind)
}

/// Returns the series that takes the recordings of all that found no place, if it is registered.
fn known_overflow(kind: Kind) -> Option<&'static Series> {
    // SAFETY: the pointer is null or was stored from a `&'static Series` in `register_overflow`.
    unsafe { OVERFLOW[kind as usize].load(Acquire).as_ref() }
}

/// Returns the series that takes the recordings of all that found no place.
fn overflow(busy: Busy, kind: Kind) -> &'static Series {
    let register = || match Writer::new(busy) {
        Some(mut writer) => register_overflow(&mut writer, kind),
        None => turned_away(kind),
    };
    known_overflow(kind).unwrap_or_else(register)
}

/// Returns the series for a name that a fork keeps from being registered.
#[cold]
fn turned_away(kind: Kind) -> &'static Series {
    known_overflow(kind).unwrap_or_else(|| {
        reentrancy::turn_away();
        SENTINEL_SERIES
    })
}

fn register_overflow(state: &mut State, kind: Kind) -> &'static Series {
    let series = unlimited(state, &OVERFLOW_LOGGER, kind.as_str(), kind);
    if !ptr::eq(series, SENTINEL_SERIES) {
        OVERFLOW[kind as usize].store(ptr::from_ref(series).cast_mut(), Release);
    }
    series
}

fn unlimited(state: &mut State, logger: &'static LoggerEntry, name: &str, kind: Kind) -> &'static Series {
    find_or_register(state, Key::new(logger, name, kind, 0.0), Cap::Tables, true).unwrap_or(SENTINEL_SERIES)
}

/// Returns the series of these ids, as far as there are any.
pub(crate) fn series_in(ids: Range<usize>) -> Values<'static, Series> {
    SERIES.range(ids)
}

/// Returns the series of an id.
pub(crate) fn series_of(id: u32) -> Option<&'static Series> {
    SERIES.at(id as usize)
}

impl Series {
    /// Returns the series with an [id](Series::id), if there is one.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let series = ferrometer::get_logger("shop").counter("sales").series();
    /// assert_eq!(ferrometer::Series::of_id(series.id()), Some(series));
    /// ```
    #[must_use]
    pub fn of_id(id: usize) -> Option<&'static Series> {
        SERIES.at(id)
    }
}

/// Returns the series that has the recordings of another: itself, or the one that views lead to.
#[inline]
pub(crate) fn home(series: &'static Series) -> &'static Series {
    series.home().and_then(series_of).unwrap_or(series)
}

/// Returns the series that a rule's rate leads to from another one, if it is still registered as such.
pub(crate) fn sibling(series: &'static Series, rate: f64) -> Option<&'static Series> {
    let home = home(series);
    Key::new(home.logger, home.metric_name(), home.kind(), rate).find()
}

/// Returns the series that has this identity, registered if need be: then its recordings go where views have them go, unsampled, until it is
/// [routed](route). `is_asked_for`: the program asks for it; views are about such alone. `None` past a cap.
fn find_or_register(state: &mut State, key: Key<'_>, cap: Cap, is_asked_for: bool) -> Option<&'static Series> {
    if let Some(found) = key.find() {
        found.mark(is_asked_for);
        return Some(found);
    }
    // The series that views lead to is registered first: nothing is recorded under a name that they change.
    let is_on = rule(state, key.logger).is_none_or(|rule| rule.enabled);
    let way = if is_asked_for && is_on { way(state, key) } else { Way::default() };
    // No program's is as long; one of ferrometer's own may be, where a backend is called so.
    if key.name.len() > usize::from(u16::MAX) {
        return None;
    }
    let Key { logger, kind, rate, .. } = key;
    let number = SERIES.len();
    let (slots, most) = match kind.scheme() {
        None => (state.scalars, MAX_SCALARS),
        Some(_) => (state.distributions.len(), MAX_DISTRIBUTIONS),
    };
    let is_limit = number >= limits::current().max_instruments;
    if (cap == Cap::Limits && (is_limit || slots + RESERVED >= most)) || slots >= most {
        if !is_limit && kind.scheme().is_some() {
            mark_full(FULL_DISTRIBUTIONS);
        }
        mark_full(1 << kind as usize);
        refuse(cause(kind));
        return None;
    }
    match kind.scheme() {
        None => state.scalars += 1,
        Some(scheme) => state.distributions.push(scheme),
    }
    let name = match logger.is_plain() && rate == 0.0 {
        true => state.texts.intern(key.name),
        false => {
            let plain = Key::new(logger, key.name, kind, 0.0).find();
            plain.map_or_else(|| state.texts.intern_shared(key.name), Series::metric_name)
        }
    };
    let id = number as u32;
    if matches!(kind, Kind::Gauge | Kind::Histogram) {
        non_finite::prepare(id);
    }
    let series = Series::new(id, slots as u32, Identity { logger, name, kind, rate });
    series.mark(is_asked_for);
    if is_on {
        way.enter(&mut state.permit, &series);
    }
    SERIES.push(&mut state.permit, key.hash, series)
}

/// Returns a rate that a program asks for, as [`series`] takes it: there 0.0 stands for none, and here for a wrong one.
#[inline(always)]
pub(crate) fn asked_for(rate: f64) -> f64 {
    if rate == 0.0 { -0.0 } else { rate }
}

/// Returns a rate given at run time; 0.0 (none) for a number that is no rate, whose calls are recorded unsampled and which is reported once.
fn checked(rate: f64) -> f64 {
    if rate.to_bits() == 0 || is_sample_rate(rate) {
        return rate;
    }
    report(rate);
    0.0
}

fn report(rate: f64) {
    refuse(&REFUSED.bad_rates);
    // The sum makes a zero of either sign the usual one.
    REFUSED.bad_rate_example.store((rate + 0.0).to_bits(), Relaxed);
}

/// Returns the rule for a logger. Ferrometer's own have none.
fn rule<'s>(state: &'s State, logger: &LoggerEntry) -> Option<&'s LoggerRule> {
    state.rules.of(logger.name()).filter(|_| logger.is_programs())
}

/// Where views have the recordings of a series go.
#[derive(Default)]
struct Way {
    /// Nowhere.
    dropped: bool,
    /// To another series.
    to: Option<&'static Series>,
    /// The rate of calls that give none.
    rate: Option<f64>,
    /// `true` when its recordings offer exemplars, where views say so.
    exemplars: Option<bool>,
    words: Words,
}

impl Way {
    /// Sends the recordings of a series there, unsampled where the program gives no rate.
    fn enter(&self, permit: &mut Permit, series: &Series) {
        if self.dropped {
            series.redirect(permit, Some(series.id));
            return series.switch_off();
        }
        series.redirect(permit, self.to.map(|to| to.id));
        let rate = if self.to.is_some_and(|to| to.logger.is_overflow()) { 1.0 } else { series.rate() };
        series.route(self.to.map_or(series.slot, |to| to.slot), rate);
    }
}

/// Returns the way of a series that the program asks for. The series that it leads to is registered; past a cap it is the overflow series.
fn way(state: &mut State, key: Key<'_>) -> Way {
    let Some(views) = state.rules.views.clone().filter(|_| key.logger.is_programs()) else { return Way::default() };
    let viewed = Viewed::new(&views, key.logger.name(), key.name, key.logger.labels);
    if viewed.dropped {
        return Way { dropped: true, ..Way::default() };
    }
    let Viewed { name, is_renamed, labels, rate, exemplars, words, .. } = viewed;
    let is_other = is_renamed || labels.is_some();
    let mut room = LABEL_ROOM;
    let labels = match &labels {
        Some(labels) => labels,
        None => key.logger.labels.list(&mut room),
    };
    let division = is_renamed.then(|| views::divisions(&name).next()).flatten();
    let to = match of_name(&views, key, &name, labels) {
        None if is_other => Some(viewed_series(state, key, division.unwrap_or((key.logger.name(), key.name)), labels)),
        found => found.filter(|found| !key.is_of(found)).inspect(|found| found.mark(false)),
    };
    Way { dropped: false, to, rate, exemplars, words }
}

/// Returns the series that is shown under a name by now, however the name is divided between logger and metric: two of them would collide.
fn of_name(views: &[View], of: Key<'_>, name: &str, labels: &[Label]) -> Option<&'static Series> {
    let is_its_own = |series: &Series| {
        let viewed = Viewed::new(views, series.logger_name(), series.metric_name(), series.logger.labels);
        !(viewed.dropped || viewed.is_renamed || viewed.labels.is_some())
    };
    let found = views::divisions(name).filter_map(|(logger, metric)| {
        let logger = loggers::find(logger, of.logger.object(), labels)?;
        Key::new(logger, metric, of.kind, of.rate).find()
    });
    let mut found = found.filter(|series| series.logger.is_programs());
    found.clone().find(|series| series.is_led_to()).or_else(|| found.find(|s| s.is_asked_for() && is_its_own(s)))
}

/// Returns the series of another name, or of other labels, registered if need be.
fn viewed_series(state: &mut State, of: Key<'_>, (named, metric): (&str, &str), labels: &[Label]) -> &'static Series {
    let logger = loggers::viewed(state, of.logger, named, labels);
    let key = logger.map(|logger| Key::new(logger, metric, of.kind, of.rate));
    let found = key.and_then(|key| find_or_register(state, key, Cap::Limits, false));
    found.unwrap_or_else(|| register_overflow(state, of.kind))
}

/// Sends the recordings of a series where the rules have them go: nowhere, to its own cell, to that of the series that views lead to, or to that of the
/// sibling of either with the rule's rate.
fn route(state: &mut State, series: &'static Series) {
    let key = Key::new(series.logger, series.metric_name(), series.kind(), series.given_rate());
    if rule(state, series.logger).is_some_and(|rule| !rule.enabled) {
        series.redirect(&mut state.permit, None);
        return series.switch_off();
    }
    let way = if series.is_asked_for() { way(state, key) } else { Way::default() };
    let rule = rule(state, series.logger);
    let takes_default = series.given_rate() == 0.0 && !matches!(series.kind(), Kind::Gauge | Kind::InFlight);
    let rate = way.rate.or(rule.and_then(|rule| rule.sample_rate)).filter(|rate| takes_default && *rate < 1.0);
    let home = way.to.unwrap_or(series);
    if home.logger.is_programs() {
        descriptions::view(state, home.logger_name(), home.metric_name(), &way.words);
    }
    let is_shown = series.is_asked_for() && home.logger.is_programs() && !way.dropped;
    let wants_exemplars = is_shown && way.exemplars.unwrap_or(state.rules.exemplars);
    let Some(rate) = rate.filter(|_| !way.dropped && !home.logger.is_overflow()) else {
        if wants_exemplars {
            watch(series, home);
        }
        return way.enter(&mut state.permit, series);
    };
    series.redirect(&mut state.permit, way.to.map(|to| to.id));
    let key = Key::new(home.logger, home.metric_name(), home.kind(), rate);
    match find_or_register(state, key, Cap::Limits, false) {
        // From one rate to another it is unsampled at no moment: a guard that was started unsampled would be recorded with the weight of a
        // sampled one.
        Some(sibling) => {
            if wants_exemplars {
                watch(series, sibling);
                // A timer whose call is a hit is recorded through the sibling.
                sibling.watch_with(series);
            }
            series.route(sibling.slot, rate);
        }
        // Past a cap there is no sibling to be had: unsampled.
        None => {
            if wants_exemplars {
                watch(series, home);
            }
            series.route(home.slot, 1.0);
        }
    }
}

/// Has recordings of a series offer exemplars, from its next route on, in the places of the series that has them; not where there are no more places.
fn watch(series: &Series, home: &Series) {
    if matches!(series.kind(), Kind::Gauge | Kind::InFlight) {
        return;
    }
    match exemplar_slots::make(home.kind().scheme(), home.slot, limits::current().max_exemplars) {
        true => series.watch(),
        false => refuse(&REFUSED.exemplars),
    }
}

/// Takes over limits, rules and views; those of series already registered change at once. Caps already passed stay passed.
pub(crate) fn configure(limits: Limits, mut rules: Vec<LoggerRule>, mut views: Vec<View>, exemplars: bool) {
    let Some(busy) = reentrancy::enter() else { return };
    let mut writer = Writer::wait(busy);
    limits::set_current(limits);
    nothing_is_full();
    let rates = rules.iter_mut().map(|rule| &mut rule.sample_rate);
    for rate in rates.chain(views.iter_mut().map(|view| &mut view.sample_rate)) {
        if let Some(rate) = rate.take_if(|rate| !is_sample_rate(*rate)) {
            report(rate);
        }
    }
    writer.rules = Rules { loggers: rules, views: (!views.is_empty()).then(|| views.into()), exemplars };
    descriptions::forget_views(&mut writer);
    SERIES.iter().for_each(Series::forget_leads);
    SERIES.iter().for_each(|series| route(&mut writer, series));
}

/// The use that is made of the limits.
pub(crate) struct Used {
    pub(crate) loggers: usize,
    pub(crate) instruments: usize,
    /// Timers and histograms among the instruments.
    pub(crate) distributions: usize,
    pub(crate) label_sets: usize,
}

pub(crate) fn used() -> Used {
    registry::look(|state| Used {
        loggers: state.loggers,
        instruments: SERIES.len(),
        distributions: state.distributions.len(),
        label_sets: state.label_sets,
    })
}

/// The number of series, and the buckets of the slots of distributions.
pub(crate) struct Listed {
    pub(crate) series: usize,
    pub(crate) dists: Vec<Scheme>,
}

pub(crate) fn list() -> Listed {
    registry::look(|state| Listed { series: SERIES.len(), dists: state.distributions.clone() })
}
