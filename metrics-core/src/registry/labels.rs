//! Labels: from a logger to the same logger with more of them.

use super::refusals::{REFUSED, refuse};
use super::{DEAD_LOGGER, intern_logger, labels_hash, overflow_logger};
use crate::name::{MAX_LABELS, MAX_RAW_BYTES};
use crate::series::{LoggerEntry, Series};
use crate::sync::{AtomicPtr, Ordering::*};
use crate::table::AppendTable;
use crate::{busy, hash, limits, rate};
use std::ptr;

/// Labels that were added to a logger at once, remembered in the order given.
pub(crate) struct Labelled {
    parent: *const LoggerEntry,
    labels: Vec<(String, String)>,
    /// The values of the first labels, as [`encode`] writes them.
    values: [Word; WORDS],
    logger: &'static LoggerEntry,
}
// SAFETY: the pointer is compared, never followed.
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
    labelled(parent, labels).map_or_else(|logger| logger, |labelled| labelled.logger)
}

/// The same, remembered; past a bound only the logger.
fn labelled(
    parent: &'static LoggerEntry,
    labels: &[(&str, &str)],
) -> Result<&'static Labelled, &'static LoggerEntry> {
    if parent.overflow {
        return Err(parent);
    }
    let hash = labels_hash(hash::seed() ^ ptr::from_ref(parent) as u64, labels.iter().copied());
    let is_it = |l: &Labelled| {
        let same = |(had, given): (&(String, String), &(&str, &str))| had.0 == given.0 && had.1 == given.1;
        ptr::eq(l.parent, parent) && l.labels.len() == labels.len() && l.labels.iter().zip(labels).all(same)
    };
    if let Some(found) = LABELLED.get(hash, is_it) {
        return Ok(found);
    }
    let Some(_busy) = busy::enter() else { return Err(&DEAD_LOGGER) };
    let held: usize = parent.labels.iter().map(|(k, v)| k.len() + v.len()).sum();
    let more: usize = labels.iter().map(|(k, v)| k.len() + v.len()).sum();
    if held + more > MAX_RAW_BYTES || parent.labels.len() + labels.len() > MAX_LABELS {
        refuse(&REFUSED.long_names);
        return Err(overflow_logger());
    }
    let mut all = parent.labels.clone();
    for (key, value) in labels {
        match all.binary_search_by(|(k, _)| k.as_str().cmp(key)) {
            Ok(at) => all[at].1 = (*value).to_owned(),
            Err(at) => all.insert(at, ((*key).to_owned(), (*value).to_owned())),
        }
    }
    let logger = intern_logger(parent.name.clone(), parent.object.clone(), all);
    if logger.overflow {
        return Err(logger);
    }
    let max = limits::in_force().max_label_sets.saturating_mul(2);
    // Past the bound the step is not remembered, only made again.
    let remembered = LABELLED.get_or_insert(hash, is_it, |len| {
        let mut values = [NO_WORD; WORDS];
        for (to, (_, value)) in values.iter_mut().zip(labels) {
            *to = encode(value).unwrap_or(NO_WORD);
        }
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        (len < max).then(|| &*Box::leak(Box::new(Labelled { parent, labels, values, logger })))
    });
    remembered.ok_or(logger)
}

/// How many labels of a call site are looked at without a hash of their texts.
const WORDS: usize = 4;

/// A short text as two words, from which it could be read again: two texts are the same when their words are.
type Word = [u64; 2];

/// What no text is written as: the lowest byte of the second word is a length, of at most 15.
const NO_WORD: Word = [u64::MAX; 2];

/// A text of at most 15 bytes as two words, the length in the lowest byte of the second.
#[inline(always)]
fn encode(text: &str) -> Option<Word> {
    let bytes = text.as_bytes();
    let len = bytes.len();
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let half = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)));
    // The pieces that are read may overlap; which do is known from the length.
    let text = match len {
        0 => [0, 0],
        1..4 => {
            [u64::from(bytes[0]) | u64::from(bytes[len / 2]) << 8 | u64::from(bytes[len - 1]) << 16, 0]
        }
        4..8 => [half(0) | half(len - 4) << 32, 0],
        8..16 => [word(0), word(len - 8) >> (8 * (15 - len)) & !0xff],
        _ => return None,
    };
    Some([text[0], text[1] | len as u64])
}

