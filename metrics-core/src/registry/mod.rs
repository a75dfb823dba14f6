//! The registry of loggers and series: names to identities, once, for the life of the program.
//!
//! Lookups read append-only tables without a lock. A registration takes the table's lock, then the state's: always in that order.
//! Everything is capped; past a cap the overflow series of the kind takes the recordings, and the refusal is counted.

pub(crate) mod address_cache;
pub(crate) mod append_table;
pub(crate) mod descriptions;
pub(crate) mod hash;
pub(crate) mod hash_index;
pub(crate) mod interner;
pub(crate) mod label_sets;
pub(crate) mod limits;
pub(crate) mod literal_cache;
mod overflow;
pub(crate) mod rodata;
pub(crate) mod series;

pub(crate) use label_sets::{LITERAL_LABELS_BYTES, with_labels};
pub(crate) use literal_cache::static_series;
pub use overflow::{Refused, refused};

use crate::naming::name::{MAX_RAW_BYTES, logger_name};
use crate::record::non_finite;
use crate::record::sampling::is_sample_rate;
use crate::registry::append_table::{AppendTable, Values};
use crate::registry::limits::Limits;
use crate::registry::series::{Identity, Kind, LoggerEntry, LoggerName, Role, Series};
use crate::storage::bucket::Scheme;
use crate::storage::cell_address::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::sync::Ordering::*;
use crate::sync::reentrancy;
use crate::sync::{AtomicPtr, Mutex, lock};
use interner::{intern, intern_labels};
use overflow::{FULL, FULL_LABEL_SETS, FULL_LOGGERS, REFUSED, is_full, refuse};
use std::ops::Range;
use std::ptr;

/// Slots kept for the overflow series and ferrometer's own metrics, beyond every cap.
const RESERVED: usize = 1024;
/// The most series `Limits::max_instruments` can ask for.
pub(crate) const MAX_SERIES: usize = MAX_SCALARS - RESERVED;

/// What a configuration says about the loggers below a name.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggerRule {
    /// The logger's name, or the leading dotted parts of it.
    pub prefix: String,
    /// `false`: its recordings are not made.
    pub enabled: bool,
    /// The sample rate of calls that give none, in (0, 1].
    pub sample_rate: Option<f64>,
}

static LOGGERS: AppendTable<LoggerEntry> = AppendTable::new();
/// The ids of first series of instruments, where they are not the program's without labels, object and rate; the others are found by that.
static INSTRUMENTS: AppendTable<u32> = AppendTable::new();
static SERIES: AppendTable<Series> = AppendTable::new();
static OVERFLOW: [AtomicPtr<Series>; 5] = [const { AtomicPtr::new(ptr::null_mut()) }; 5];

/// What a re-entrant call gets (a global allocator that records while a registration allocates): a series that is off.
static SENTINEL: Series = Series::new(
    u32::MAX,
    u32::MAX,
    u32::MAX,
    Identity { logger: &SENTINEL_OWNER, name: "", kind: Kind::Counter, rate: 0.0 },
);
/// What stands for no series where a pointer is never null.
pub(crate) const SENTINEL_SERIES: &Series = &SENTINEL;
/// The logger of [`SENTINEL`] alone: no call is made with it, so that [`SENTINEL_SERIES`] is never taken for the series of a call.
static SENTINEL_OWNER: LoggerEntry = LoggerEntry::new(&LoggerName::new("", "", Role::Overflow), &[]);
/// The logger that a re-entrant call gets. Not counted: what is recorded there is, when its series is asked for.
static SENTINEL_LOGGER: LoggerEntry = LoggerEntry::new(&LoggerName::new("", "", Role::Overflow), &[]);

struct State {
    rules: Vec<LoggerRule>,
    /// How many slots of counters, gauges and in-flight counts are taken.
    scalars: usize,
    /// The buckets of timers and histograms, by slot.
    dists: Vec<Scheme>,
    loggers: usize,
    label_sets: usize,
}

