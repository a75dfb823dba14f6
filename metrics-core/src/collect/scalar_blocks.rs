//! Sums of counters, gauges and in-flight counts, in blocks: what a snapshot holds of them, and how far a backend is with them.
//!
//! A row is that of a slot. Blocks are shared: a snapshot has those of the one before where nothing changed, and a backend that has delivered all
//! of a block holds the snapshot's. So values that do not change exist once, however many backends look at them, and memory is taken and freed in pieces
//! of one size.

use crate::collect::ledger::Amount;
use crate::storage::cell_address::CHUNK;
use std::sync::Arc;

/// The totals of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) recordings: u64,
    /// Gauges: the bits of the value.
    pub(crate) increments: u64,
    pub(crate) decrements: u64,
}

impl Row {
    pub(crate) fn amount(self) -> Amount {
        Amount { recordings: self.recordings, increments: self.increments, decrements: self.decrements }
    }
}

/// The rows of one chunk of slots.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    recordings: [u64; CHUNK],
    /// Increments and decrements. Not there while every recording was an increment by one, as most are.
    sums: Option<Box<[[u64; 2]; CHUNK]>>,
}

impl Block {
    pub(crate) const ZERO: Block = Block { recordings: [0; CHUNK], sums: None };

    pub(crate) fn of(rows: &[Row; CHUNK]) -> Block {
        let (mut recordings, mut sums, mut ones) = ([0; CHUNK], [[0; 2]; CHUNK], true);
        for (at, row) in rows.iter().enumerate() {
            recordings[at] = row.recordings;
            sums[at] = [row.increments, row.decrements];
            ones &= row.increments == row.recordings && row.decrements == 0;
        }
        Block { recordings, sums: (!ones).then(|| Box::new(sums)) }
    }

    /// Returns the block of series that were only incremented by one.
    pub(crate) fn of_unit_counts(recordings: [u64; CHUNK]) -> Block {
        Block { recordings, sums: None }
    }

    /// Returns the counts of series that were only incremented by one; `None` where some had other recordings.
    #[inline]
    pub(crate) fn unit_counts(&self) -> Option<&[u64; CHUNK]> {
        self.sums.is_none().then_some(&self.recordings)
    }

    /// Returns whether [`of_unit_counts`](Block::of_unit_counts) would return this one.
    #[inline]
    pub(crate) fn is_of_unit_counts(&self, recordings: &[u64; CHUNK]) -> bool {
        self.sums.is_none() && self.recordings == *recordings
    }

    /// Returns in which places the other one has another row: a bit for each.
    pub(crate) fn differing(&self, other: &Block) -> u128 {
        const { assert!(CHUNK <= 128) };
        let mut bits = 0;
        if self.sums.is_some() || other.sums.is_some() {
            for at in 0..CHUNK {
                bits |= u128::from(self.get(at) != other.get(at)) << at;
            }
            return bits;
        }
        // Most differ in few: several at once first.
        const AT_ONCE: usize = 16;
        let pieces = self.recordings.chunks(AT_ONCE).zip(other.recordings.chunks(AT_ONCE));
        for (number, (mine, theirs)) in pieces.enumerate() {
            if mine.iter().zip(theirs).fold(0, |all, (mine, theirs)| all | (mine ^ theirs)) == 0 {
                continue;
            }
            // In a word of few bits, whose shifts are single instructions.
            let mut piece = 0u32;
            for (at, (mine, theirs)) in mine.iter().zip(theirs).enumerate() {
                piece |= u32::from(mine != theirs) << at;
            }
            bits |= u128::from(piece) << (number * AT_ONCE);
        }
        bits
    }

    /// Returns how much the other one has more in these places, of which each has a bit.
    pub(crate) fn amount_until(&self, other: &Block, mut places: u128) -> Amount {
        let mut all = Amount::default();
        let are_ones = self.sums.is_none() && other.sums.is_none();
        while places != 0 {
            let at = places.trailing_zeros() as usize;
            places &= places - 1;
            if are_ones {
                all.recordings = all.recordings.wrapping_add(other.recordings[at].wrapping_sub(self.recordings[at]));
            } else {
                all += other.get(at).amount().minus(self.get(at).amount());
            }
        }
        if are_ones {
            all.increments = all.recordings;
        }
        all
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Row {
        let recordings = self.recordings[at];
        let [increments, decrements] = self.sums.as_ref().map_or([recordings, 0], |sums| sums[at]);
        Row { recordings, increments, decrements }
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize, row: Row) {
        if self.sums.is_none() && (row.increments != row.recordings || row.decrements != 0) {
            let mut sums = Box::new([[0; 2]; CHUNK]);
            for (at, recordings) in self.recordings.iter().enumerate() {
                sums[at][0] = *recordings;
            }
            self.sums = Some(sums);
        }
        self.recordings[at] = row.recordings;
        if let Some(sums) = &mut self.sums {
            sums[at] = [row.increments, row.decrements];
        }
    }
}

/// Stands for a block that is not there.
static ZERO: Block = Block::ZERO;

/// The rows of all slots. What is beyond the last block is zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks(pub(crate) Vec<Arc<Block>>);

impl Blocks {
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Row {
        let slot = slot as usize;
        self.0.get(slot / CHUNK).map_or(Row::default(), |block| block.get(slot % CHUNK))
    }

