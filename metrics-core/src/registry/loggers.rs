//! Loggers: from a name, an object and labels to the one logger that has them.

use crate::naming::name::{MAX_LABELS, MAX_RAW_BYTES, logger_name};
use crate::naming::object;
use crate::registry::append_table::{AppendTable, Hashed};
use crate::registry::label_set::{LABEL_ROOM, Label, LabelSet};
use crate::registry::overflow::{FULL_LABEL_SETS, FULL_LOGGERS, REFUSED, is_full, mark_full, refuse};
use crate::registry::series::{LoggerEntry, LoggerName, Role, SENTINEL_LOGGER};
use crate::registry::text_memory::TextMemory;
use crate::registry::{State, Writer, hash, limits};
use crate::sync::reentrancy::{self, Busy};

static LOGGERS: AppendTable<LoggerEntry> = AppendTable::new();

/// The logger of all that found no place.
pub(crate) static OVERFLOW_LOGGER: LoggerEntry =
    LoggerEntry::new(&LoggerName::new("ferrometer.overflow", "", Role::Overflow), LabelSet::EMPTY);

/// A logger's identity, and its hash.
#[derive(Clone, Copy)]
struct Key<'k> {
    name: &'k str,
    object: &'k str,
    labels: &'k [(&'k str, &'k str)],
    hash: u64,
}

impl<'k> Key<'k> {
    fn new(name: &'k str, object: &'k str, labels: &'k [(&'k str, &'k str)]) -> Key<'k> {
        Key { name, object, labels, hash: hash_of(name, object, labels.iter().copied()) }
    }

    fn is_plain(&self) -> bool {
        self.labels.is_empty() && self.object.is_empty()
    }

    /// Returns the logger that has it, without a lock.
    fn find(&self) -> Option<&'static LoggerEntry> {
        LOGGERS.get(self.hash, |l| l.name() == self.name && l.object() == self.object && l.labels.are(self.labels))
    }
}

#[inline]
fn hash_of<'k>(name: &str, object: &str, labels: impl Iterator<Item = (&'k str, &'k str)>) -> u64 {
    let start = hash::text(hash::seed(), name);
    let start = if object.is_empty() { start } else { hash::text(!start, object) };
    labels.fold(start, |hash, (key, value)| hash::text(hash::text(hash, key), value))
}

impl Hashed for LoggerEntry {
    fn hash(&self) -> u64 {
        hash_of(self.name(), self.object(), self.labels.iter())
    }
}

/// Returns the logger of a name without labels.
pub(crate) fn logger(given: &str) -> &'static LoggerEntry {
    let Some(busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    find_or_register(busy, Key::new(&logger_name(given), "", &[]), None)
}