static STATE: Mutex<State> =
    Mutex::new(State { rules: Vec::new(), scalars: 0, dists: Vec::new(), loggers: 0, label_sets: 0 });

/// How much of the limits is taken.
pub(crate) struct Used {
    pub(crate) loggers: usize,
    pub(crate) instruments: usize,
    pub(crate) label_sets: usize,
}

pub(crate) fn used() -> Used {
    let state = lock(&STATE);
    Used { loggers: state.loggers, instruments: SERIES.len(), label_sets: state.label_sets }
}

/// The hash of a series: by the address of its logger, which is one for the program's life, and by the text of its name.
fn series_hash(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> u64 {
    let identity = hash::mix(hash::seed() ^ ptr::from_ref(logger) as u64, rate.to_bits() ^ (kind as u64) << 1);
    hash::text(identity, name)
}

fn labels_hash(start: u64, labels: &[(&str, &str)]) -> u64 {
    let mut hash = start;
    for (key, value) in labels {
        hash = hash::text(hash::text(hash, key), value);
    }
    hash
}

/// The logger of a name without labels.
pub(crate) fn logger(given: &str) -> &'static LoggerEntry {
    let Some(_busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    intern_logger(&logger_name(given), "", &[], None)
}

/// The logger of a name below another's, with its labels.
pub(crate) fn child(parent: &'static LoggerEntry, name: &str) -> &'static LoggerEntry {
    if parent.is_overflow() {
        return parent;
    }
    let Some(_busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    intern_logger(&format!("{}.{}", parent.name(), logger_name(name)), parent.object(), parent.labels, None)
}

/// The logger of the same name and labels for an object, given in any form; the empty one is the program itself.
pub(crate) fn for_object(parent: &'static LoggerEntry, object: &str) -> &'static LoggerEntry {
    if parent.is_overflow() {
        return parent;
    }
    let Some(_busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    match crate::naming::object::gate(object) {
        Some(object) => intern_logger(parent.name(), &object, parent.labels, None),
        None => {
            refuse(&REFUSED.long_names);
            overflow_logger()
        }
    }
}

fn logger_hash(name: &str, object: &str, labels: &[(&str, &str)]) -> u64 {
    let start = hash::text(hash::seed(), name);
    let start = if object.is_empty() { start } else { hash::text(!start, object) };
    labels_hash(start, labels)
}

/// The logger that is there, if it is.
fn find_logger(name: &str, object: &str, labels: &[(&str, &str)]) -> Option<&'static LoggerEntry> {
    let is_it = |l: &LoggerEntry| l.name() == name && l.object() == object && l.labels == labels;
    LOGGERS.get(logger_hash(name, object, labels), is_it)
}

/// `like`: a logger of the same name and object, if one is known.
fn intern_logger(
    name: &str,
    object: &str,
    labels: &[(&str, &str)],
    like: Option<&'static LoggerEntry>,
) -> &'static LoggerEntry {
    if name.len() > MAX_RAW_BYTES {
        refuse(&REFUSED.long_names);
        return overflow_logger();
    }
    let hash = logger_hash(name, object, labels);
    let is_it = |l: &LoggerEntry| l.name() == name && l.object() == object && l.labels == labels;
    let plain = labels.is_empty() && object.is_empty();
    let (full, counter) = if plain { (FULL_LOGGERS, &REFUSED.loggers) } else { (FULL_LABEL_SETS, &REFUSED.label_sets) };
    if is_full(full) {
        return LOGGERS.find(hash, &mut { is_it }).unwrap_or_else(|| {
            refuse(counter);
            overflow_logger()
        });
    }
    let found = LOGGERS.get_or_insert(hash, is_it, |_| {
        let mut state = lock(&STATE);
        let limits = limits::current();
        let (count, max) = if plain {
            (&mut state.loggers, limits.max_loggers)
        } else {
            (&mut state.label_sets, limits.max_label_sets)
        };
        if *count >= max {
            FULL.fetch_or(full, Relaxed);
            refuse(counter);
            return None;
        }
        *count += 1;
        // Mostly a logger with labels was made of one without.
        let like = match like {
            None if !labels.is_empty() => find_logger(name, object, &[]),
            like => like,
        };
        let named = match like {
            Some(like) => like.named,
            None => {
                let known = if plain { None } else { plain_logger(name) };
                let name = known.map_or_else(|| intern(name), LoggerEntry::name);
                &*Box::leak(Box::new(LoggerName::new(name, intern(object), Role::Program)))
            }
        };
        Some(LoggerEntry::new(named, intern_labels(labels)))
    });
    found.unwrap_or_else(overflow_logger)
}

/// The logger of a name without labels, if there is one.
fn plain_logger(name: &str) -> Option<&'static LoggerEntry> {
    LOGGERS.find(logger_hash(name, "", &[]), &mut |l| l.is_plain() && l.name() == name)
}

fn overflow_logger() -> &'static LoggerEntry {
    static LOGGER: LoggerEntry = LoggerEntry::new(&LoggerName::new("ferrometer.overflow", "", Role::Overflow), &[]);
    &LOGGER
}

/// The series of a name that may live anywhere.
pub(crate) fn series(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> &'static Series {
    let rate = match kind {
        // Never sampled.
        Kind::Gauge | Kind::InFlight => 0.0,
        _ => checked(rate),
    };
    let hash = series_hash(logger, name, kind, rate);
    if let Some(found) = SERIES.get(hash, is_series(logger, name, kind, rate)) {
        return found;
    }
    let Some(_busy) = reentrancy::enter() else { return SENTINEL_SERIES };
    if logger.is_overflow() {
        return overflow(kind);
    }
    if name.len() > MAX_RAW_BYTES {
        refuse(&REFUSED.long_names);
        return overflow(kind);
    }
    if is_full(1 << kind as usize) {
        refuse(&REFUSED.instruments);
        return overflow(kind);
    }
    register(hash, logger, name, kind, rate, Place::Capped)
}

/// One of ferrometer's own series, which the caps do not touch.
pub(crate) fn internal_series(name: &str, kind: Kind) -> &'static Series {
    static LOGGER: LoggerEntry = LoggerEntry::new(&LoggerName::new("ferrometer", "", Role::Internal), &[]);
    let Some(_busy) = reentrancy::enter() else { return SENTINEL_SERIES };
    register(series_hash(&LOGGER, name, kind, 0.0), &LOGGER, name, kind, 0.0, Place::Internal)
}

