//! The registry of loggers and series: names to identities, once, for the life of the program.
//!
//! Lookups read append-only tables without a lock. A registration takes the table's lock, then the state's: always in that order.
//! Everything is capped; past a cap the overflow series of the kind takes the recordings, and the refusal is counted.

mod labels;
mod literals;
mod refusals;

pub(crate) use labels::{LabelMemory, with_labels};
pub(crate) use literals::{NO_NAME, StaticName, static_series};
pub use refusals::{Refused, refused};

use crate::{busy, describe, hash, limits};
use refusals::{FULL, FULL_LABEL_SETS, FULL_LOGGERS, REFUSED, is_full, refuse};
use crate::cells::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::limits::Limits;
use crate::name::{MAX_RAW_BYTES, logger_name};
use crate::rate::is_sample_rate;
use crate::series::{Instrument, Kind, LoggerEntry, Series};
use crate::sync::{AtomicPtr, Mutex, Ordering::*, lock};
use crate::table::AppendTable;
use std::ptr;
use std::sync::OnceLock;

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
static INSTRUMENTS: AppendTable<Instrument> = AppendTable::new();
static SERIES: AppendTable<Series> = AppendTable::new();
static OVERFLOW: [AtomicPtr<Series>; 5] = [const { AtomicPtr::new(ptr::null_mut()) }; 5];

/// What a re-entrant call gets (a global allocator that records while a registration allocates): a series that is off.
static DEAD: Series = Series::new(u32::MAX, u32::MAX, 0.0, &DEAD_LOGGER, &DEAD_INSTRUMENT, true);
/// What stands for no series where a pointer is never null.
pub(crate) const NONE: &Series = &DEAD;
static DEAD_LOGGER: LoggerEntry = LoggerEntry::new(String::new(), String::new(), Vec::new(), true);
static DEAD_INSTRUMENT: Instrument =
    Instrument { logger: "", name: "", kind: Kind::Counter, described: OnceLock::new() };

struct State {
    rules: Vec<LoggerRule>,
    series: Vec<&'static Series>,
    /// Series by slot, of counters, gauges and in-flight counts.
    scalars: Vec<&'static Series>,
    /// Series by slot, of timers and histograms.
    dists: Vec<&'static Series>,
    loggers: usize,
    label_sets: usize,
}

static STATE: Mutex<State> = Mutex::new(State {
    rules: Vec::new(),
    series: Vec::new(),
    scalars: Vec::new(),
    dists: Vec::new(),
    loggers: 0,
    label_sets: 0,
});

/// How much of the limits is taken.
pub(crate) struct Used {
    pub(crate) loggers: usize,
    pub(crate) instruments: usize,
    pub(crate) label_sets: usize,
}

pub(crate) fn used() -> Used {
    let state = lock(&STATE);
    Used { loggers: state.loggers, instruments: state.series.len(), label_sets: state.label_sets }
}

/// The hash of a series: by the address of its logger, which is one for the program's life, and by the text of its name.
fn series_hash(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> u64 {
    let identity = hash::mix(hash::seed() ^ ptr::from_ref(logger) as u64, rate.to_bits() ^ (kind as u64) << 1);
    hash::text(identity, name)
}

fn labels_hash<'l>(start: u64, labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> u64 {
    labels.into_iter().fold(start, |hash, (key, value)| hash::text(hash::text(hash, key), value))
}

/// The logger of a name without labels.
pub(crate) fn logger(given: &str) -> &'static LoggerEntry {
    let name = logger_name(given);
    let Some(_busy) = busy::enter() else { return &DEAD_LOGGER };
    intern_logger(name, String::new(), Vec::new())
}

