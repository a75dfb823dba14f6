//! A small memory by texts: which labels lead where, without a hash of the texts.
//!
//! A short text is written as two words, so that to recognise a combination is to compare a few words. A place of the memory is filled once and
//! stays: a caller that meets more combinations than there are places looks the others up each time.

use crate::registry::series::LoggerEntry;
use crate::sync::{publish_once, reentrancy};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// Most texts of a combination that are looked at without a hash.
const WORDS: usize = 4;

/// A short text as two words, from which it could be read again: two texts are the same when their words are.
type Word = [u64; 2];

/// A word that no text is written as: the lowest byte of the second word is a length, of at most 15.
const SENTINEL_WORD: Word = [u64::MAX; 2];

/// Writes a text of at most 15 bytes as two words, the length in the lowest byte of the second.
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

/// Writes all of them, and a digest; `None` when one is too long, or when they are too many.
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

/// One combination of texts seen from one logger, and the value it leads to.
struct Entry<T: 'static> {
    parent: *const LoggerEntry,
    /// The texts, as [`encode`] writes them.
    words: [Word; WORDS],
    value: &'static T,
}

const PLACES: usize = 64;

/// Returns the places where a combination may be.
#[inline(always)]
fn places(digest: u64) -> [usize; 4] {
    let (first, second) = ((digest >> 58) as usize % PLACES, (digest >> 52) as usize % PLACES);
    [first, first ^ 1, second, second ^ 1]
}

/// The memory.
pub(crate) struct TextMemory<T: 'static>([AtomicPtr<Entry<T>>; PLACES]);

impl<T> TextMemory<T> {
    /// The most memory that the entries take, in bytes.
    pub(crate) const BYTES: usize = PLACES * (size_of::<Entry<T>>() + 16);

    pub(crate) const fn new() -> Self {
        TextMemory([const { AtomicPtr::new(ptr::null_mut()) }; PLACES])
    }

    #[inline(always)]
    fn at<const N: usize>(
        &self,
        place: usize,
        parent: impl FnOnce() -> *const LoggerEntry,
        words: &[Word; N],
    ) -> Option<&'static T> {
        // SAFETY: null, or published in `look_up`, for ever.
        let entry: &'static Entry<T> = unsafe { self.0[place].load(Acquire).as_ref() }?;
        // Word by word: as one comparison of memory it would wait for the words to get there.
        let differ = words.iter().zip(&entry.words).fold(0, |d, (a, b)| d | a[0] ^ b[0] | a[1] ^ b[1]);
        (differ == 0 && ptr::eq(entry.parent, parent())).then_some(entry.value)
    }

    /// Returns the value of these texts, if it is in its first place. Without a call, so that the path to it needs no stack. `parent` is asked
    /// last, when there are registers to spare.
    #[inline(always)]
    pub(crate) fn get<const N: usize>(
        &self,
        parent: impl FnOnce() -> *const LoggerEntry,
        texts: &[&str; N],
    ) -> Option<&'static T> {
        let (words, digest) = encode_all(texts)?;
        self.at(places(digest)[0], parent, &words)
    }

    /// Returns the value of these texts, of another place or of `find`. It is remembered, if there is a place and `may_keep` says so.
    pub(crate) fn look_up<const N: usize>(
        &self,
        parent: &'static LoggerEntry,
        texts: &[&str; N],
        may_keep: impl FnOnce(&T) -> bool,
        find: impl FnOnce() -> &'static T,
    ) -> &'static T {
        let encoded = encode_all(texts);
        if let Some((words, digest)) = &encoded
            && let Some(value) = places(*digest).into_iter().find_map(|place| self.at(place, || parent, words))
        {
            return value;
        }
        let value = find();
        if let Some((words, digest)) = encoded
            && may_keep(value)
            && let Some(free) = places(digest).into_iter().find(|place| self.0[*place].load(Relaxed).is_null())
            && let Some(_busy) = reentrancy::try_enter()
        {
            let mut all = [SENTINEL_WORD; WORDS];
            all[..N].copy_from_slice(&words);
            publish_once::publish(&self.0[free], ptr::null_mut(), Entry { parent, words: all, value });
        }
        value
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
