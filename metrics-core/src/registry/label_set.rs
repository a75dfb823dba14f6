//! Labels as they are kept, a million sets of them: one piece of memory for each set, reached through one word.
//!
//! ```text
//! number of labels │ key ─► length │ text     a label: where the text of its key is, which many sets share,
//!      1 byte      │ length of the value │ value     and its value, where it is read next
//! ```
//!
//! A key takes two bytes, which say where its text stands in [a room](KEY_ROOM) for them; a length below 128 takes one. Two texts with their lengths, in a
//! list of their own, would take three times the memory, and one more look at memory that nothing has read lately.

use crate::naming::name::MAX_LABELS;
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A label.
pub(crate) type Label = (&'static str, &'static str);

/// Room for as many labels as a logger can have.
pub(crate) type LabelRoom = [(&'static str, &'static str); MAX_LABELS];
pub(crate) const LABEL_ROOM: LabelRoom = [("", ""); MAX_LABELS];

/// Where the text of a key is: a place in [`KEY_ROOM`], or [`ELSEWHERE`] and a pointer behind it.
const KEY: usize = size_of::<u16>();
const ELSEWHERE: u16 = u16::MAX;

/// Room for the texts of keys. The system gives its pages when they are first written.
struct KeyRoom {
    texts: UnsafeCell<[u8; ELSEWHERE as usize]>,
    /// How many bytes are given out.
    used: AtomicUsize,
}

// SAFETY: each byte is given out once, to one who writes it before others know of it.
unsafe impl Sync for KeyRoom {}

static KEY_ROOM: KeyRoom = KeyRoom { texts: UnsafeCell::new([0; ELSEWHERE as usize]), used: AtomicUsize::new(0) };

impl KeyRoom {
    fn first(&'static self) -> NonNull<u8> {
        NonNull::from(&self.texts).cast()
    }

    /// Returns the place of that many bytes, which nobody else is given; `None` where there is no more room.
    fn take(&'static self, bytes: usize) -> Option<NonNull<u8>> {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= usize::from(ELSEWHERE));
        let at = self.used.fetch_update(Relaxed, Relaxed, more).ok()?;
        // SAFETY: the bytes from `at` on are in the room.
        Some(unsafe { self.first().add(at) })
    }
}

/// Returns a text whose length takes two bytes at most: all that are kept are shorter.
fn short(text: &str) -> &str {
    if text.len() < 1 << 15 { text } else { "" }
}

/// Returns the number of bytes that a text and its length take.
fn bytes(text: &str) -> usize {
    let len = short(text).len();
    1 + usize::from(len >= 128) + len
}

/// Writes the length of a text, the seven lowest bits first, and the text. Returns what is left behind it.
fn put<'p>(place: &'p mut [u8], text: &str) -> &'p mut [u8] {
    let len = text.len();
    let to = match len {
        0..128 => {
            place[0] = len as u8;
            1
        }
        _ => {
            place[..2].copy_from_slice(&[len as u8 | 128, (len >> 7) as u8]);
            2
        }
    };
    let (copy, rest) = place[to..].split_at_mut(len);
    copy.copy_from_slice(text.as_bytes());
    rest
}

/// Returns the text that [`put`] wrote, and where it ends.
///
/// # Safety
/// `place` points to what `put` wrote, which nobody writes again for the life of the program.
#[inline]
unsafe fn text_at(place: NonNull<u8>) -> (&'static str, NonNull<u8>) {
    // SAFETY: as the caller promises. The bytes are those of a `&str`.
    unsafe {
        let (mut len, mut text) = (usize::from(place.read()), place.add(1));
        if len >= 128 {
            len = len - 128 + (usize::from(text.read()) << 7);
            text = text.add(1);
        }
        (std::str::from_utf8_unchecked(std::slice::from_raw_parts(text.as_ptr(), len)), text.add(len))
    }
}

/// A text that is kept once, behind its length: one word leads to it, where a `&str` takes two.
#[derive(Clone, Copy)]
pub(crate) struct SharedText(NonNull<u8>);

// SAFETY: it points to bytes that nobody writes any more.
unsafe impl Send for SharedText {}

impl SharedText {
    // SAFETY: a reference is not null.
    pub(crate) const EMPTY: SharedText =
        SharedText(unsafe { NonNull::new_unchecked(ptr::from_ref(&NOTHING).cast_mut()) });

    /// Returns the number of bytes that a text takes.
    pub(crate) fn bytes(text: &str) -> usize {
        bytes(text)
    }

    /// Writes the text of a key, which many label sets have, where two bytes lead to it. `None` where there is no more room.
    pub(crate) fn of_key(text: &str) -> Option<SharedText> {
        let (bytes, place) = (SharedText::bytes(text), KEY_ROOM.take(SharedText::bytes(text))?);
        // SAFETY: nobody else is given these bytes, which are there for ever.
        Some(SharedText::new(unsafe { std::slice::from_raw_parts_mut(place.as_ptr(), bytes) }, text))
    }

    /// Returns where in the room for keys it is; [`ELSEWHERE`] if it is not there.
    fn key(self) -> u16 {
        let at = self.0.addr().get().wrapping_sub(KEY_ROOM.first().addr().get());
        u16::try_from(at).unwrap_or(ELSEWHERE)
    }