/// The logger of a name below another's, with its labels.
pub(crate) fn child(parent: &'static LoggerEntry, name: &str) -> &'static LoggerEntry {
    if parent.overflow {
        return parent;
    }
    let Some(_busy) = busy::enter() else { return &DEAD_LOGGER };
    intern_logger(format!("{}.{}", parent.name, logger_name(name)), parent.object.clone(), parent.labels.clone())
}

/// The logger of the same name and labels for an object, given in any form; the empty one is the program itself.
pub(crate) fn for_object(parent: &'static LoggerEntry, object: &str) -> &'static LoggerEntry {
    if parent.overflow {
        return parent;
    }
    let Some(_busy) = busy::enter() else { return &DEAD_LOGGER };
    match crate::object::gate(object) {
        Some(object) => intern_logger(parent.name.clone(), object, parent.labels.clone()),
        None => {
            refuse(&REFUSED.long_names);
            overflow_logger()
        }
    }
}

fn intern_logger(name: String, object: String, labels: Vec<(String, String)>) -> &'static LoggerEntry {
    if name.len() > MAX_RAW_BYTES {
        refuse(&REFUSED.long_names);
        return overflow_logger();
    }
    let start = hash::text(hash::seed(), &name);
    let start = if object.is_empty() { start } else { hash::text(!start, &object) };
    let hash = labels_hash(start, labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    let is_it = |l: &LoggerEntry| l.name == name && l.object == object && l.labels == labels;
    let plain = labels.is_empty() && object.is_empty();
    let (full, counter) = if plain {
        (FULL_LOGGERS, &REFUSED.loggers)
    } else {
        (FULL_LABEL_SETS, &REFUSED.label_sets)
    };
    if is_full(full) {
        return LOGGERS.get(hash, is_it).unwrap_or_else(|| {
            refuse(counter);
            overflow_logger()
        });
    }
    let found = LOGGERS.get_or_insert(hash, is_it, |_| {
        let mut state = lock(&STATE);
        let limits = limits::in_force();
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
        Some(Box::leak(Box::new(LoggerEntry::new(name.clone(), object.clone(), labels.clone(), false))))
    });
    found.unwrap_or_else(overflow_logger)
}

fn overflow_logger() -> &'static LoggerEntry {
    static LOGGER: OnceLock<LoggerEntry> = OnceLock::new();
    LOGGER.get_or_init(|| LoggerEntry::new("ferrometer.overflow".into(), String::new(), Vec::new(), true))
}

/// The series of a name that may live anywhere.
pub(crate) fn series(logger: &'static LoggerEntry, name: &str, kind: Kind, rate: f64) -> &'static Series {
    let rate = checked(rate);
    let hash = series_hash(logger, name, kind, rate);
    if let Some(found) = SERIES.get(hash, is_series(logger, name, kind, rate)) {
        return found;
    }
    let Some(_busy) = busy::enter() else { return &DEAD };
    if logger.overflow {
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
    static LOGGER: OnceLock<&'static LoggerEntry> = OnceLock::new();
    let Some(_busy) = busy::enter() else { return &DEAD };
    let logger = LOGGER.get_or_init(|| {
        Box::leak(Box::new(LoggerEntry::new("ferrometer".into(), String::new(), Vec::new(), false)))
    });
    register(series_hash(logger, name, kind, 0.0), logger, name, kind, 0.0, Place::Internal)
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
    if !ptr::eq(series, &DEAD) {
        place.store(ptr::from_ref(series).cast_mut(), Release);
    }
    series
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
        let full = slots + RESERVED >= most || state.series.len() >= limits::in_force().max_instruments;
        if (place == Place::Capped && full) || slots >= most {
            FULL.fetch_or(1 << kind as usize, Relaxed);
            refuse(&REFUSED.instruments);
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

fn instrument_hash(logger: &str, name: &str, kind: Kind) -> u64 {
    hash::text(hash::text(hash::seed() ^ kind as u64, logger), name)
}

/// The instrument of a name and kind, if there is one.
pub(crate) fn find_instrument(logger: &str, name: &str, kind: Kind) -> Option<&'static Instrument> {
    INSTRUMENTS.get(instrument_hash(logger, name, kind), |i| i.kind == kind && i.name == name && i.logger == logger)
}

fn instrument(logger: &'static str, name: &str, kind: Kind) -> &'static Instrument {
    let is_it = |i: &Instrument| i.kind == kind && i.name == name && i.logger == logger;
    let instrument = INSTRUMENTS
        .get_or_insert(instrument_hash(logger, name, kind), is_it, |_| {
            let name = Box::leak(Box::<str>::from(name));
            Some(Box::leak(Box::new(Instrument { logger, name, kind, described: OnceLock::new() })))
        })
        .expect("an instrument is never refused");
    describe::apply(instrument);
    instrument
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
    // Routed under the lock, by the rule that holds then: a configuration that changes meanwhile is not overwritten.
    let mut sibling: Option<&'static Series> = None;
    loop {
        let wanted = {
            let state = lock(&STATE);
            let rule = state.rule(&series.logger.name);
            if rule.is_some_and(|r| !r.enabled) {
                return series.switch_off();
            }
            let rate = rule.and_then(|r| r.sample_rate).unwrap_or(1.0);
            match sibling {
                _ if rate >= 1.0 => return series.route(series.slot, 1.0),
                // Past a cap there is no sibling to be had: unsampled.
                Some(sibling) if sibling.logger.overflow => return series.route(series.slot, 1.0),
                Some(sibling) if sibling.given_rate.to_bits() == rate.to_bits() => {
                    return series.route(sibling.slot, rate);
                }
                _ => rate,
            }
        };
        let name = series.instrument.name;
        let hash = series_hash(series.logger, name, kind, wanted);
        sibling = Some(register(hash, series.logger, name, kind, wanted, Place::Capped));
    }
}

/// Takes over limits and rules; those of series already registered change at once. Caps already passed stay passed.
pub(crate) fn configure(limits: Limits, rules: Vec<LoggerRule>) {
    let Some(_busy) = busy::enter() else { return };
    let series = {
        let mut state = lock(&STATE);
        limits::put_in_force(limits);
        FULL.store(0, Relaxed);
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
    let _busy = busy::section();
    let state = lock(&STATE);
    Listed { series: state.series.clone(), scalars: state.scalars.len(), dists: state.dists.clone() }
}

/// Locks out registrations while the guard lives: for `fork`.
pub(crate) fn freeze() -> impl Sized {
    (
        LOGGERS.freeze(),
        labels::freeze(),
        SERIES.freeze(),
        literals::freeze(),
        lock(&STATE),
        // Taken last: a registration takes it while it holds the others.
        INSTRUMENTS.freeze(),
        describe::freeze(),
    )
}

/// Whether this is what a re-entrant call got, and must not be remembered.
pub(crate) fn is_dead(logger: &'static LoggerEntry) -> bool {
    ptr::eq(logger, &DEAD_LOGGER)
}

/// Makes what is made once, so that no fork can find it half made.
pub(crate) fn prepare() {
    hash::seed();
    overflow_logger();
}
