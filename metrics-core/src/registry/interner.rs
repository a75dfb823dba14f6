//! Texts and label sets that stay for the life of the program, side by side in blocks: an allocation of its own for each would take twice
//! their memory.

use crate::naming::name::MAX_LABELS;
use crate::registry::hash;
use crate::registry::hash_index::{HashIndex, Occupied, fingerprint};
use crate::registry::label_set::{LabelSet, SharedText};
use std::mem::take;

const BLOCK: usize = 16 << 10;

/// The unused end of the newest block, and the texts that are kept once.
pub(crate) struct Interner {
    rest: &'static mut [u8],
    /// Names below loggers with labels: few, each below many.
    names: SharedTexts,
    /// Label keys: few, each in many label sets.
    keys: SharedTexts,
}

/// Cuts `len` bytes off a block, or off a new one.
fn bump(rest: &mut &'static mut [u8], len: usize) -> &'static mut [u8] {
    let new = |len| vec![0; len].leak();
    if len > BLOCK / 4 {
        return new(len);
    }
    if rest.len() < len {
        *rest = new(BLOCK);
    }
    let (first, left) = take(rest).split_at_mut(len);
    *rest = left;
    first
}

impl Interner {
    pub(crate) const fn new() -> Interner {
        Interner { rest: &mut [], names: SharedTexts::new(), keys: SharedTexts::new() }
    }

    /// Returns a copy of a text.
    pub(crate) fn intern(&mut self, text: &str) -> &'static str {
        let copy = bump(&mut self.rest, text.len());
        copy.copy_from_slice(text.as_bytes());
        std::str::from_utf8(copy).unwrap_or_default()
    }

    /// Returns the one copy of a name that many loggers share.
    pub(crate) fn intern_shared(&mut self, name: &str) -> &'static str {
        let rest = &mut self.rest;
        self.names.one(name, &mut || SharedText::new(bump(rest, SharedText::bytes(name)), name)).get()
    }

    /// Returns a copy of labels, at most [`MAX_LABELS`].
    pub(crate) fn intern_labels(&mut self, labels: &[(&str, &str)]) -> LabelSet {
        if labels.is_empty() {
            return LabelSet::EMPTY;
        }
        let mut all = [SharedText::EMPTY; MAX_LABELS];
        let keys = &mut all[..labels.len()];
        for (to, (key, _)) in keys.iter_mut().zip(labels) {
            let rest = &mut self.rest;
            let new =
                || SharedText::of_key(key).unwrap_or_else(|| SharedText::new(bump(rest, SharedText::bytes(key)), key));
            *to = self.keys.one(key, &mut { new });
        }
        LabelSet::new(bump(&mut self.rest, LabelSet::bytes(labels, keys)), labels, keys)
    }
}

/// Texts of which there is one copy each.
struct SharedTexts {
    index: HashIndex,
    occupied: Occupied,
    all: Vec<SharedText>,
}

impl SharedTexts {
    const fn new() -> SharedTexts {
        SharedTexts { index: HashIndex::new(), occupied: Occupied(0), all: Vec::new() }
    }

    /// Returns the one copy of a text, which `make` makes.
    fn one(&mut self, text: &str, make: &mut dyn FnMut() -> SharedText) -> SharedText {
        let (all, fingerprint) = (&self.all, fingerprint_of(text));
        if let Some(known) = self.index.find(fingerprint, |at| Some(all[at]).filter(|known| known.get() == text)) {
            return known;
        }
        let room = self.index.make_room(&mut self.occupied, all.len(), &|known| fingerprint_of(all[known].get()));
        let copy = make();
        // Beyond all that an index holds, each has a copy of its own.
        if room.is_some() {
            self.index.put(&mut self.occupied, fingerprint, all.len());
            self.all.push(copy);
        }
        copy
    }
}

fn fingerprint_of(text: &str) -> u32 {
    fingerprint(hash::text(hash::seed(), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, OnceLock};

    // Kept, as all copies are in a program: the leak sanitizer looks for them.
    static INTERNER: Mutex<Interner> = Mutex::new(Interner::new());

    #[test]
    fn copies_are_what_was_copied_whatever_their_length() {
        let mut interner = INTERNER.lock().unwrap();
        let texts: Vec<String> = (0..300).map(|i| "é".repeat(i * i % 5000)).collect();
        static COPIES: OnceLock<Vec<&str>> = OnceLock::new();
        let copies = COPIES.get_or_init(|| texts.iter().map(|t| interner.intern(t)).collect());
        assert_eq!(&texts, copies);
        let labels = [("a", "1"), ("b", ""), ("", "x")];
        static LABELS: OnceLock<[LabelSet; 2]> = OnceLock::new();
        let sets = LABELS.get_or_init(|| [interner.intern_labels(&labels), interner.intern_labels(&labels)]);
        assert!(sets.iter().all(|set| set.iter().eq(labels) && set.are(&labels) && !set.are(&labels[1..])));
        assert!(interner.intern_labels(&[]).is_empty() && interner.intern_labels(&[]).are(&[]));
        // The keys are the same ones, the values copies.
        let [first, again] = sets.map(|set| set.iter().next().unwrap());
        assert!(std::ptr::eq(first.0, again.0) && !std::ptr::eq(first.1, again.1));
    }
}