/// The series with these ids, as far as there are any.
pub(crate) fn series_in(ids: Range<usize>) -> Values<'static, Series> {
    SERIES.range(ids)
}

/// The series of an id.
pub(crate) fn series_of(id: u32) -> Option<&'static Series> {
    SERIES.at(id as usize)
}

fn overflow(kind: Kind) -> &'static Series {
    let place = &OVERFLOW[kind as usize];
    // SAFETY: the pointer is null or was stored from a `&'static Series` below.
    if let Some(series) = unsafe { place.load(Acquire).as_ref() } {
        return series;
    }
    // Registered twice it is the same, so nobody waits for anybody here.
    let logger = overflow_logger();
    let hash = series_hash(logger, kind.as_str(), kind, 0.0);
    let series = register(hash, logger, kind.as_str(), kind, 0.0, Place::Overflow);
    if !ptr::eq(series, SENTINEL_SERIES) {
        place.store(ptr::from_ref(series).cast_mut(), Release);
    }
    series
}

fn is_series(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> impl Fn(&Series) -> bool {
    move |s| {
        ptr::eq(s.logger, logger)
            && s.kind() == kind
            && s.given_rate().to_bits() == rate.to_bits()
            && s.metric_name() == name
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Capped,
    Overflow,
    Internal,
}

fn register(
    hash: u64,
    logger: &'static LoggerEntry,
    name: &str,
    kind: Kind,
    rate: f64,
    place: Place,
) -> &'static Series {
    // No program's is as long; one of ferrometer's own may be, where a backend is called so.
    if name.len() > usize::from(u16::MAX) {
        return SENTINEL_SERIES;
    }
    let made = SERIES.insert(hash, is_series(logger, name, kind, rate), |number| {
        let mut state = lock(&STATE);
        let (slots, most) = match kind.scheme() {
            None => (state.scalars, MAX_SCALARS),
            Some(_) => (state.dists.len(), MAX_DISTRIBUTIONS),
        };
        let full = slots + RESERVED >= most || number >= limits::current().max_instruments;
        if (place == Place::Capped && full) || slots >= most {
            FULL.fetch_or(1 << kind as usize, Relaxed);
            refuse(&REFUSED.instruments);
            return None;
        }
        match kind.scheme() {
            None => state.scalars += 1,
            Some(scheme) => state.dists.push(scheme),
        }
        let id = number as u32;
        let is_plain = logger.is_plain() && logger.is_programs() && rate == 0.0;
        // It is itself what an instrument is found by, or else it is looked for.
        let first = match is_plain {
            true => listed_instrument(logger.name(), name, kind),
            false => find_instrument(logger.name(), name, kind),
        };
        let (instrument, name) = match first {
            Some(first) => (first.instrument, first.metric_name()),
            None => (id, intern(name)),
        };
        if instrument == id && !is_plain {
            INSTRUMENTS.get_or_insert(instrument_hash(logger.name(), name, kind), |_| false, |_| Some(id));
        }
        if matches!(kind, Kind::Gauge | Kind::Histogram) {
            non_finite::prepare(id);
        }
        let series = Series::new(id, slots as u32, instrument, Identity { logger, name, kind, rate });
        if state.is_on(&series) {
            series.route(series.slot, series.rate());
        }
        Some(series)
    });
    match made {
        Some(series) => {
            descriptions::apply(series);
            apply_default_rate(series);
            series
        }
        None if place == Place::Capped => overflow(kind),
        None => SENTINEL_SERIES,
    }
}

fn instrument_hash(logger: &str, name: &str, kind: Kind) -> u64 {
    hash::text(hash::text(hash::seed() ^ kind as u64, logger), name)
}

/// The first series of a name and kind, if there is one.
pub(crate) fn find_instrument(logger: &str, name: &str, kind: Kind) -> Option<&'static Series> {
    let plain = || {
        let logger = plain_logger(logger)?;
        SERIES.find(series_hash(logger, name, kind, 0.0), &mut is_series(logger, name, kind, 0.0))
    };
    listed_instrument(logger, name, kind).or_else(plain)
}