    /// Writes a text to memory of [its length](Self::bytes).
    pub(crate) fn new(place: &'static mut [u8], text: &str) -> SharedText {
        put(place, short(text));
        SharedText(NonNull::from(place).cast())
    }

    #[inline]
    pub(crate) fn get(self) -> &'static str {
        // SAFETY: `new` wrote it, to memory that it was given for ever.
        unsafe { text_at(self.0).0 }
    }
}

/// The labels of a logger, sorted by key.
#[derive(Clone, Copy)]
pub(crate) struct LabelSet(NonNull<u8>);

// SAFETY: it points to bytes that nobody writes any more.
unsafe impl Send for LabelSet {}
// SAFETY: as above.
unsafe impl Sync for LabelSet {}

/// No labels, and the empty text.
static NOTHING: u8 = 0;

impl LabelSet {
    // SAFETY: a reference is not null.
    pub(crate) const EMPTY: LabelSet = LabelSet(unsafe { NonNull::new_unchecked(ptr::from_ref(&NOTHING).cast_mut()) });

    /// Returns the number of bytes that labels take. `keys` are the shared texts of their keys.
    pub(crate) fn bytes(labels: &[(&str, &str)], keys: &[SharedText]) -> usize {
        let far = keys.iter().filter(|key| key.key() == ELSEWHERE).count();
        labels.iter().fold(1 + far * size_of::<SharedText>(), |all, (_, value)| all + KEY + bytes(value))
    }

    /// Writes labels, at most [`MAX_LABELS`], to memory of [their length](Self::bytes).
    pub(crate) fn new(place: &'static mut [u8], labels: &[(&str, &str)], keys: &[SharedText]) -> LabelSet {
        const { assert!(MAX_LABELS <= u8::MAX as usize) };
        let (number, mut rest) = place.split_at_mut(1);
        number[0] = labels.len() as u8;
        for ((_, value), key) in labels.iter().zip(keys) {
            let (to, mut behind) = rest.split_at_mut(KEY);
            to.copy_from_slice(&key.key().to_ne_bytes());
            if key.key() == ELSEWHERE {
                let (to, more) = behind.split_at_mut(size_of::<SharedText>());
                // SAFETY: there is room for one, of any alignment.
                unsafe { to.as_mut_ptr().cast::<SharedText>().write_unaligned(*key) };
                behind = more;
            }
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
        // SAFETY: `LabelSet::new` wrote as many labels as were left, one behind the other: a key, and a value. A key that is in the room is where its
        // two bytes say.
        unsafe {
            let at = self.next.cast::<u16>().read_unaligned();
            let mut place = self.next.add(KEY);
            let key = if at == ELSEWHERE {
                let far = place.cast::<SharedText>().read_unaligned();
                place = place.add(size_of::<SharedText>());
                far
            } else {
                SharedText(KEY_ROOM.first().add(usize::from(at)))
            };
            let (value, next) = text_at(place);
            self.next = next;
            Some((key.get(), value))
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Labels {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Blocks that a program keeps for ever: the leak sanitizer looks for them.
    static KEPT: Mutex<(Vec<LabelSet>, Vec<SharedText>)> = Mutex::new((Vec::new(), Vec::new()));
    static LONG: [u8; 2048] = [b'v'; 2048];

    fn far(text: &str) -> SharedText {
        let text = SharedText::new(vec![0; SharedText::bytes(text)].leak(), text);
        KEPT.lock().unwrap().1.push(text);
        text
    }

    fn near(text: &str) -> SharedText {
        SharedText::of_key(text).expect("room")
    }

    fn set(labels: &[Label], keys: &[SharedText]) -> LabelSet {
        let set = LabelSet::new(vec![0; LabelSet::bytes(labels, keys)].leak(), labels, keys);
        KEPT.lock().unwrap().0.push(set);
        set
    }

    #[test]
    fn labels_are_what_was_written_wherever_the_texts_of_their_keys_are() {
        assert!(near("near").key() != ELSEWHERE && far("far").key() == ELSEWHERE);
        let values = [0, 1, 127, 128, 129, 255, 256, 2048].map(|len| std::str::from_utf8(&LONG[..len]).unwrap());
        let labels: Vec<Label> = ["a", "bb", "", "é"].into_iter().cycle().zip(values).collect();
        for is_far in [0b0000_0000u8, 0b1111_1111, 0b0101_0110] {
            let of = |at: usize| if is_far >> at & 1 == 1 { far(labels[at].0) } else { near(labels[at].0) };
            let keys: Vec<SharedText> = (0..labels.len()).map(of).collect();
            let set = set(&labels, &keys);
            assert!(set.iter().eq(labels.iter().copied()) && set.are(&labels));
            // The text is as long as was said.
            let mut rest = set.iter();
            rest.by_ref().for_each(drop);
            assert_eq!(rest.next.addr().get() - set.0.addr().get(), LabelSet::bytes(&labels, &keys));
        }
        assert_eq!(LabelSet::bytes(&[("id", "0000001")], &[near("id")]), 11);
    }
}
