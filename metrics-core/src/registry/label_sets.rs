//! Labels: from a logger to the same logger with more of them.

use super::overflow::{REFUSED, refuse};
use super::{SENTINEL_LOGGER, find_logger, intern_logger, labels_hash, overflow_logger};
use crate::naming::name::{MAX_LABELS, MAX_RAW_BYTES};
use crate::record::sampling;
use crate::registry::address_cache::Addressed;
use crate::registry::append_table::AppendTable;
use crate::registry::series::{LoggerEntry, Series};
use crate::registry::{hash, limits, rodata};
use crate::sync::AtomicPtr;
use crate::sync::Ordering::*;
use crate::sync::{publish_once, reentrancy};
use std::ptr::{self, NonNull};

/// Labels that were added to a logger at once, remembered by the logger they led to, in the order given.
pub(crate) struct Labelled {
    parent: *const LoggerEntry,
    logger: &'static LoggerEntry,
    /// What call sites compare; made when the first one remembers it.
    written: AtomicPtr<Written>,
}
// SAFETY: `parent` is compared, never followed; `written` is null or was published, for ever.
unsafe impl Send for Labelled {}
// SAFETY: as above.
unsafe impl Sync for Labelled {}

static LABELLED: AppendTable<Labelled> = AppendTable::new();

/// Locks out insertions while the guard lives.
pub(super) fn freeze() -> impl Sized {
    LABELLED.freeze()
}

/// The logger with more labels; the value of a key that is there already is replaced.
#[inline]
pub(crate) fn with_labels(parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
    match labels.len() {
        1 => LITERALS_1.with(parent, labels),
        2 => LITERALS_2.with(parent, labels),
        3 => LITERALS_3.with(parent, labels),
        _ => with_texts(parent, labels),
    }
}

/// The same by the texts. It is found by all its labels, and how it was made is not remembered: there may be as many of these as there are series.
fn with_texts(parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
    if parent.is_overflow() {
        return parent;
    }
    let mut place = [("", ""); MAX_LABELS];
    let Some(all) = merge_labels(&mut place, parent, labels) else {
        refuse(&REFUSED.long_names);
        return overflow_logger();
    };
    if let Some(found) = find_logger(parent.name(), parent.object(), all) {
        return found;
    }
    let Some(_busy) = reentrancy::try_enter() else { return &SENTINEL_LOGGER };
    intern_logger(parent.name(), parent.object(), all, Some(parent))
}

/// The labels of `parent` with these put in, sorted by key; `None` when they are too many, or too long.
fn merge_labels<'p, 'l>(
    place: &'p mut [(&'l str, &'l str); MAX_LABELS],
    parent: &LoggerEntry,
    labels: &[(&'l str, &'l str)],
) -> Option<&'p [(&'l str, &'l str)]> {
    let mut len = parent.labels.len();
    place[..len].copy_from_slice(parent.labels);
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

/// Labels whose keys and values are literals, by where they stand; the logger they led to.
struct Literals<const N: usize>(Addressed<N, 256, LoggerEntry>);

/// What they take when they are in use.
pub(crate) const LITERAL_LABELS_BYTES: usize = Addressed::<2, 256, LoggerEntry>::BYTES
    + Addressed::<4, 256, LoggerEntry>::BYTES
    + Addressed::<6, 256, LoggerEntry>::BYTES;

static LITERALS_1: Literals<2> = Literals(Addressed::new());
static LITERALS_2: Literals<4> = Literals(Addressed::new());
static LITERALS_3: Literals<6> = Literals(Addressed::new());

impl<const N: usize> Literals<N> {
    /// Keys and values in turn.
    #[inline(always)]
    fn texts<'l>(labels: &[(&'l str, &'l str)]) -> [&'l str; N] {
        let mut texts = [""; N];
        for at in 0..labels.len().min(N / 2) {
            (texts[2 * at], texts[2 * at + 1]) = labels[at];
        }
        texts
    }

    #[inline(always)]
    fn with(&'static self, parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
        match self.0.get(|| ptr::from_ref(parent).cast(), &Self::texts(labels)) {
            Some(logger) => logger,
            None => self.look_up(parent, labels),
        }
    }

    #[inline(never)]
    fn look_up(&'static self, parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> &'static LoggerEntry {
        let (from, texts) = (ptr::from_ref(parent).cast(), Self::texts(labels));
        if let Some(logger) = self.0.get_beside(|| from, &texts) {
            return logger;
        }
        let logger = with_texts(parent, labels);
        if logger.is_programs()
            && texts.iter().all(|text| rodata::is_constant(text))
            && let Some(_busy) = reentrancy::try_enter()
        {
            self.0.put(from, &texts, logger);
        }
        logger
    }
}