/// The same, where that is not the program's without labels, object and rate.
fn listed_instrument(logger: &str, name: &str, kind: Kind) -> Option<&'static Series> {
    if INSTRUMENTS.len() == 0 {
        return None;
    }
    // One that is being registered cannot be found yet.
    let mut is_it = |id: &u32| {
        series_of(*id).is_some_and(|s| s.kind() == kind && s.metric_name() == name && s.logger_name() == logger)
    };
    let listed = INSTRUMENTS.find(instrument_hash(logger, name, kind), &mut is_it);
    listed.and_then(|id| series_of(*id))
}

/// A rate given at run time: 0.0 (none) unless it is one. What is none is recorded unsampled and reported once.
fn checked(rate: f64) -> f64 {
    if rate.to_bits() == 0 || is_sample_rate(rate) {
        return rate;
    }
    refuse(&REFUSED.bad_rates);
    REFUSED.bad_rate_example.store(rate.to_bits(), Relaxed);
    0.0
}

impl State {
    /// The rule with the longest prefix, by whole dotted parts.
    fn rule(&self, logger: &str) -> Option<&LoggerRule> {
        let mut longest: Option<&LoggerRule> = None;
        for rule in &self.rules {
            let rest = logger.strip_prefix(rule.prefix.as_str());
            let is_its = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            if is_its && longest.is_none_or(|longest| rule.prefix.len() >= longest.prefix.len()) {
                longest = Some(rule);
            }
        }
        longest
    }

