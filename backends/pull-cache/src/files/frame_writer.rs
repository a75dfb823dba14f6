//! Writes the frames of a [segment](super::segment), one for each generation.

use super::bytes::push_number;
use super::names;
use super::segment::{FRAME_BYTES, HEADER_BYTES, MAX_BYTES, MAX_FRAME_BYTES, frame_sum};
use crate::coding::{Coder, Row};
use crate::generation::Generation;
use crate::record::Identity;
use std::sync::Arc;

/// Makes the frames of one segment.
#[derive(Debug)]
pub(super) struct FrameWriter {
    sequence: u64,
    /// Where the next frame stands.
    offset: u64,
    coder: Coder,
    identities: Vec<Arc<Identity>>,
    /// The column here of each column of the store.
    columns: Vec<Option<u32>>,
}

impl FrameWriter {
    pub(super) fn new(sequence: u64) -> FrameWriter {
        FrameWriter {
            sequence,
            offset: HEADER_BYTES as u64,
            coder: Coder::default(),
            identities: Vec::new(),
            columns: Vec::new(),
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives columns of the store their new numbers: `numbers` has them by the old ones.
    pub(super) fn renumber(&mut self, numbers: &[u32]) {
        let mut columns = Vec::new();
        for (old, column) in self.columns.iter().enumerate().filter(|(_, column)| column.is_some()) {
            let Some(new) = numbers.get(old).map(|new| *new as usize) else { continue };
            if columns.len() <= new {
                columns.resize(new + 1, None);
            }
            columns[new] = *column;
        }
        self.columns = columns;
    }

    /// The bytes of the next frame. `None` when it would be too long for a segment.
    pub(super) fn frame(&mut self, generation: &Generation) -> Option<Vec<u8>> {
        let all = generation.columns().identities();
        let known = self.identities.len();
        self.columns.resize(all.len().max(self.columns.len()), None);
        let mut row = Row::with_columns(known);
        for (at, identity) in all.iter().enumerate() {
            let Some(value) = generation.row().get(at) else { continue };
            let column = *self.columns[at].get_or_insert_with(|| {
                self.identities.push(Arc::clone(identity));
                (self.identities.len() - 1) as u32
            });
            row.set(column as usize, value);
        }
        let mut out = vec![0; FRAME_BYTES];
        out.extend_from_slice(&generation.timestamp().to_le_bytes());
        push_number(&mut out, self.identities.len() - known);
        for at in known..self.identities.len() {
            let before = at.checked_sub(1).map(|before| &*self.identities[before]);
            names::push(&mut out, &self.identities[at], before);
        }
        out.extend(self.coder.encode(&self.identities, &row));
        let length =
            u32::try_from(out.len() - FRAME_BYTES).ok().filter(|length| u64::from(*length) <= MAX_FRAME_BYTES)?;
        let length = length.to_le_bytes();
        let sum = frame_sum(self.sequence, self.offset, &length, &out[FRAME_BYTES..]);
        out[..4].copy_from_slice(&length);
        out[4..8].copy_from_slice(&sum);
        self.offset += out.len() as u64;
        (self.offset <= MAX_BYTES).then_some(out)
    }
}