/// The same, remembered for call sites, which give the same labels again; past a bound only the logger.
fn labelled(parent: &'static LoggerEntry, labels: &[(&str, &str)]) -> Result<&'static Labelled, &'static LoggerEntry> {
    if parent.is_overflow() {
        return Err(parent);
    }
    let hash = labels_hash(hash::seed() ^ ptr::from_ref(parent) as u64, labels);
    let is_it = |l: &Labelled| ptr::eq(l.parent, parent) && is_merge_of(l.logger, parent, labels);
    if let Some(found) = LABELLED.get(hash, is_it) {
        return Ok(found);
    }
    let logger = with_texts(parent, labels);
    let Some(_busy) = reentrancy::try_enter() else { return Err(logger) };
    // One key with two values in a call is not remembered: it could not be recognised.
    if logger.is_overflow() || !is_merge_of(logger, parent, labels) {
        return Err(logger);
    }
    let max = limits::current().max_label_sets.saturating_mul(2);
    // Past the bound the step is not remembered, only made again.
    let remembered = LABELLED.get_or_insert(hash, is_it, |number| {
        (number < max).then(|| Labelled { parent, logger, written: AtomicPtr::new(ptr::null_mut()) })
    });
    remembered.ok_or(logger)
}

/// Whether a logger's labels are those of `parent` with these put in. That it has the name and object is known.
fn is_merge_of(logger: &LoggerEntry, parent: &LoggerEntry, labels: &[(&str, &str)]) -> bool {
    let mut new = 0;
    for (number, (key, value)) in labels.iter().enumerate() {
        if value_of(logger.labels, key) != Some(*value) {
            return false;
        }
        // A key that is given twice is one label.
        let is_first = value_of(&labels[..number], key).is_none();
        new += usize::from(is_first && value_of(parent.labels, key).is_none());
    }
    // The others are the parent's: as many as there are, and with the parent's values where they were not replaced.
    for (key, value) in parent.labels {
        if value_of(labels, key).is_none() && value_of(logger.labels, key) != Some(*value) {
            return false;
        }
    }
    logger.labels.len() == parent.labels.len() + new
}

/// The value of the first label with this key.
fn value_of<'l>(labels: &[(&str, &'l str)], key: &str) -> Option<&'l str> {
    for (k, value) in labels {
        if *k == key {
            return Some(value);
        }
    }
    None
}

/// Values as a call site gives them, and where they lead.
struct Written {
    parent: *const LoggerEntry,
    logger: &'static LoggerEntry,
    /// The values of the first labels, as [`encode`] writes them.
    values: [Word; WORDS],
}

impl Labelled {
    /// For call sites that give these values; what the first one gave is kept. `None`: an allocator records what is allocated here.
    fn written(&self, values: &[Word]) -> Option<&'static Written> {
        // SAFETY: null, or published below, for ever.
        if let Some(written) = unsafe { self.written.load(Acquire).as_ref() } {
            return Some(written);
        }
        let _busy = reentrancy::try_enter()?;
        let mut all = [SENTINEL_WORD; WORDS];
        all.iter_mut().zip(values).for_each(|(to, value)| *to = *value);
        let made = Written { parent: self.parent, logger: self.logger, values: all };
        let made = publish_once::publish(&self.written, ptr::null_mut(), made);
        // SAFETY: what was published stays for ever.
        Some(unsafe { &*made })
    }
}

/// How many labels of a call site are looked at without a hash of their texts.
const WORDS: usize = 4;

/// A short text as two words, from which it could be read again: two texts are the same when their words are.
type Word = [u64; 2];