    /// Whether a rule gives a series the rate that it is sampled at.
    fn samples(&self, series: &Series) -> bool {
        takes_default_rate(series)
            && self.rule(series.logger.name()).and_then(|rule| rule.sample_rate).is_some_and(|rate| rate < 1.0)
    }

    fn is_on(&self, series: &Series) -> bool {
        !series.logger.is_programs() || self.rule(series.logger.name()).is_none_or(|r| r.enabled)
    }
}

/// Whether a rule's rate is a series' own where it has none.
fn takes_default_rate(series: &Series) -> bool {
    series.logger.is_programs() && series.given_rate() == 0.0 && !matches!(series.kind(), Kind::Gauge | Kind::InFlight)
}

/// Routes a series that was given no rate to its sibling with the rule's rate, or back to itself.
fn apply_default_rate(series: &'static Series) {
    let kind = series.kind();
    if !takes_default_rate(series) {
        return;
    }
    // Routed under the lock, by the rule that holds then: a configuration that changes meanwhile is not overwritten.
    let mut sibling: Option<&'static Series> = None;
    loop {
        let wanted = {
            let state = lock(&STATE);
            let rule = state.rule(series.logger.name());
            if rule.is_some_and(|r| !r.enabled) {
                return series.switch_off();
            }
            let rate = rule.and_then(|r| r.sample_rate).unwrap_or(1.0);
            match sibling {
                _ if rate >= 1.0 => return series.route(series.slot, 1.0),
                // Past a cap there is no sibling to be had: unsampled.
                Some(sibling) if sibling.logger.is_overflow() => return series.route(series.slot, 1.0),
                Some(sibling) if sibling.given_rate().to_bits() == rate.to_bits() => {
                    return series.route(sibling.slot, rate);
                }
                _ => rate,
            }
        };
        let name = series.metric_name();
        let hash = series_hash(series.logger, name, kind, wanted);
        sibling = Some(register(hash, series.logger, name, kind, wanted, Place::Capped));
    }
}

/// Takes over limits and rules; those of series already registered change at once. Caps already passed stay passed.
pub(crate) fn configure(limits: Limits, rules: Vec<LoggerRule>) {
    let Some(_busy) = reentrancy::enter() else { return };
    {
        // No series is half registered, by the old rules.
        let _whole = SERIES.freeze();
        let mut state = lock(&STATE);
        limits::set_current(limits);
        FULL.store(0, Relaxed);
        state.rules = rules;
        for series in SERIES.iter() {
            if !state.is_on(series) {
                series.switch_off();
            } else if !state.samples(series) {
                // The others go from one rate to the other below, unsampled at no moment: a guard that was started unsampled would be recorded
                // with the weight of a sampled one.
                series.route(series.slot, series.rate());
            }
        }
    }
    SERIES.iter().for_each(apply_default_rate);
}

/// What there is: how many series, and the slots of distributions.
pub(crate) struct Listed {
    pub(crate) series: usize,
    pub(crate) dists: Vec<Scheme>,
}

pub(crate) fn list() -> Listed {
    let _busy = reentrancy::section();
    // The series first: the slot of each that is there is counted by then.
    let series = SERIES.len();
    let state = lock(&STATE);
    Listed { series, dists: state.dists.clone() }
}

/// Locks out registrations while the guard lives: for `fork`.
pub(crate) fn freeze() -> impl Sized {
    (
        LOGGERS.freeze(),
        label_sets::freeze(),
        SERIES.freeze(),
        literal_cache::freeze(),
        lock(&STATE),
        // Taken last: a registration takes it while it holds the others.
        INSTRUMENTS.freeze(),
        interner::freeze(),
        descriptions::freeze(),
    )
}

/// Whether this is what a re-entrant call got, and must not be remembered.
pub(crate) fn is_dead(logger: &'static LoggerEntry) -> bool {
    ptr::eq(logger, &SENTINEL_LOGGER)
}

/// Makes what is made once, so that no fork can find it half made.
pub(crate) fn prepare() {
    hash::seed();
}
