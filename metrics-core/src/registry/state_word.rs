//! The word of a series that a recording reads first.

use crate::registry::kind::Kind;
use crate::storage::cell_address::CellAddress;

/// The word a recording reads first. Its lower half is the place of the cell, and none when the series is off or sampled: the common case
/// is then one lookup that succeeds, without a test of either. The upper half says what is the matter.
#[derive(Clone, Copy)]
pub(crate) struct StateWord(pub(crate) u64);

impl StateWord {
    pub(crate) const OFF: StateWord = StateWord(CellAddress::NONE.0 as u64);
    const SLOT: u64 = 32;
    const WATCHED: u64 = 1 << 61;
    const ON: u64 = 1 << 62;
    const SAMPLED: u64 = 1 << 63;

    /// Returns the word of a series that is not sampled.
    pub(crate) const fn new(kind: Kind, slot: u32) -> StateWord {
        let place = match kind.scheme() {
            Some(_) => CellAddress::dist(slot),
            None => CellAddress::scalar(slot),
        };
        // Slots are far below 2^29.
        StateWord(place.0 as u64 | (slot as u64) << StateWord::SLOT | StateWord::ON)
    }
    /// Returns the word of a gauge whose values another one has: none finds its cell at once.
    pub(crate) const fn elsewhere(slot: u32) -> StateWord {
        StateWord(CellAddress::NONE.0 as u64 | (slot as u64) << StateWord::SLOT | StateWord::ON)
    }
    /// Returns the word of a series that is sampled at the rate of this [number](crate::record::sampling::number).
    pub(crate) const fn sampled(slot: u32, rate: u8) -> StateWord {
        StateWord(
            CellAddress::none_with(rate).0 as u64
                | (slot as u64) << StateWord::SLOT
                | StateWord::ON
                | StateWord::SAMPLED,
        )
    }
    /// Returns the word of a series that offers exemplars: none of its recordings finds its cell at once.
    pub(crate) const fn watched(self) -> StateWord {
        let place = if self.0 & StateWord::SAMPLED == 0 { StateWord::OFF.0 } else { 0 };
        StateWord(self.0 | place | StateWord::WATCHED)
    }
    #[inline(always)]
    pub(crate) fn place(self) -> CellAddress {
        CellAddress(self.0 as u32)
    }
    /// Returns the index of a distribution's cell in the thread's cache.
    #[inline(always)]
    pub(crate) fn near(self) -> u8 {
        self.place().near()
    }
    #[inline(always)]
    pub(crate) fn is_off(self) -> bool {
        self.0 & StateWord::ON == 0
    }
    #[inline(always)]
    pub(crate) fn slot(self) -> u32 {
        (self.0 >> StateWord::SLOT) as u32 & (u32::MAX >> 3)
    }
    /// The number of the rate, if it is sampled.
    #[inline(always)]
    pub(crate) fn rate(self) -> u8 {
        self.0 as u8
    }
    #[inline(always)]
    pub(crate) fn is_sampled(self) -> bool {
        self.0 & StateWord::SAMPLED != 0
    }
    /// Returns whether the series offers exemplars.
    #[inline(always)]
    pub(crate) fn is_watched(self) -> bool {
        self.0 & StateWord::WATCHED != 0
    }
    /// Returns whether it is neither off nor watched.
    #[inline(always)]
    pub(crate) fn is_plain(self) -> bool {
        self.0 & (StateWord::ON | StateWord::WATCHED) == StateWord::ON
    }
}
