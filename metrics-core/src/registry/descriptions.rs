//! What a program says about its metrics: a unit and a sentence, declared by name, before or after the first recording.
//!
//! A declaration is kept by (logger, metric) and handed to each instrument of that name, of whatever kind, when it is
//! registered; those that are there already get it at once. The first word stays; one that differs is reported once.

use crate::instrument::logger::Logger;
use crate::naming::name::{MAX_NAME_BYTES, beginning};
use crate::registry;
use crate::registry::append_table::AppendTable;
use crate::registry::hash;
use crate::registry::series::{Kind, Series};
use crate::sync::{Mutex, lock};
use crate::sync::{diagnostics, reentrancy};
use std::fmt;
use std::sync::OnceLock;

/// How many declarations are kept.
pub(crate) const MAX_DESCRIPTIONS: usize = 4096;
/// Characters of a description.
pub(crate) const MAX_TEXT: usize = 1024;

/// What a value is measured in. The named ones are the base units of Prometheus and OpenMetrics: give bytes, not kilobytes.
///
/// ```
/// use ferrometer_core::Unit;
/// assert_eq!(Unit::Bytes.as_str(), "bytes");
/// assert_eq!(Unit::Other("rows").as_str(), "rows");
/// assert_eq!(Unit::None.as_str(), "");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// A plain number: requests, items.
    #[default]
    None,
    /// Time. Timers always are in seconds there, whatever is declared.
    Seconds,
    /// Sizes.
    Bytes,
    /// A share, usually between 0 and 1.
    Ratio,
    /// Temperature.
    Celsius,
    /// Length.
    Meters,
    /// Mass.
    Grams,
    /// Energy.
    Joules,
    /// Voltage.
    Volts,
    /// Current.
    Amperes,
    /// Any other, such as `rows`, in the plural.
    Other(&'static str),
}

impl Unit {
    /// The unit as it stands at the end of a name; empty for [`Unit::None`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Ratio => "ratio",
            Unit::Celsius => "celsius",
            Unit::Meters => "meters",
            Unit::Grams => "grams",
            Unit::Joules => "joules",
            Unit::Volts => "volts",
            Unit::Amperes => "amperes",
            Unit::Other(unit) => unit,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

struct Described {
    logger: String,
    name: String,
    unit: &'static str,
    text: String,
    conflict_reported: bool,
}

struct Table {
    /// In the order of the hash of logger and name.
    all: Vec<(u64, Described)>,
}

static DESCRIBED: Mutex<Table> = Mutex::new(Table { all: Vec::new() });

impl Table {
    fn find(&mut self, logger: &str, name: &str) -> Option<&mut Described> {
        let key = key(logger, name);
        let from = self.place(key);
        for (k, described) in &mut self.all[from..] {
            if *k != key {
                return None;
            }
            if described.logger == logger && described.name == name {
                return Some(described);
            }
        }
        None
    }