    /// Returns a block; one without recordings beyond the last.
    pub(crate) fn block(&self, number: usize) -> &Block {
        self.0.get(number).map_or(&ZERO, |block| block)
    }

    /// Returns whether both hold the same block in memory.
    #[inline]
    pub(crate) fn shares(&self, other: &Blocks, block: usize) -> bool {
        matches!((self.0.get(block), other.0.get(block)), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
    }

    /// Puts a row there, in a copy of the block where others hold it.
    #[cfg(any(test, feature = "test-support"))]
    pub(crate) fn set(&mut self, slot: u32, row: Row) {
        let slot = slot as usize;
        self.grow(slot / CHUNK + 1);
        if let Some(block) = self.0.get_mut(slot / CHUNK) {
            Arc::make_mut(block).set(slot % CHUNK, row);
        }
    }

    /// Returns a block with the rows of `other`, but for those of which a bit says that they are left.
    pub(crate) fn half_way(&self, block: usize, left: u128, other: &Blocks) -> Block {
        let (mut new, other) = (self.block(block).clone(), other.block(block));
        for at in (0..CHUNK).filter(|at| left >> at & 1 == 0) {
            new.set(at, other.get(at));
        }
        new
    }

    /// Holds the block of `other` from now on.
    pub(crate) fn take_over(&mut self, block: usize, other: &Blocks) {
        if let Some(theirs) = other.0.get(block) {
            self.grow(block + 1);
            self.0[block] = Arc::clone(theirs);
        }
    }

    /// Puts a block there: that of `other` where it says the same.
    pub(crate) fn put(&mut self, block: usize, new: Block, other: &Blocks) {
        let new = match other.0.get(block) {
            Some(theirs) if **theirs == new => Arc::clone(theirs),
            _ => Arc::new(new),
        };
        self.grow(block + 1);
        self.0[block] = new;
    }

    pub(crate) fn grow(&mut self, len: usize) {
        if self.0.len() < len {
            self.0.resize(len, Arc::new(Block::ZERO));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(recordings: u64, increments: u64, decrements: u64) -> Row {
        Row { recordings, increments, decrements }
    }

    #[test]
    fn rows_are_what_was_put_whatever_stands_beside_them() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.get(5), Row::default());
        blocks.set(5, row(3, 3, 0));
        assert!(blocks.0[0].sums.is_none());
        blocks.set(300, row(2, 9, 1));
        blocks.set(6, row(1, 0, 4));
        assert_eq!(
            [5, 6, 7, 300].map(|slot| blocks.get(slot)),
            [row(3, 3, 0), row(1, 0, 4), row(0, 0, 0), row(2, 9, 1)]
        );
        blocks.set(6, row(1, 1, 0));
        assert_eq!((blocks.get(5), blocks.get(6)), (row(3, 3, 0), row(1, 1, 0)));
        let of = |rows: &[Row; CHUNK]| Blocks(vec![Arc::new(Block::of(rows))]);
        let mut rows = [row(4, 4, 0); CHUNK];
        assert!(of(&rows).0[0].sums.is_none());
        rows[CHUNK - 1] = row(4, 5, 0);
        assert_eq!((of(&rows).get(0), of(&rows).get(CHUNK as u32 - 1)), (row(4, 4, 0), row(4, 5, 0)));
    }

    #[test]
    fn a_block_is_copied_when_it_is_changed_and_shared_when_it_says_the_same() {
        let mut new = Blocks::default();
        new.set(1, row(1, 1, 0));
        new.set(200, row(1, 1, 0));
        let mut mine = new.clone();
        assert!(mine.shares(&new, 0) && mine.shares(&new, 1) && !mine.shares(&new, 2));
        new.set(1, row(2, 2, 0));
        assert!(!mine.shares(&new, 0) && mine.shares(&new, 1));
        assert_eq!((mine.get(1), new.get(1)), (row(1, 1, 0), row(2, 2, 0)));
        let mut block = Block::clone(&mine.0[0]);
        mine.put(0, block.clone(), &new);
        assert!(!mine.shares(&new, 0));
        block.set(1, row(2, 2, 0));
        mine.put(0, block.clone(), &new);
        assert!(mine.shares(&new, 0));
        mine.put(7, block, &new);
        assert_eq!((mine.get(7 * CHUNK as u32 + 1), mine.get(300)), (row(2, 2, 0), Row::default()));
    }
}
