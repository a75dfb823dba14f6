//! Where a cell is: which chunk of a slab, and which cell of the chunk, in one word that a recording takes apart with a shift and a mask.

// Under the model checker every atomic is tracked, so the tables are tiny there.
#[cfg(ferrometer_loom)]
mod size {
    pub(crate) const CHUNK: usize = 2;
    pub(crate) const SCALAR_CHUNKS: usize = 2;
    pub(crate) const DIST_CHUNKS: usize = 2;
}
#[cfg(not(ferrometer_loom))]
mod size {
    pub(crate) const CHUNK: usize = 128;
    pub(crate) const SCALAR_CHUNKS: usize = 8192;
    pub(crate) const DIST_CHUNKS: usize = 128;
}
pub(crate) use size::CHUNK;
pub(crate) use size::{DIST_CHUNKS, SCALAR_CHUNKS};

/// The most counters, gauges and in-flight counts there can be, rates and label sets counted. The last chunk of a table is
/// never made: see [`CellAddress::NONE`].
pub(crate) const MAX_SCALARS: usize = CHUNK * (SCALAR_CHUNKS - 1);
/// The most timers and histograms there can be, rates and label sets counted.
pub(crate) const MAX_DISTRIBUTIONS: usize = CHUNK * (DIST_CHUNKS - 1);

/// No near place; so is that of [`CellAddress::NONE`].
pub(crate) const FAR: u8 = u8::MAX;
/// The lowest bit of the index into the thread's cache: above the cell's number, and below the chunk's.
const NEAR: u32 = 8;
const _: () = assert!(CHUNK <= 1 << NEAR && bits(SCALAR_CHUNKS) <= u32::BITS - 2 * NEAR);

/// Where a cell is: the number of its chunk in the upper bits and of the cell in the chunk in the lower, so that a recording
/// gets both with a shift and a mask, and no check of bounds. A byte between them is the index into the thread's cache of [near] cells.
///
/// [near]: CellAddress::near
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CellAddress(pub(crate) u32);

impl CellAddress {
    /// In the chunk that is never made: whatever is looked up there is not found, and the cold path finds out why.
    pub(crate) const NONE: CellAddress = CellAddress(u32::MAX);

    /// No place either, with a byte where another has the number of its cell.
    pub(crate) const fn none_with(byte: u8) -> CellAddress {
        CellAddress(CellAddress::NONE.0 << NEAR | byte as u32)
    }

    const fn of(slot: u32, chunks: usize) -> CellAddress {
        let (chunk, cell) = (slot as usize / CHUNK, slot as usize % CHUNK);
        if chunk + 1 >= chunks {
            return CellAddress::NONE;
        }
        let near = if slot < FAR as u32 { slot } else { FAR as u32 };
        CellAddress((chunk as u32) << (u32::BITS - bits(chunks)) | near << NEAR | cell as u32)
    }

    /// Returns the address of a counter, gauge or in-flight count.
    pub(crate) const fn scalar(slot: u32) -> CellAddress {
        CellAddress::of(slot, SCALAR_CHUNKS)
    }

    /// Returns the address of a timer or histogram.
    pub(crate) const fn dist(slot: u32) -> CellAddress {
        CellAddress::of(slot, DIST_CHUNKS)
    }

    /// The slot, if it is one of the first; else [`FAR`].
    #[inline(always)]
    pub(crate) fn near(self) -> u8 {
        (self.0 >> NEAR) as u8
    }

    #[inline(always)]
    pub(crate) fn chunk(self, chunks: usize) -> usize {
        // The numbers of chunks are powers of two, so the remainder is no operation; it says so to the compiler.
        (self.0 >> (u32::BITS - bits(chunks))) as usize % chunks
    }

    #[inline(always)]
    pub(crate) fn cell(self) -> usize {
        self.0 as usize % CHUNK
    }
}

/// The bits that a number below `n` takes. Inline, so that it is a number in a build too that inlines nothing of itself between crates, as an
/// incremental one does.
#[inline(always)]
const fn bits(n: usize) -> u32 {
    n.next_power_of_two().trailing_zeros()
}
