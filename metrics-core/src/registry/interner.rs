//! Texts and label sets that stay for the life of the program, side by side in blocks: an allocation of its own for each would take twice
//! their memory.

use crate::registry::append_table::AppendTable;
use crate::registry::hash;
use crate::sync::{Mutex, lock};
use std::mem::take;

/// A label as it is kept.
pub(crate) type Label = (&'static str, &'static str);

const TEXT_BLOCK: usize = 16 << 10;
const LABEL_BLOCK: usize = 256;

/// What is left of the newest block.
static TEXTS: Mutex<&'static mut [u8]> = Mutex::new(&mut []);
static LABELS: Mutex<&'static mut [Label]> = Mutex::new(&mut []);
/// Label keys: few, each in many label sets.
static KEYS: AppendTable<&'static str> = AppendTable::new();

/// The first `len` of a block, or of a new one.
fn bump<T: Clone + Default>(rest: &Mutex<&'static mut [T]>, len: usize, block: usize) -> &'static mut [T] {
    let new = |len| vec![T::default(); len].leak();
    if len > block / 4 {
        return new(len);
    }
    let mut rest = lock(rest);
    if rest.len() < len {
        *rest = new(block);
    }
    let (first, left) = take(&mut *rest).split_at_mut(len);
    *rest = left;
    first
}

/// A copy of a text.
pub(crate) fn intern(text: &str) -> &'static str {
    let copy = bump(&TEXTS, text.len(), TEXT_BLOCK);
    copy.copy_from_slice(text.as_bytes());
    std::str::from_utf8(copy).unwrap_or_default()
}

/// The one copy of a label's key.
fn key(text: &str) -> &'static str {
    let found = KEYS.get_or_insert(hash::text(hash::seed(), text), |k| *k == text, |_| Some(intern(text)));
    found.copied().unwrap_or_default()
}

/// A copy of labels.
pub(crate) fn intern_labels(labels: &[(&str, &str)]) -> &'static [Label] {
    let copy = bump(&LABELS, labels.len(), LABEL_BLOCK);
    for (to, (k, v)) in copy.iter_mut().zip(labels) {
        *to = (key(k), intern(v));
    }
    copy
}

/// Locks out copying while the guard lives.
pub(super) fn freeze() -> impl Sized {
    (KEYS.freeze(), lock(&TEXTS), lock(&LABELS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_what_was_copied_whatever_their_length() {
        let texts: Vec<String> = (0..300).map(|i| "é".repeat(i * i % 5000)).collect();
        // Kept, as all copies are in a program: the leak sanitizer looks for them.
        static COPIES: std::sync::OnceLock<Vec<&str>> = std::sync::OnceLock::new();
        let copies = COPIES.get_or_init(|| texts.iter().map(|t| intern(t)).collect());
        assert_eq!(&texts, copies);
        let labels = [("a", "1"), ("b", ""), ("", "x")];
        static LABELS: std::sync::OnceLock<[&[Label]; 2]> = std::sync::OnceLock::new();
        let [first, again] = LABELS.get_or_init(|| [intern_labels(&labels), intern_labels(&labels)]);
        assert_eq!((*first, intern_labels(&[])), (&labels[..], &[][..]));
        // The keys are the same ones, the values copies.
        assert!(std::ptr::eq(first[0].0, again[0].0) && !std::ptr::eq(first[0].1, again[0].1));
    }
}
