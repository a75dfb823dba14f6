//! Pieces that are packed: what a carrier is handed, how large it may be, and the memory that is kept from delivery to delivery.

use crate::account::Account;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) end: u32,
    /// Where its owners end.
    pub(crate) owners: u32,
    pub(crate) group: u32,
}

/// Pieces that go out together.
#[derive(Debug)]
pub struct Packed<'m> {
    pub(crate) memory: &'m Memory,
    pub(crate) pieces: Range<usize>,
}

impl<'m> Packed<'m> {
    fn start(&self) -> usize {
        self.memory.begin(self.pieces.start)
    }

    /// All bytes, one piece behind the other.
    #[must_use]
    pub fn bytes(&self) -> &'m [u8] {
        &self.memory.bytes[self.start()..self.memory.begin(self.pieces.end)]
    }

    /// Runs of pieces with the same group: the group, the number of pieces, and their bytes.
    pub fn groups(&self) -> impl Iterator<Item = (u32, usize, &'m [u8])> {
        let memory = self.memory;
        let mut at = self.pieces.start;
        let pieces = &memory.pieces[self.pieces.clone()];
        pieces.chunk_by(|a, b| a.group == b.group).map(move |run| {
            let from = memory.begin(at);
            at += run.len();
            (run[0].group, run.len(), &memory.bytes[from..memory.begin(at)])
        })
    }

    /// Each piece by itself, with its group.
    pub fn grouped(&self) -> impl Iterator<Item = (u32, &'m [u8])> {
        let memory = self.memory;
        let mut from = self.start();
        memory.pieces[self.pieces.clone()].iter().map(move |piece| {
            let bytes = &memory.bytes[from..piece.end as usize];
            from = piece.end as usize;
            (piece.group, bytes)
        })
    }

    /// Each piece by itself.
    pub fn pieces(&self) -> impl Iterator<Item = &'m [u8]> {
        let memory = self.memory;
        self.pieces.clone().map(move |at| &memory.bytes[memory.begin(at)..memory.begin(at + 1)])
    }
}

/// Room that a [`Packer`](crate::Packer) needs from delivery to delivery, and what is refused alone.
#[derive(Debug, Default)]
pub struct Memory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) owners: Vec<u32>,
    pub(crate) body: Vec<u8>,
    pub(crate) wire: Vec<u8>,
    pub(crate) account: Account,
    /// By the first owner of a piece.
    pub(crate) quarantine: HashMap<u32, Instant>,
    /// Less than the limit, because the server takes no more, and until when that is believed.
    pub(crate) learned: Option<(usize, Instant)>,
}

impl Memory {
    pub(crate) fn begin(&self, piece: usize) -> usize {
        if piece == 0 { 0 } else { self.pieces[piece - 1].end as usize }
    }

    fn first_owner(&self, piece: usize) -> usize {
        if piece == 0 { 0 } else { self.pieces[piece - 1].owners as usize }
    }

    pub(crate) fn owners(&self, pieces: Range<usize>) -> Range<usize> {
        self.first_owner(pieces.start)..self.first_owner(pieces.end)
    }

    /// The account of the last delivery, by series.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }
}

/// How large a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes, framing included.
    pub bytes: usize,
    /// Bytes of framing around the pieces of any body.
    pub frame: usize,
    /// Pieces.
    pub pieces: usize,
}

impl Limit {
    /// A limit of bytes alone.
    #[must_use]
    pub const fn bytes(bytes: usize) -> Limit {
        Limit { bytes, frame: 0, pieces: usize::MAX }
    }
}
