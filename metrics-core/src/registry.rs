//! The registry of loggers and series: names to identities, once, for the life of the program.
//!
//! Lookups read append-only tables without a lock. A registration takes the table's lock, then the state's: always in that order.
//! Everything is capped; past a cap the overflow series of the kind takes the recordings, and the refusal is counted.

use crate::busy;
use crate::cells::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::limits::Limits;
use crate::name::{MAX_RAW_BYTES, logger_name};
use crate::rate::is_sample_rate;
use crate::series::{Instrument, Kind, LoggerEntry, Series};
use crate::sync::{Mutex, lock};
use crate::table::AppendTable;
use std::hash::{BuildHasher, RandomState};
use std::ptr;
use std::sync::{LazyLock, OnceLock};

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

/// A literal at a place in memory, seen through one logger.
struct StaticName {
    logger: *const LoggerEntry,
    name: *const u8,
    len: usize,
    kind: Kind,
    rate: u64,
    series: &'static Series,
}
// SAFETY: the pointers are compared, never followed.
unsafe impl Send for StaticName {}
// SAFETY: as above.
unsafe impl Sync for StaticName {}

/// Labels that were added to a logger at once, remembered in the order given.
struct Labelled {
    parent: *const LoggerEntry,
    labels: Vec<(String, String)>,
    logger: &'static LoggerEntry,
}
// SAFETY: the pointer is compared, never followed.
unsafe impl Send for Labelled {}
// SAFETY: as above.
unsafe impl Sync for Labelled {}

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static LOGGERS: AppendTable<LoggerEntry> = AppendTable::new();
static LABELLED: AppendTable<Labelled> = AppendTable::new();
static INSTRUMENTS: AppendTable<Instrument> = AppendTable::new();
static SERIES: AppendTable<Series> = AppendTable::new();
static STATIC_NAMES: AppendTable<StaticName> = AppendTable::new();
static OVERFLOW: [OnceLock<&'static Series>; 5] = [const { OnceLock::new() }; 5];

/// What a re-entrant call gets (a global allocator that records while a registration allocates): a series that is off.
static DEAD: Series = Series::new(u32::MAX, u32::MAX, 0.0, &DEAD_LOGGER, &DEAD_INSTRUMENT, true);
static DEAD_LOGGER: LoggerEntry = LoggerEntry { name: String::new(), labels: Vec::new(), overflow: true };
static DEAD_INSTRUMENT: Instrument = Instrument {
    logger: String::new(),
    name: String::new(),
    kind: Kind::Counter,
    unit: OnceLock::new(),
    description: OnceLock::new(),
};

struct State {
    limits: Limits,
    rules: Vec<LoggerRule>,
    series: Vec<&'static Series>,
    /// Series by slot, of counters, gauges and in-flight counts.
    scalars: Vec<&'static Series>,
    /// Series by slot, of timers and histograms.
    dists: Vec<&'static Series>,
    loggers: usize,
    label_sets: usize,
    refused: Refused,
}

static STATE: Mutex<State> = Mutex::new(State {
    limits: Limits::DEFAULT,
    rules: Vec::new(),
    series: Vec::new(),
    scalars: Vec::new(),
    dists: Vec::new(),
    loggers: 0,
    label_sets: 0,
    refused: Refused { loggers: 0, instruments: 0, label_sets: 0, long_names: 0, bad_rates: 0, bad_rate_example: 0.0, reentrant: 0 },
});

/// How many registrations found no place, by what was full. The recordings themselves are in the overflow series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// Loggers past `max_loggers`.
    pub loggers: u64,
    /// Instruments past `max_instruments`.
    pub instruments: u64,
    /// Label sets past `max_label_sets`.
    pub label_sets: u64,
    /// Names, or all labels of one logger together, longer than [`MAX_RAW_BYTES`].
    pub long_names: u64,
    /// Sample rates outside (0, 1], recorded unsampled.
    pub bad_rates: u64,
    /// The last such rate.
    pub bad_rate_example: f64,
    /// Recordings that came from within a registration (an allocator that records) and were turned away.
    pub reentrant: u64,
}

fn hash(parts: impl std::hash::Hash) -> u64 {
    KEYS.hash_one(parts)
}