/// Returns the logger of a name below another's, with its labels.
pub(crate) fn child(parent: &'static LoggerEntry, name: &str) -> &'static LoggerEntry {
    if parent.is_overflow() {
        return parent;
    }
    let Some(busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    let name = format!("{}.{}", parent.name(), logger_name(name));
    find_or_register(busy, Key::new(&name, parent.object(), parent.labels.list(&mut { LABEL_ROOM })), None)
}

/// Returns the logger with the same name and labels for an object, given in any form; the empty one is the program itself.
pub(crate) fn for_object(parent: &'static LoggerEntry, object: &str) -> &'static LoggerEntry {
    if parent.is_overflow() {
        return parent;
    }
    let Some(busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    match object::gate(object) {
        Some(object) => {
            find_or_register(busy, Key::new(parent.name(), &object, parent.labels.list(&mut { LABEL_ROOM })), None)
        }
        None => {
            refuse(&REFUSED.long_names);
            &OVERFLOW_LOGGER
        }
    }
}

/// The loggers that one or two labels led to.
static ONE_LABEL: TextMemory<LoggerEntry> = TextMemory::new();
static TWO_LABELS: TextMemory<LoggerEntry> = TextMemory::new();

/// The most memory that they take, in bytes.
pub(crate) const LABELS_BYTES: usize = 2 * TextMemory::<LoggerEntry>::BYTES;

/// Returns the logger with more labels; the value of a key that is there already is replaced.
#[inline]
pub(crate) fn with_labels(parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
    match *labels {
        [a] => remembered(&ONE_LABEL, parent, labels, &[a.0, a.1]),
        [a, b] => remembered(&TWO_LABELS, parent, labels, &[a.0, a.1, b.0, b.1]),
        _ => merge(parent, labels),
    }
}

#[inline]
fn remembered<const N: usize>(
    memory: &'static TextMemory<LoggerEntry>,
    parent: &'static LoggerEntry,
    labels: &[(&str, &str)],
    texts: &[&str; N],
) -> &'static LoggerEntry {
    let look_up = || memory.look_up(parent, texts, LoggerEntry::is_programs, || merge(parent, labels));
    memory.get(|| parent, texts).unwrap_or_else(look_up)
}

fn merge(parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
    if parent.is_overflow() {
        return parent;
    }
    let mut place = [("", ""); MAX_LABELS];
    let Some(all) = merge_labels(&mut place, parent, labels) else {
        refuse(&REFUSED.long_names);
        return &OVERFLOW_LOGGER;
    };
    let key = Key::new(parent.name(), parent.object(), all);
    if let Some(found) = key.find() {
        return found;
    }
    let Some(busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    find_or_register(busy, key, Some(parent.named))
}

/// Returns the labels of `parent` with these put in, sorted by key; `None` when they are too many, or too long.
fn merge_labels<'p, 'l>(
    place: &'p mut [(&'l str, &'l str); MAX_LABELS],
    parent: &LoggerEntry,
    labels: &[(&'l str, &'l str)],
) -> Option<&'p [(&'l str, &'l str)]> {
    let mut len = 0;
    for label in parent.labels.iter() {
        place[len] = label;
        len += 1;
    }
    for (key, value) in labels {
        match place[..len].binary_search_by(|(k, _)| k.cmp(key)) {
            Ok(at) => place[at].1 = value,
            Err(_) if len == MAX_LABELS => return None,
            Err(at) => {
                place.copy_within(at..len, at + 1);
                place[at] = (key, value);
                len += 1;
            }
        }
    }
    let bytes: usize = place[..len].iter().map(|(k, v)| k.len() + v.len()).sum();
    (bytes <= MAX_RAW_BYTES).then_some(&place[..len])
}

/// `like`: the name and object, if they are known.
fn find_or_register(busy: Busy, key: Key<'_>, like: Option<&'static LoggerName>) -> &'static LoggerEntry {
    if key.name.len() > MAX_RAW_BYTES {
        refuse(&REFUSED.long_names);
        return &OVERFLOW_LOGGER;
    }
    let full = if key.is_plain() { FULL_LOGGERS } else { FULL_LABEL_SETS };
    let known_full = is_full(full);
    if let Some(found) = key.find() {
        return found;
    }
    let registered = match known_full {
        true => None,
        false => match Writer::new(busy) {
            Some(mut writer) => register(&mut writer, key, like),
            None => return &SENTINEL_LOGGER,
        },
    };
    registered.unwrap_or_else(|| {
        refuse(if key.is_plain() { &REFUSED.loggers } else { &REFUSED.label_sets });
        &OVERFLOW_LOGGER
    })
}

/// Returns the logger that has this name, this object and these labels, if there is one.
pub(crate) fn find(name: &str, object: &str, labels: &[Label]) -> Option<&'static LoggerEntry> {
    Key::new(name, object, labels).find()
}

/// Returns the logger that a view makes of another: with this name, and of its labels with these. `None` past a cap.
pub(crate) fn viewed(
    state: &mut State,
    of: &'static LoggerEntry,
    name: &str,
    labels: &[Label],
) -> Option<&'static LoggerEntry> {
    let key = Key::new(name, of.object(), labels);
    let registered = register(state, key, Some(of.named).filter(|named| named.name == name));
    if registered.is_none() {
        refuse(if key.is_plain() { &REFUSED.loggers } else { &REFUSED.label_sets });
    }
    registered
}

fn register(state: &mut State, key: Key<'_>, like: Option<&'static LoggerName>) -> Option<&'static LoggerEntry> {
    if let Some(found) = key.find() {
        return Some(found);
    }
    let limits = limits::current();
    let (count, max, full) = match key.is_plain() {
        true => (&mut state.loggers, limits.max_loggers, FULL_LOGGERS),
        false => (&mut state.label_sets, limits.max_label_sets, FULL_LABEL_SETS),
    };
    if *count >= max {
        mark_full(full);
        return None;
    }
    *count += 1;
    // Mostly a logger with labels was made of one without.
    let like = like.or_else(|| Some(Key::new(key.name, key.object, &[]).find()?.named));
    let named = like.unwrap_or_else(|| {
        let plain = Key::new(key.name, "", &[]).find();
        let name = plain.map_or_else(|| state.texts.intern(key.name), LoggerEntry::name);
        Box::leak(Box::new(LoggerName::new(name, state.texts.intern(key.object), Role::Program)))
    });
    let entry = LoggerEntry::new(named, state.texts.intern_labels(key.labels));
    LOGGERS.push(&mut state.permit, key.hash, entry)
}
