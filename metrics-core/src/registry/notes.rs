//! Notes: what a series knows of itself that no recording reads: the record of the call site it came from, and the series of its parts, of a timer that
//! has some.
//!
//! A series keeps the number of its note, which takes four bytes. Those of one site share a note, however many there are.

use crate::registry::append_table::{AppendTable, Hashed};
use crate::registry::series::Series;
use crate::registry::{Writer, hash};
use crate::sync::reentrancy;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::*};

/// The series of a timer's parts.
pub(crate) type Parts = [&'static Series; 4];

/// A note; the empty one stands in no table.
#[derive(Clone, Copy, Default)]
pub(crate) struct Note {
    /// The record of the first call site.
    pub(crate) told: Option<&'static [u8]>,
    pub(crate) parts: Option<&'static Parts>,
}

struct Numbered {
    /// Its place in the table, from 1.
    number: u32,
    note: Note,
}

impl Hashed for Numbered {
    fn hash(&self) -> u64 {
        hash_of(&self.note.addresses())
    }
}

fn hash_of(addresses: &[usize]) -> u64 {
    addresses.iter().fold(hash::seed(), |hash, word| hash::mix(hash, *word as u64))
}

static NOTES: AppendTable<Numbered> = AppendTable::new();

impl Note {
    /// Records and parts stay where they are for ever, so that their addresses tell them apart.
    fn addresses(&self) -> [usize; 3] {
        let told = self.told.unwrap_or(&[]);
        let parts = self.parts.map_or(0, |parts| ptr::from_ref(parts).addr());
        [told.as_ptr().addr(), told.len(), parts]
    }

    /// Returns the note of a number.
    #[inline]
    pub(crate) fn of(number: &AtomicU32) -> Note {
        match number.load(Acquire).checked_sub(1) {
            Some(at) => NOTES.at(at as usize).map_or(Note::default(), |numbered| numbered.note),
            None => Note::default(),
        }
    }
}

/// Writes a note again, as `change` has it, unless that says `false`. An allocator that records meanwhile is turned away, and so is a thread that would wait for a
/// fork: then the note stays as it is.
pub(crate) fn rewrite(number: &AtomicU32, change: impl FnOnce(&mut Note) -> bool) {
    let Some(busy) = reentrancy::try_enter() else { return };
    let Some(mut writer) = Writer::new(busy) else { return };
    let mut note = Note::of(number);
    if !change(&mut note) {
        return;
    }
    let wanted = note.addresses();
    let hash = hash_of(&wanted);
    let new = || Numbered { number: NOTES.len() as u32 + 1, note };
    let known = NOTES.get(hash, |known| known.note.addresses() == wanted);
    if let Some(known) = known.or_else(|| NOTES.push(&mut writer.permit, hash, new())) {
        number.store(known.number, Release);
    }
}

impl Series {
    /// Notes what a call site says of itself. The first one's word stays; the overflow series has none.
    pub(crate) fn recorded_at(&self, told: &'static [u8]) {
        if !told.is_empty() && self.logger.is_programs() && self.told().is_none() {
            self.write_note(|note| note.told.replace(told).is_none());
        }
    }

    /// Remembers the series of its parts: one piece of memory for each timer that has some.
    pub(crate) fn remember_parts(&self, parts: Parts) {
        self.write_note(|note| {
            let is_new = note.parts.is_none();
            if is_new {
                note.parts = Some(Box::leak(Box::new(parts)));
            }
            is_new
        });
    }

    #[cold]
    fn write_note(&self, change: impl FnOnce(&mut Note) -> bool) {
        rewrite(&self.note, change);
    }

    /// Returns the series of its parts, if they are known.
    pub(crate) fn parts(&self) -> Option<&'static Parts> {
        Note::of(&self.note).parts
    }

    /// Returns what its first call site says of itself.
    pub(crate) fn told(&self) -> Option<&'static [u8]> {
        Note::of(&self.note).told
    }
}