/// All of them, and a digest; `None` when one is too long, or when they are too many.
#[inline(always)]
fn encode_all<const N: usize>(values: &[&str; N]) -> Option<([Word; N], u64)> {
    if N > WORDS {
        return None;
    }
    let mut words = [NO_WORD; N];
    let mut digest = 0u64;
    for (word, value) in words.iter_mut().zip(values) {
        *word = encode(value)?;
        digest = (digest.rotate_left(29) ^ word[0] ^ word[1]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Some((words, digest))
}

/// One combination of values, and the series it led to. They are stored one after the other, and read so: what belongs to
/// another combination is recognised by its logger.
struct Known {
    labelled: AtomicPtr<Labelled>,
    series: AtomicPtr<Series>,
}

impl Known {
    const fn none() -> Known {
        Known { labelled: AtomicPtr::new(ptr::null_mut()), series: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The series, if it is that of these values.
    #[inline(always)]
    fn get<const N: usize>(&self, parent: *const LoggerEntry, words: &[Word; N]) -> Option<&'static Series> {
        // SAFETY: the pointer is null or was stored from a `&'static Labelled` in `look_up`.
        let labelled: &'static Labelled = unsafe { self.labelled.load(Acquire).as_ref() }?;
        // Word by word: as one comparison of memory it would wait for the words to get there.
        let differ = words.iter().zip(&labelled.values).fold(0, |d, (a, b)| d | a[0] ^ b[0] | a[1] ^ b[1]);
        if differ != 0 || !ptr::eq(labelled.parent, parent) {
            return None;
        }
        // SAFETY: the pointer is null or was stored from a `&'static Series` in `look_up`.
        let series: &'static Series = unsafe { self.series.load(Acquire).as_ref() }?;
        ptr::eq(series.logger, labelled.logger).then_some(series)
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
    pub(crate) fn get<const N: usize>(&self, parent: *const LoggerEntry, values: &[&str; N]) -> Option<&'static Series> {
        let (words, digest) = encode_all(values)?;
        // Mostly it is in the first place; where it is not, there is time.
        self.0[places(digest)[0]].get(parent, &words)
    }

    /// The same, looked up. The keys are the same at each call, and so is what `find` looks for.
    pub(crate) fn look_up<const N: usize>(
        &self,
        parent: &'static LoggerEntry,
        keys: &[&str; N],
        values: &[&str; N],
        find: impl Fn(&'static LoggerEntry) -> &'static Series,
    ) -> &'static Series {
        let encoded = encode_all(values);
        if let Some((words, digest)) = &encoded
            && let Some(series) = places(*digest).into_iter().find_map(|at| self.0[at].get(parent, words))
        {
            return series;
        }
        let labels: [(&str, &str); N] = std::array::from_fn(|i| (keys[i], values[i]));
        let labelled = match labelled(parent, &labels) {
            Ok(labelled) => labelled,
            Err(logger) => return find(logger),
        };
        let series = find(labelled.logger);
        if let Some((_, digest)) = encoded.filter(|_| ptr::eq(series.logger, labelled.logger)) {
            let places = places(digest);
            let free = places.into_iter().find(|at| self.0[*at].labelled.load(Relaxed).is_null());
            // Where there are more values than places, one that is kept is better than two that take turns; which are kept may change
            // in time.
            if let Some(at) = free.or_else(|| rate::one_in(16).then_some(places[0])) {
                self.0[at].labelled.store(ptr::from_ref(labelled).cast_mut(), Release);
                self.0[at].series.store(ptr::from_ref(series).cast_mut(), Release);
            }
        }
        series
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn texts_that_differ_are_written_differently() {
        let mut seen: HashMap<Word, String> = HashMap::new();
        let mut put = |text: String| {
            let word = encode(&text).unwrap();
            assert_ne!(word, NO_WORD);
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