/// What no text is written as: the lowest byte of the second word is a length, of at most 15.
const SENTINEL_WORD: Word = [u64::MAX; 2];

/// A text of at most 15 bytes as two words, the length in the lowest byte of the second.
#[inline(always)]
fn encode(text: &str) -> Option<Word> {
    let bytes = text.as_bytes();
    let len = bytes.len();
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let half = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)));
    let quarter = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u16::from_le_bytes(*chunk)));
    // The pieces that are read may overlap; which do is known from the length.
    let text = if len >= 16 {
        return None;
    } else if len >= 8 {
        [word(0), word(len - 8) >> (8 * (15 - len)) & !0xff]
    } else if len >= 4 {
        [half(0) | half(len - 4) << 32, 0]
    } else if len >= 2 {
        [quarter(0) | quarter(len - 2) << 16, 0]
    } else {
        [bytes.first().map_or(0, |byte| u64::from(*byte)), 0]
    };
    Some([text[0], text[1] | len as u64])
}

/// All of them, and a digest; `None` when one is too long, or when they are too many.
#[inline(always)]
fn encode_all<const N: usize>(values: &[&str; N]) -> Option<([Word; N], u64)> {
    if N > WORDS {
        return None;
    }
    let mut words = [SENTINEL_WORD; N];
    let mut digest = 0u64;
    for (word, value) in words.iter_mut().zip(values) {
        *word = encode(value)?;
        digest = digest.rotate_left(29) ^ word[0] ^ word[1];
    }
    Some((words, digest.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// One combination of values, and the series it led to. They are stored one after the other, and read so: what belongs to
/// another combination is recognised by its logger.
struct Known {
    written: AtomicPtr<Written>,
    series: AtomicPtr<Series>,
}

impl Known {
    const fn none() -> Known {
        Known { written: AtomicPtr::new(ptr::null_mut()), series: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The series, if it is that of these values.
    #[inline(always)]
    fn get<const N: usize>(
        &self,
        parent: impl FnOnce() -> *const LoggerEntry,
        words: &[Word; N],
    ) -> Option<&'static Series> {
        // SAFETY: the pointer is null or was stored from a `&'static Written` in `look_up`.
        let written: &'static Written = unsafe { self.written.load(Acquire).as_ref() }?;
        // Word by word: as one comparison of memory it would wait for the words to get there.
        let differ = words.iter().zip(&written.values).fold(0, |d, (a, b)| d | a[0] ^ b[0] | a[1] ^ b[1]);
        if differ != 0 || !ptr::eq(written.parent, parent()) {
            return None;
        }
        let series = NonNull::new(self.series.load(Acquire));
        // SAFETY: it was stored from a `&'static Series` in `look_up`, before what was written, which was seen.
        let series: &'static Series = unsafe { series.unwrap_unchecked().as_ref() };
        ptr::eq(series.logger, written.logger).then_some(series)
    }
}

const PLACES: usize = 64;

/// Where a combination may be.
#[inline(always)]
fn places(digest: u64) -> [usize; 4] {
    let (first, second) = ((digest >> 58) as usize % PLACES, (digest >> 52) as usize % PLACES);
    [first, first ^ 1, second, second ^ 1]
}

/// What a call site with fixed label keys, name and kind remembers: the series of a few values. It holds nothing of its own, so
/// that values that are never the same twice cost memory only until the registry's bound.
pub(crate) struct LabelMemory([Known; PLACES]);

impl LabelMemory {
    pub(crate) const fn new() -> LabelMemory {
        LabelMemory([const { Known::none() }; PLACES])
    }

    /// The series of these values, if they are found at once. Without a call, so that the path to it needs no stack.
    #[inline(always)]
    pub(crate) fn get<const N: usize>(
        &self,
        parent: impl FnOnce() -> *const LoggerEntry,
        values: &[&str; N],
    ) -> Option<&'static Series> {
        let (words, digest) = encode_all(values)?;
        // Mostly it is in the first place; where it is not, there is time.
        self.0[places(digest)[0]].get(parent, &words)
    }

    /// The same, looked up. The keys are the same at each call, and so is what `find` looks for. `keep`: to be found next time.
    pub(crate) fn look_up<const N: usize>(
        &self,
        parent: &'static LoggerEntry,
        keys: &[&str; N],
        values: &[&str; N],
        keep: bool,
        find: impl Fn(&'static LoggerEntry) -> &'static Series,
    ) -> &'static Series {
        let encoded = encode_all(values);
        if let Some((words, digest)) = &encoded
            && let Some(series) = places(*digest).into_iter().find_map(|at| self.0[at].get(|| parent, words))
        {
            return series;
        }
        let labels: [(&str, &str); N] = std::array::from_fn(|i| (keys[i], values[i]));
        let labelled = match labelled(parent, &labels) {
            Ok(labelled) => labelled,
            Err(logger) => return find(logger),
        };
        let series = find(labelled.logger);
        if let Some((words, digest)) = encoded.filter(|_| keep && ptr::eq(series.logger, labelled.logger)) {
            let places = places(digest);
            let free = places.into_iter().find(|at| self.0[*at].written.load(Relaxed).is_null());
            // Where there are more values than places, one that is kept is better than two that take turns; which are kept may change
            // in time.
            let at = free.or_else(|| sampling::one_in(16).then_some(places[0]));
            // What is not kept is not written down either: there may be many values that come once. Another call site may have given
            // the same labels in another order, and a chance in four billion have made that the same step; then it is looked up each
            // time.
            if let Some(at) = at
                && let Some(written) = labelled.written(&words).filter(|written| written.values[..N] == words)
            {
                // First the series: whoever sees what was written sees one.
                self.0[at].series.store(ptr::from_ref(series).cast_mut(), Release);
                self.0[at].written.store(ptr::from_ref(written).cast_mut(), Release);
            }
        }
        series
    }
}

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;
    use crate::registry::series::{LoggerName, Role};
    use std::collections::HashMap;

    #[test]
    fn a_step_is_recognised_by_its_sum_and_by_nothing_else() {
        type Labels = &'static [(&'static str, &'static str)];
        static NAMED: LoggerName = LoggerName::new("l", "", Role::Program);
        let logger = |labels| LoggerEntry::new(&NAMED, labels);
        let sum = |all: Labels, parent: Labels, given: Labels| is_merge_of(&logger(all), &logger(parent), given);
        assert!(sum(&[("a", "1"), ("b", "2")], &[], &[("b", "2"), ("a", "1")]));
        assert!(sum(&[("a", "1"), ("b", "2")], &[("a", "0")], &[("a", "1"), ("b", "2")]));
        assert!(sum(&[("a", "1")], &[("a", "1")], &[]));
        // A label that was not given, one that is missing, and one that was replaced by another value.
        assert!(!sum(&[("a", "1"), ("b", "2")], &[], &[("a", "1")]));
        assert!(!sum(&[("a", "1")], &[("b", "2")], &[("a", "1")]));
        assert!(!sum(&[("a", "1"), ("b", "3")], &[("b", "2")], &[("a", "1")]));
        // One key twice.
        assert!(sum(&[("a", "1")], &[], &[("a", "1"), ("a", "1")]));
        assert!(!sum(&[("a", "1"), ("b", "2")], &[], &[("a", "1"), ("a", "1")]));
        assert!(!sum(&[("a", "2")], &[], &[("a", "1"), ("a", "2")]));
    }

    #[test]
    fn texts_that_differ_are_written_differently() {
        let mut seen: HashMap<Word, String> = HashMap::new();
        let mut put = |text: String| {
            let word = encode(&text).unwrap();
            assert_ne!(word, SENTINEL_WORD);
            let before = seen.insert(word, text.clone());
            assert!(before.as_ref().is_none_or(|b| *b == text), "{text:?} and {before:?}");
        };
        for len in 0..16 {
            for fill in ["a", "\0", "\x7f"] {
                put(fill.repeat(len));
                for at in 0..len {
                    for other in ["b", "\0", "\x01"] {
                        put(format!("{}{other}{}", fill.repeat(at), fill.repeat(len - at - 1)));
                    }
                }
            }
        }
        assert!(seen.len() > 500);
        assert_eq!(encode("sixteen bytes ok"), None);
    }
}