/// Mixes addresses: they need no keyed hash, nobody outside chooses them.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd1b5_4a32_d192_ed03);
    (product as u64) ^ (product >> 64) as u64
}

/// The logger of a name without labels.
pub(crate) fn logger(given: &str) -> &'static LoggerEntry {
    let name = logger_name(given);
    let Some(_busy) = busy::enter() else { return &DEAD_LOGGER };
    intern_logger(name, Vec::new())
}

/// The logger with more labels; the value of a key that is there already is replaced.
pub(crate) fn with_labels(parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
    if parent.overflow {
        return parent;
    }
    let hash = hash((ptr::from_ref(parent), labels));
    let is_it = |l: &Labelled| {
        let same = |(had, given): (&(String, String), &(&str, &str))| had.0 == given.0 && had.1 == given.1;
        ptr::eq(l.parent, parent) && l.labels.len() == labels.len() && l.labels.iter().zip(labels).all(same)
    };
    if let Some(found) = LABELLED.get(hash, is_it) {
        return found.logger;
    }
    let Some(_busy) = busy::enter() else { return &DEAD_LOGGER };
    let held: usize = parent.labels.iter().map(|(k, v)| k.len() + v.len()).sum();
    let more: usize = labels.iter().map(|(k, v)| k.len() + v.len()).sum();
    if held + more > MAX_RAW_BYTES {
        lock(&STATE).refused.long_names += 1;
        return overflow_logger();
    }
    let mut all = parent.labels.clone();
    for (key, value) in labels {
        match all.binary_search_by(|(k, _)| k.as_str().cmp(key)) {
            Ok(at) => all[at].1 = (*value).to_owned(),
            Err(at) => all.insert(at, ((*key).to_owned(), (*value).to_owned())),
        }
    }
    let logger = intern_logger(parent.name.clone(), all);
    if logger.overflow {
        return logger;
    }
    let max = lock(&STATE).limits.max_label_sets.saturating_mul(2);
    // Past the bound the step is not remembered, only made again.
    LABELLED.get_or_insert(hash, is_it, |len| {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        (len < max).then(|| &*Box::leak(Box::new(Labelled { parent, labels, logger })))
    });
    logger
}

/// The logger of a name below another's, with its labels.
pub(crate) fn child(parent: &'static LoggerEntry, name: &str) -> &'static LoggerEntry {
    if parent.overflow {
        return parent;
    }
    let Some(_busy) = busy::enter() else { return &DEAD_LOGGER };
    intern_logger(format!("{}.{}", parent.name, logger_name(name)), parent.labels.clone())
}

fn intern_logger(name: String, labels: Vec<(String, String)>) -> &'static LoggerEntry {
    if name.len() > MAX_RAW_BYTES {
        lock(&STATE).refused.long_names += 1;
        return overflow_logger();
    }
    let hash = hash((&name, &labels));
    let found = LOGGERS.get_or_insert(hash, |l| l.name == name && l.labels == labels, |_| {
        let mut state = lock(&STATE);
        if labels.is_empty() {
            if state.loggers >= state.limits.max_loggers {
                state.refused.loggers += 1;
                return None;
            }
            state.loggers += 1;
        } else {
            if state.label_sets >= state.limits.max_label_sets {
                state.refused.label_sets += 1;
                return None;
            }
            state.label_sets += 1;
        }
        Some(Box::leak(Box::new(LoggerEntry { name: name.clone(), labels: labels.clone(), overflow: false })))
    });
    found.unwrap_or_else(overflow_logger)
}

fn overflow_logger() -> &'static LoggerEntry {
    static LOGGER: OnceLock<LoggerEntry> = OnceLock::new();
    LOGGER.get_or_init(|| LoggerEntry { name: "ferrometer.overflow".into(), labels: Vec::new(), overflow: true })
}

/// The series of a name that may live anywhere.
pub(crate) fn series(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> &'static Series {
    let rate = checked(rate);
    let hash = hash((ptr::from_ref(logger), name, kind, rate.to_bits()));
    if let Some(found) = SERIES.get(hash, is_series(logger, name, kind, rate)) {
        return found;
    }
    let Some(_busy) = busy::enter() else { return &DEAD };
    if logger.overflow {
        return overflow(kind);
    }
    if name.len() > MAX_RAW_BYTES {
        lock(&STATE).refused.long_names += 1;
        return overflow(kind);
    }
    register(hash, logger, name, kind, rate, Place::Capped)
}

