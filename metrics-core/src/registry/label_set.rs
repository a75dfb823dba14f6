//! Labels as they are kept, a million sets of them: one piece of memory for each set, reached through one word.
//!
//! ```text
//! number of labels │ key ─► length │ text     a label: where the text of its key is, which many sets share,
//!        1 byte    │  length of the value │ value          and its value, where it is read next
//! ```
//!
//! Two texts with their lengths, in a list of their own, would take twice the memory, and one more look at memory that nothing has read lately.

use crate::naming::name::MAX_LABELS;
use std::ptr::{self, NonNull};

/// A label.
pub(crate) type Label = (&'static str, &'static str);

/// Room for as many labels as a logger can have.
pub(crate) type LabelRoom = [(&'static str, &'static str); MAX_LABELS];
pub(crate) const LABEL_ROOM: LabelRoom = [("", ""); MAX_LABELS];

const LEN: usize = size_of::<u16>();
const KEY: usize = size_of::<SharedText>();

/// Returns a text that a length of two bytes tells: all that are kept are shorter.
fn short(text: &str) -> &str {
    if text.len() <= usize::from(u16::MAX) { text } else { "" }
}

/// Writes the length of a text and the text. Returns what is left behind it.
fn put<'p>(place: &'p mut [u8], text: &str) -> &'p mut [u8] {
    let (len, behind) = place.split_at_mut(LEN);
    len.copy_from_slice(&(text.len() as u16).to_ne_bytes());
    let (copy, rest) = behind.split_at_mut(text.len());
    copy.copy_from_slice(text.as_bytes());
    rest
}

/// Returns the text that [`put`] wrote.
///
/// # Safety
/// `place` points to what `put` wrote, which nobody writes again for the life of the program.
#[inline]
unsafe fn text_at(place: NonNull<u8>) -> &'static str {
    // SAFETY: as the caller promises. The bytes are those of a `&str`.
    unsafe {
        let len = place.cast::<u16>().read_unaligned();
        std::str::from_utf8_unchecked(std::slice::from_raw_parts(place.add(LEN).as_ptr(), usize::from(len)))
    }
}

/// A text that is kept once, behind its length: one word leads to it, where a `&str` takes two.
#[derive(Clone, Copy)]
pub(crate) struct SharedText(NonNull<u8>);

// SAFETY: it points to bytes that nobody writes any more.
unsafe impl Send for SharedText {}

impl SharedText {
    /// Returns the number of bytes that a text takes.
    pub(crate) fn bytes(text: &str) -> usize {
        LEN + short(text).len()
    }

    /// Writes a text to memory of [its length](Self::bytes).
    pub(crate) fn new(place: &'static mut [u8], text: &str) -> SharedText {
        put(place, short(text));
        SharedText(NonNull::from(place).cast())
    }

    #[inline]
    pub(crate) fn get(self) -> &'static str {
        // SAFETY: `new` wrote it, to memory that it was given for ever.
        unsafe { text_at(self.0) }
    }
}

/// The labels of a logger, sorted by key.
#[derive(Clone, Copy)]
pub(crate) struct LabelSet(NonNull<u8>);

// SAFETY: it points to bytes that nobody writes any more.
unsafe impl Send for LabelSet {}
// SAFETY: as above.
unsafe impl Sync for LabelSet {}

static NO_LABELS: u8 = 0;

impl LabelSet {
    // SAFETY: a reference is not null.
    pub(crate) const EMPTY: LabelSet =
        LabelSet(unsafe { NonNull::new_unchecked(ptr::from_ref(&NO_LABELS).cast_mut()) });

    /// Returns the number of bytes that labels take.
    pub(crate) fn bytes(labels: &[(&str, &str)]) -> usize {
        labels.iter().fold(1, |bytes, (_, value)| bytes + KEY + LEN + short(value).len())
    }

    /// Writes labels, at most [`MAX_LABELS`], to memory of [their length](Self::bytes). `key` returns the shared text of a key.
    pub(crate) fn new(
        place: &'static mut [u8],
        labels: &[(&str, &str)],
        mut key: impl FnMut(&str) -> SharedText,
    ) -> LabelSet {
        const { assert!(MAX_LABELS <= u8::MAX as usize) };
        let (number, mut rest) = place.split_at_mut(1);
        number[0] = labels.len() as u8;
        for (name, value) in labels {
            let (to, behind) = rest.split_at_mut(KEY);
            // SAFETY: there is room for one, of any alignment.
            unsafe { to.as_mut_ptr().cast::<SharedText>().write_unaligned(key(name)) };
            rest = put(behind, short(value));
        }
        LabelSet(NonNull::from(place).cast())
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.iter().left == 0
    }

    #[inline]
    pub(crate) fn iter(self) -> Labels {
        // SAFETY: it points to one byte at least, which nobody writes; the labels follow.
        unsafe { Labels { left: self.0.read(), next: self.0.add(1) } }
    }

    /// Returns the labels as a list.
    pub(crate) fn list(self, room: &mut LabelRoom) -> &[Label] {
        let labels = self.iter();
        let list = &mut room[..labels.len()];
        list.iter_mut().zip(labels).for_each(|(to, label)| *to = label);
        list
    }

    /// Returns whether they are these.
    pub(crate) fn are(self, labels: &[(&str, &str)]) -> bool {
        let mine = self.iter();
        mine.len() == labels.len() && mine.zip(labels).all(|((key, value), other)| (key, value) == *other)
    }
}

/// The labels of a set, one after the other.
#[derive(Clone)]
pub(crate) struct Labels {
    left: u8,
    next: NonNull<u8>,
}

// SAFETY: as a `LabelSet` is.
unsafe impl Send for Labels {}
// SAFETY: as above.
unsafe impl Sync for Labels {}

impl Iterator for Labels {
    type Item = Label;

    #[inline]
    fn next(&mut self) -> Option<Label> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: `LabelSet::new` wrote as many labels as were left, one behind the other: a key, and a value.
        unsafe {
            let key = self.next.cast::<SharedText>().read_unaligned();
            let value = text_at(self.next.add(KEY));
            self.next = self.next.add(KEY + LEN + value.len());
            Some((key.get(), value))
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Labels {}
