//! Descriptions: the unit and the sentence that a program declares of its metrics, by name, before or after the first recording.
//!
//! A declaration is kept by (logger, metric) and is about every instrument of that name, whatever its kind and labels. The first word stays; one that
//! differs is reported once.

use crate::naming::name::{MAX_NAME_BYTES, beginning};
use crate::registry::append_table::{AppendTable, Hashed};
use crate::registry::overflow::{REFUSED, refuse};
use crate::registry::views::Words;
use crate::registry::{State, Writer, hash};
use crate::sync::{diagnostics, reentrancy};
use std::fmt;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};

/// Most names that can be described without being registered.
pub(crate) const MAX_DESCRIPTIONS: usize = 4096;
/// Most different words of views there can be in the life of a program, however often its configuration changes.
pub(crate) const MAX_WORDS: usize = 1024;
/// Most characters of a description.
pub(crate) const MAX_TEXT: usize = 1024;

/// The unit of a value. The named ones are the base units of Prometheus and OpenMetrics: give bytes, not kilobytes.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::Unit;
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

/// The text of a unit: one of the named ones, or any other.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::Unit;
/// assert_eq!([Unit::from("bytes"), "rows".into(), "".into()], [Unit::Bytes, Unit::Other("rows"), Unit::None]);
/// ```
impl From<&'static str> for Unit {
    #[inline]
    fn from(text: &'static str) -> Unit {
        let known = [
            Unit::None,
            Unit::Seconds,
            Unit::Bytes,
            Unit::Ratio,
            Unit::Celsius,
            Unit::Meters,
            Unit::Grams,
            Unit::Joules,
            Unit::Volts,
            Unit::Amperes,
        ];
        known.into_iter().find(|unit| unit.as_str() == text).unwrap_or(Unit::Other(text))
    }
}

impl Unit {
    /// Returns the unit as the end of a name; empty for [`Unit::None`].
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

/// The words about one name. Most names have none.
pub(crate) struct Description {
    logger: &'static str,
    name: &'static str,
    unit: OnceLock<&'static str>,
    text: OnceLock<&'static str>,
    conflict_reported: AtomicBool,
    /// The words of views, which come first; null where there are none.
    viewed: AtomicPtr<Words>,
}

impl Hashed for Description {
    fn hash(&self) -> u64 {
        key(self.logger, self.name)
    }
}

static DESCRIPTIONS: AppendTable<Description> = AppendTable::new();

fn key(logger: &str, name: &str) -> u64 {
    hash::text(hash::text(hash::seed(), logger), name)
}

/// Returns the description of a name, if it has one.
pub(crate) fn find(logger: &str, name: &str) -> Option<&'static Description> {
    DESCRIPTIONS.find(key(logger, name), &mut |known| known.logger == logger && known.name == name)
}

fn push(state: &mut State, logger: &'static str, name: &'static str) -> Option<&'static Description> {
    let (unit, text, conflict_reported) = (OnceLock::new(), OnceLock::new(), AtomicBool::new(false));
    let viewed = AtomicPtr::new(ptr::null_mut());
    let new = Description { logger, name, unit, text, conflict_reported, viewed };
    DESCRIPTIONS.push(&mut state.permit, key(logger, name), new)
}

/// Describes a name below a logger; see [`Logger::describe`](crate::Logger::describe). An allocator that describes while the registry allocates is
/// turned away.
#[inline]
pub(crate) fn describe(logger: &'static str, name: &str, unit: &'static str, text: &str) {
    let Some(busy) = reentrancy::try_enter() else { return };
    let Some(mut writer) = Writer::new(busy) else { return };
    let found = find(logger, name).or_else(|| {
        let fits = name.len() <= MAX_NAME_BYTES && logger.len() <= MAX_NAME_BYTES;
        let state = &mut *writer;
        if !fits || state.described >= MAX_DESCRIPTIONS {
            return None;
        }
        state.described += 1;
        let name = state.texts.intern(name);
        push(state, logger, name)
    });
    let differs = found.map(|known| !known.set_once(&mut writer, unit, beginning(text, MAX_TEXT)));
    let is_news =
        differs.is_none_or(|differs| differs) && found.is_none_or(|k| !k.conflict_reported.swap(true, Relaxed));
    // A subscriber may ask us something.
    drop(writer);
    if !is_news {
        return;
    }
    let (logger, name) = (beginning(logger, 64), beginning(name, 64));
    match found {
        Some(_) => {
            let message =
                format!("{name:?} of {logger:?} is described twice, and differently; the first description stays");
            diagnostics::warn(&message, &message);
        }
        None => {
            let message = format!(
                "the description of a metric of {logger:?} is ignored: at most {MAX_DESCRIPTIONS} are kept, of names of at most \
                 {MAX_NAME_BYTES} bytes"
            );
            diagnostics::warn("descriptions", &message);
        }
    }
}