    /// Where those of this key begin, or belong.
    fn place(&self, key: u64) -> usize {
        self.all.partition_point(|(k, _)| *k < key)
    }
}

fn key(logger: &str, name: &str) -> u64 {
    hash::text(hash::text(hash::seed(), logger), name)
}

/// What one declaration came to.
enum Outcome {
    Kept,
    Conflict,
    Full,
    /// An allocator described what is allocated here.
    TurnedAway,
}

impl Logger {
    /// Says what the metric `name` of this logger measures, and in what unit, for whoever reads it: `HELP`, `TYPE` and
    /// `UNIT` in Prometheus. It is about every instrument of that name, whatever its kind and labels, and may be said
    /// before or after the first recording. It registers nothing: a metric that is only described does not appear.
    ///
    /// The unit becomes the end of the name in Prometheus (`queue_depth_bytes`), so declare it before the first value is shown;
    /// later it is taken for information only. Of the text 1,024 characters are kept. What was said first stays: an
    /// empty text or [`Unit::None`] can be completed later, and a different one is reported once through `tracing`. At most
    /// 4,096 names can be described, each with its logger's of at most 512 bytes; what is beyond is reported and ignored.
    ///
    /// ```
    /// use ferrometer_core::{Unit, get_logger};
    /// let logger = get_logger("shop");
    /// logger.describe("queue.depth", Unit::Bytes, "Bytes that wait to be written.");
    /// let series = logger.gauge("queue.depth").series();
    /// assert_eq!((series.unit(), series.description()), (Some("bytes"), Some("Bytes that wait to be written.")));
    /// ```
    pub fn describe(&self, name: &str, unit: Unit, text: &str) {
        let logger = self.name();
        let text = beginning(text, MAX_TEXT);
        let conflict = match keep(logger, name, unit.as_str(), text) {
            Outcome::Kept => hand_out(logger, name, unit.as_str(), text),
            Outcome::Conflict => true,
            Outcome::TurnedAway => return,
            Outcome::Full => {
                let message = format!(
                    "the description of a metric of {:?} is ignored: at most {MAX_DESCRIPTIONS} are kept, of names of at most \
                     {MAX_NAME_BYTES} bytes",
                    shown(logger),
                );
                return diagnostics::warn("descriptions", &message);
            }
        };
        if conflict && first_conflict(logger, name) {
            let message = format!(
                "{:?} of {:?} is described twice, and differently; the first description stays",
                shown(name),
                shown(logger),
            );
            diagnostics::warn(&message, &message);
        }
    }
}

/// The beginning of a name, for a message.
fn shown(name: &str) -> &str {
    beginning(name, 64)
}

fn keep(logger: &str, name: &str, unit: &'static str, text: &str) -> Outcome {
    if name.len() > MAX_NAME_BYTES || logger.len() > MAX_NAME_BYTES {
        return Outcome::Full;
    }
    // An allocator that records or describes while the lock is held is turned away.
    let Some(_busy) = reentrancy::try_enter() else { return Outcome::TurnedAway };
    let mut table = lock(&DESCRIBED);
    let full = table.all.len() >= MAX_DESCRIPTIONS;
    let Some(known) = table.find(logger, name) else {
        if full {
            return Outcome::Full;
        }
        let described = Described {
            logger: logger.to_owned(),
            name: name.to_owned(),
            unit,
            text: text.to_owned(),
            conflict_reported: false,
        };
        let key = key(logger, name);
        let place = table.place(key);
        table.all.insert(place, (key, described));
        return Outcome::Kept;
    };
    let differs = |old: &str, new: &str| !old.is_empty() && !new.is_empty() && old != new;
    if differs(known.unit, unit) || differs(&known.text, text) {
        return Outcome::Conflict;
    }
    if known.unit.is_empty() {
        known.unit = unit;
    }
    if known.text.is_empty() {
        known.text = text.to_owned();
    }
    Outcome::Kept
}

/// Tells the instruments that are there. Whether one of them was told something else before, through a handle.
fn hand_out(logger: &str, name: &str, unit: &'static str, text: &str) -> bool {
    let Some(_lock) = telling() else { return false };
    let mut conflict = false;
    for kind in Kind::ALL {
        let Some(instrument) = registry::find_instrument(logger, name, kind) else { continue };
        tell(instrument, unit, text);
        conflict |= !unit.is_empty() && instrument.unit().is_some_and(|u| u != unit);
        conflict |= !text.is_empty() && instrument.description().is_some_and(|t| t != text);
    }
    conflict
}

/// What an instrument was told. Most are told nothing.
pub(crate) struct Told {
    instrument: u32,
    pub(crate) unit: OnceLock<&'static str>,
    pub(crate) description: OnceLock<&'static str>,
}

static TOLD: AppendTable<Told> = AppendTable::new();

fn told_hash(instrument: u32) -> u64 {
    hash::mix(hash::seed(), u64::from(instrument))
}

/// What the instrument of this number was told.
pub(crate) fn told(instrument: u32) -> Option<&'static Told> {
    TOLD.find(told_hash(instrument), &mut |told| told.instrument == instrument)
}

/// What is held while an instrument is told something: an allocator that records what is allocated then may register a series of the same
/// instrument, or describe one, and is turned away; and no fork finds an instrument half told. `None`: it is turned away here.
fn telling() -> Option<impl Sized> {
    let busy = reentrancy::try_enter()?;
    // Let go before the thread is free again.
    Some((lock(&DESCRIBED), busy))
}

/// Tells the instrument of a series what is said through a handle; what is empty is not said.
pub(crate) fn of_handle(instrument: &Series, unit: &'static str, text: &str) {
    if let Some(_lock) = telling() {
        tell(instrument, unit, text);
    }
}

/// Of a series any series of its instrument may be given. The first word stays. Only under the lock, so that all is told at once.
fn tell(series: &Series, unit: &'static str, text: &str) {
    if unit.is_empty() && text.is_empty() {
        return;
    }
    let instrument = series.instrument;
    let make = |_| Some(Told { instrument, unit: OnceLock::new(), description: OnceLock::new() });
    let is_it = |told: &Told| told.instrument == instrument;
    let Some(told) = TOLD.get_or_insert(told_hash(instrument), is_it, make) else { return };
    if !unit.is_empty() {
        let _ = told.unit.set(unit);
    }
    if !text.is_empty() && told.description.get().is_none() {
        // Once for each instrument: what it was told is there for ever.
        let _ = told.description.set(text.to_owned().leak());
    }
}

fn first_conflict(logger: &str, name: &str) -> bool {
    let Some(_busy) = reentrancy::try_enter() else { return false };
    let mut table = lock(&DESCRIBED);
    let known = table.find(logger, name);
    known.is_some_and(|known| !std::mem::replace(&mut known.conflict_reported, true))
}

/// Tells an instrument that has just been registered what was said about it. Called after it can be found, so that either this or
/// a declaration made meanwhile reaches it.
pub(crate) fn apply(instrument: &Series) {
    if instrument.unit().is_some() && instrument.description().is_some() {
        return;
    }
    if let Some(known) = lock(&DESCRIBED).find(instrument.logger_name(), instrument.metric_name()) {
        tell(instrument, known.unit, &known.text);
    }
}

/// The most memory declarations take, in bytes.
pub(crate) const fn max_bytes() -> usize {
    MAX_DESCRIPTIONS * (2 * MAX_NAME_BYTES + 4 * MAX_TEXT + size_of::<Described>() + 128)
}

/// Locks out declarations while the guard lives: for `fork`.
pub(crate) fn freeze() -> impl Sized {
    (lock(&DESCRIBED), TOLD.freeze())
}
