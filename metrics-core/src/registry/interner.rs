//! Texts and label sets that stay for the life of the program, side by side in blocks: an allocation of its own for each would take twice
//! their memory.

use std::collections::BTreeSet;
use std::mem::take;

/// A label as it is kept.
pub(crate) type Label = (&'static str, &'static str);

const TEXT_BLOCK: usize = 16 << 10;
const LABEL_BLOCK: usize = 256;

/// The unused ends of the newest blocks, and the texts that are kept once.
pub(crate) struct Interner {
    texts: &'static mut [u8],
    labels: &'static mut [Label],
    /// Label keys, and names below loggers with labels: few, each in many label sets.
    shared: BTreeSet<&'static str>,
}

/// Cuts `len` values off a block, or off a new one.
fn bump<T: Clone + Default>(rest: &mut &'static mut [T], len: usize, block: usize) -> &'static mut [T] {
    let new = |len| vec![T::default(); len].leak();
    if len > block / 4 {
        return new(len);
    }
    if rest.len() < len {
        *rest = new(block);
    }
    let (first, left) = take(rest).split_at_mut(len);
    *rest = left;
    first
}

impl Interner {
    pub(crate) const fn new() -> Interner {
        Interner { texts: &mut [], labels: &mut [], shared: BTreeSet::new() }
    }

    /// Returns a copy of a text.
    pub(crate) fn intern(&mut self, text: &str) -> &'static str {
        let copy = bump(&mut self.texts, text.len(), TEXT_BLOCK);
        copy.copy_from_slice(text.as_bytes());
        std::str::from_utf8(copy).unwrap_or_default()
    }

    /// Returns the one copy of a text that many share.
    pub(crate) fn intern_shared(&mut self, text: &str) -> &'static str {
        if let Some(known) = self.shared.get(text) {
            return known;
        }
        let copy = self.intern(text);
        self.shared.insert(copy);
        copy
    }

    /// Returns a copy of labels.
    pub(crate) fn intern_labels(&mut self, labels: &[(&str, &str)]) -> &'static [Label] {
        let copy = bump(&mut self.labels, labels.len(), LABEL_BLOCK);
        for (to, (key, value)) in copy.iter_mut().zip(labels) {
            *to = (self.intern_shared(key), self.intern(value));
        }
        copy
    }
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
        static LABELS: OnceLock<[&[Label]; 2]> = OnceLock::new();
        let [first, again] = LABELS.get_or_init(|| [interner.intern_labels(&labels), interner.intern_labels(&labels)]);
        assert_eq!((*first, interner.intern_labels(&[])), (&labels[..], &[][..]));
        // The keys are the same ones, the values copies.
        assert!(std::ptr::eq(first[0].0, again[0].0) && !std::ptr::eq(first[0].1, again[0].1));
    }
}