/// One of ferrometer's own series, which the caps do not touch.
pub(crate) fn internal_series(name: &str, kind: Kind) -> &'static Series {
    static LOGGER: OnceLock<&'static LoggerEntry> = OnceLock::new();
    let Some(_busy) = busy::enter() else { return &DEAD };
    let logger = LOGGER.get_or_init(|| {
        Box::leak(Box::new(LoggerEntry { name: "ferrometer".into(), labels: Vec::new(), overflow: false }))
    });
    register(hash((ptr::from_ref(*logger), name, kind, 0u64)), logger, name, kind, 0.0, Place::Internal)
}

fn overflow(kind: Kind) -> &'static Series {
    OVERFLOW[kind as usize].get_or_init(|| {
        let logger = overflow_logger();
        let hash = hash((ptr::from_ref(logger), kind.as_str(), kind, 0u64));
        register(hash, logger, kind.as_str(), kind, 0.0, Place::Overflow)
    })
}

fn is_series(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> impl Fn(&Series) -> bool {
    move |s| {
        ptr::eq(s.logger, logger)
            && s.instrument.kind == kind
            && s.given_rate.to_bits() == rate.to_bits()
            && s.instrument.name == name
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
    let made = SERIES.get_or_insert(hash, is_series(logger, name, kind, rate), |_| {
        let mut state = lock(&STATE);
        let (slots, most) = match kind.scheme() {
            None => (state.scalars.len(), MAX_SCALARS),
            Some(_) => (state.dists.len(), MAX_DISTRIBUTIONS),
        };
        let full = slots + RESERVED >= most || state.series.len() >= state.limits.max_instruments;
        if (place == Place::Capped && full) || slots >= most {
            state.refused.instruments += 1;
            return None;
        }
        let instrument = instrument(&logger.name, name, kind);
        let id = state.series.len() as u32;
        let internal = place == Place::Internal;
        let series: &'static Series =
            Box::leak(Box::new(Series::new(id, slots as u32, rate, logger, instrument, internal)));
        state.series.push(series);
        match kind.scheme() {
            None => state.scalars.push(series),
            Some(_) => state.dists.push(series),
        }
        if state.is_on(series) {
            series.route(series.slot, series.rate());
        }
        Some(series)
    });
    match made {
        Some(series) => {
            apply_default_rate(series);
            series
        }
        None if place == Place::Capped => overflow(kind),
        None => &DEAD,
    }
}

fn instrument(logger: &str, name: &str, kind: Kind) -> &'static Instrument {
    let is_it = |i: &Instrument| i.kind == kind && i.name == name && i.logger == logger;
    INSTRUMENTS
        .get_or_insert(hash((logger, name, kind)), is_it, |_| {
            Some(Box::leak(Box::new(Instrument {
                logger: logger.to_owned(),
                name: name.to_owned(),
                kind,
                unit: OnceLock::new(),
                description: OnceLock::new(),
            })))
        })
        .expect("an instrument is never refused")
}

/// The series of a literal: found by its address and length, without reading it.
#[inline]
pub(crate) fn static_series(logger: &'static LoggerEntry, name: &'static str, kind: Kind, rate: f64) -> &'static Series {
    let rate_bits = rate.to_bits();
    let hash = mix(
        ptr::from_ref(logger) as u64 ^ rate_bits.rotate_left(32) ^ (kind as u64) << 56,
        name.as_ptr() as u64 ^ (name.len() as u64).rotate_left(48),
    );
    let is_it = |s: &StaticName| {
        ptr::eq(s.logger, logger)
            && ptr::eq(s.name, name.as_ptr())
            && s.len == name.len()
            && s.kind == kind
            && s.rate == rate_bits
    };
    match STATIC_NAMES.get(hash, is_it) {
        Some(found) => found.series,
        None => remember(hash, is_it, logger, name, kind, rate),
    }
}