/// Describes the instrument of a handle, which is registered under these texts. An empty word says nothing.
pub(crate) fn of_handle(logger: &'static str, name: &'static str, unit: &'static str, text: &str) {
    if unit.is_empty() && text.is_empty() {
        return;
    }
    let Some(busy) = reentrancy::try_enter() else { return };
    let Some(mut writer) = Writer::new(busy) else { return };
    if let Some(known) = find(logger, name).or_else(|| push(&mut writer, logger, name)) {
        known.set_once(&mut writer, unit, beginning(text, MAX_TEXT));
    }
}

/// Takes the words of views away from all names.
pub(crate) fn forget_views(_: &mut State) {
    DESCRIPTIONS.iter().for_each(|known| known.viewed.store(ptr::null_mut(), Release));
}

/// Gives a name that is registered under these texts the words of views.
pub(crate) fn view(state: &mut State, logger: &'static str, name: &'static str, words: &Words) {
    if *words == Words::default() {
        return;
    }
    let known = state.words.iter().copied().find(|known| *known == words);
    let words = known.or_else(|| {
        let fits = state.words.len() < MAX_WORDS;
        fits.then(|| {
            let made: &'static Words = Box::leak(Box::new(words.clone()));
            state.words.push(made);
            made
        })
    });
    let Some(words) = words else { return refuse(&REFUSED.view_words) };
    if let Some(known) = find(logger, name).or_else(|| push(state, logger, name)) {
        known.viewed.store(ptr::from_ref(words).cast_mut(), Release);
    }
}

impl Description {
    fn viewed(&self) -> Option<&'static Words> {
        // SAFETY: the pointer is null or was made from a `&'static Words` in `view`; those are never freed.
        unsafe { self.viewed.load(Acquire).as_ref() }
    }

    /// Returns the unit.
    pub(crate) fn unit(&self) -> Option<&'static str> {
        let viewed = self.viewed().and_then(|words| words.unit.as_deref());
        viewed.or_else(|| self.unit.get().copied()).filter(|unit| !unit.is_empty())
    }

    /// Returns the sentence.
    pub(crate) fn text(&self) -> Option<&'static str> {
        let viewed = self.viewed().and_then(|words| words.text.as_deref());
        viewed.or_else(|| self.text.get().copied()).filter(|text| !text.is_empty())
    }

    /// Returns the bounds of buckets.
    pub(crate) fn buckets(&self) -> Option<&'static [f64]> {
        self.viewed()?.buckets.as_deref()
    }

    /// Adds the words that are not there yet. Returns `false` when one that is there differs; nothing is added then.
    fn set_once(&self, state: &mut State, unit: &'static str, text: &str) -> bool {
        let differs = |known: Option<&&str>, new: &str| !new.is_empty() && known.is_some_and(|known| *known != new);
        if differs(self.unit.get(), unit) || differs(self.text.get(), text) {
            return false;
        }
        if !unit.is_empty() {
            let _ = self.unit.set(unit);
        }
        if !text.is_empty() && self.text.get().is_none() {
            let _ = self.text.set(state.texts.intern(text));
        }
        true
    }
}

/// Returns the most memory that declarations take, in bytes.
#[inline]
pub(crate) const fn max_bytes() -> usize {
    MAX_DESCRIPTIONS * (MAX_NAME_BYTES + 4 * MAX_TEXT + size_of::<Description>() + 128)
        + MAX_WORDS * (5 * MAX_TEXT + 200 * size_of::<f64>() + size_of::<Words>() + 64)
}
