//! Labels of any text: a call site remembers the series of a few combinations by their texts.
//!
//! A short text is written as two words, so that to recognise a combination is to compare a few words. A place of the memory is filled once and
//! stays: a site that meets more combinations than it has places for looks the others up each time.

use crate::registry::kind::Kind;
use crate::registry::literal_cache::static_series;
use crate::registry::loggers::with_labels;
use crate::registry::series::{LoggerEntry, Series};
use crate::sync::{publish_once, reentrancy};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

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

/// One combination of values seen from one logger, and the series it leads to.
struct Entry {
    parent: *const LoggerEntry,
    /// The values, as [`encode`] writes them.
    words: [Word; WORDS],
    series: &'static Series,
}

const PLACES: usize = 64;

/// Returns the places where a combination may be.
#[inline(always)]
fn places(digest: u64) -> [usize; 4] {
    let (first, second) = ((digest >> 58) as usize % PLACES, (digest >> 52) as usize % PLACES);
    [first, first ^ 1, second, second ^ 1]
}

/// The memory of a call site with fixed label keys, name and kind.
pub(super) struct TextMemory([AtomicPtr<Entry>; PLACES]);

/// The parts of a call that are the same each time.
pub(super) struct Target<const N: usize> {
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str; N],
    pub(super) kind: Kind,
    pub(super) rate: f64,
}

impl TextMemory {
    pub(super) const fn new() -> TextMemory {
        TextMemory([const { AtomicPtr::new(ptr::null_mut()) }; PLACES])
    }

    #[inline(always)]
    fn at<const N: usize>(
        &self,
        place: usize,
        parent: impl FnOnce() -> *const LoggerEntry,
        words: &[Word; N],
    ) -> Option<&'static Series> {
        // SAFETY: null, or published in `look_up`, for ever.
        let entry: &'static Entry = unsafe { self.0[place].load(Acquire).as_ref() }?;
        // Word by word: as one comparison of memory it would wait for the words to get there.
        let differ = words.iter().zip(&entry.words).fold(0, |d, (a, b)| d | a[0] ^ b[0] | a[1] ^ b[1]);
        (differ == 0 && ptr::eq(entry.parent, parent())).then_some(entry.series)
    }

    /// Returns the series of these values, if it is in its first place. Without a call, so that the path to it needs no stack.
    #[inline(always)]
    pub(super) fn get<const N: usize>(
        &self,
        parent: impl FnOnce() -> *const LoggerEntry,
        values: &[&str; N],
    ) -> Option<&'static Series> {
        let (words, digest) = encode_all(values)?;
        self.at(places(digest)[0], parent, &words)
    }

    /// Returns the series of these values, looked up if need be, and remembers it if there is a place.
    pub(super) fn look_up<const N: usize>(
        &self,
        parent: &'static LoggerEntry,
        target: &Target<N>,
        values: &[&str; N],
    ) -> &'static Series {
        let encoded = encode_all(values);
        if let Some((words, digest)) = &encoded
            && let Some(series) = places(*digest).into_iter().find_map(|place| self.at(place, || parent, words))
        {
            return series;
        }
        let labels: [(&str, &str); N] = std::array::from_fn(|i| (target.keys[i], values[i]));
        let series = static_series(with_labels(parent, &labels), target.name, target.kind, target.rate, false);
        // The overflow series stands for many names, and the sentinel for none.
        if let Some((words, digest)) = encoded
            && series.logger.is_programs()
            && let Some(free) = places(digest).into_iter().find(|place| self.0[*place].load(Relaxed).is_null())
            && let Some(_busy) = reentrancy::try_enter()
        {
            let mut all = [SENTINEL_WORD; WORDS];
            all[..N].copy_from_slice(&words);
            publish_once::publish(&self.0[free], ptr::null_mut(), Entry { parent, words: all, series });
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

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