#[cold]
fn remember(
    hash: u64,
    is_it: impl FnMut(&StaticName) -> bool,
    logger: &'static LoggerEntry,
    name: &'static str,
    kind: Kind,
    rate: f64,
) -> &'static Series {
    let series = series(logger, name, kind, rate);
    if ptr::eq(series, &DEAD) {
        return series;
    }
    let Some(_busy) = busy::enter() else { return series };
    let max = lock(&STATE).limits.max_instruments.saturating_mul(2);
    // Past the bound the literal is looked up by its text each time.
    STATIC_NAMES.get_or_insert(hash, is_it, |len| {
        (len < max).then(|| {
            &*Box::leak(Box::new(StaticName {
                logger,
                name: name.as_ptr(),
                len: name.len(),
                kind,
                rate: rate.to_bits(),
                series,
            }))
        })
    });
    series
}

/// A rate given at run time: 0.0 (none) unless it is one. What is none is recorded unsampled and reported once.
fn checked(rate: f64) -> f64 {
    if rate.to_bits() == 0 || is_sample_rate(rate) {
        return rate;
    }
    if let Some(_busy) = busy::enter() {
        let mut state = lock(&STATE);
        state.refused.bad_rates += 1;
        state.refused.bad_rate_example = rate;
    }
    0.0
}

impl State {
    /// The rule with the longest prefix, by whole dotted parts.
    fn rule(&self, logger: &str) -> Option<&LoggerRule> {
        self.rules
            .iter()
            .filter(|r| logger.strip_prefix(r.prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
            .max_by_key(|r| r.prefix.len())
    }

    fn is_on(&self, series: &Series) -> bool {
        series.internal || series.logger.overflow || self.rule(&series.logger.name).is_none_or(|r| r.enabled)
    }
}

/// Routes a series that was given no rate to its sibling with the rule's rate, or back to itself.
fn apply_default_rate(series: &'static Series) {
    let kind = series.kind();
    if series.internal || series.logger.overflow || series.given_rate != 0.0 || matches!(kind, Kind::Gauge | Kind::InFlight) {
        return;
    }
    let rate = {
        let state = lock(&STATE);
        let rule = state.rule(&series.logger.name);
        if rule.is_some_and(|r| !r.enabled) {
            return;
        }
        rule.and_then(|r| r.sample_rate).unwrap_or(1.0)
    };
    if rate < 1.0 {
        let name = &series.instrument.name;
        let hash = hash((ptr::from_ref(series.logger), name, kind, rate.to_bits()));
        let sibling = register(hash, series.logger, name, kind, rate, Place::Capped);
        if !sibling.logger.overflow {
            series.route(sibling.slot, rate);
            return;
        }
    }
    series.route(series.slot, 1.0);
}

/// Takes over limits and rules; those of series already registered change at once. Caps already passed stay passed.
pub(crate) fn configure(limits: Limits, rules: Vec<LoggerRule>) {
    let Some(_busy) = busy::enter() else { return };
    let series = {
        let mut state = lock(&STATE);
        state.limits = limits;
        state.rules = rules;
        for series in &state.series {
            if state.is_on(series) {
                series.route(series.slot, series.rate());
            } else {
                series.switch_off();
            }
        }
        state.series.clone()
    };
    series.into_iter().for_each(apply_default_rate);
}

/// The series there are, in the order of their ids, and by slot.
pub(crate) struct Listed {
    pub(crate) series: Vec<&'static Series>,
    pub(crate) scalars: usize,
    pub(crate) dists: Vec<&'static Series>,
}

pub(crate) fn list() -> Listed {
    let state = lock(&STATE);
    Listed { series: state.series.clone(), scalars: state.scalars.len(), dists: state.dists.clone() }
}

pub(crate) fn limits() -> Limits {
    lock(&STATE).limits
}

/// How many registrations found no place so far.
#[must_use]
pub fn refused() -> Refused {
    Refused { reentrant: busy::turned_away(), ..lock(&STATE).refused }
}

/// Locks out registrations while the guard lives: for `fork`.
pub(crate) fn freeze() -> impl Sized {
    (
        LOGGERS.freeze(),
        LABELLED.freeze(),
        SERIES.freeze(),
        INSTRUMENTS.freeze(),
        STATIC_NAMES.freeze(),
        lock(&STATE),
    )
}

/// Whether this is what a re-entrant call got, and must not be remembered.
pub(crate) fn is_dead(logger: &'static LoggerEntry) -> bool {
    ptr::eq(logger, &DEAD_LOGGER)
}
