//! One place for an exemplar: a recording fills it, the collector empties it, and neither waits for the other.
//!
//! The one who moves the *turn* away from a number of questions, or from full, has the place to itself until it moves the turn again. A recording that
//! finds the turn elsewhere goes on without an exemplar.

use crate::sync::Ordering::*;
use crate::sync::{AtomicU64, Zero};

/// Number of times that a place asks for a context between two collections. Each recording until then may be outside of every trace that is kept; beyond it, the
/// price of asking would be that of every recording.
pub(crate) const QUESTIONS: u64 = if cfg!(ferrometer_loom) { 2 } else { 1024 };
/// Turns beyond the number of questions.
const FULL: u64 = u64::MAX - 1;
const BUSY: u64 = u64::MAX;

/// An exemplar as it stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The recorded value: a whole number, or the bits of a float.
    pub(crate) bits: u64,
    /// When, in nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) trace: u128,
    pub(crate) span: u64,
}

/// The place. Begins empty, and with nobody's turn.
pub(crate) struct ExemplarSlot {
    turn: AtomicU64,
    bits: AtomicU64,
    time: AtomicU64,
    trace: [AtomicU64; 2],
    span: AtomicU64,
    /// The owner of the place, told once before the place is used.
    owner: AtomicU64,
}

// SAFETY: it is made of atomics, whose bytes are numbers.
unsafe impl Zero for ExemplarSlot {
    #[cfg(ferrometer_loom)]
    fn zero() -> ExemplarSlot {
        use crate::sync::zeros;
        let [turn, bits, time, span, owner] = zeros();
        ExemplarSlot { turn, bits, time, trace: zeros(), span, owner }
    }
}

impl ExemplarSlot {
    pub(crate) fn owner(&self) -> &AtomicU64 {
        &self.owner
    }

    /// Returns whether a recording may fill it: one load, which decides nothing yet.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.turn.load(Relaxed) < QUESTIONS
    }

    /// Fills the place with what `ask` makes, where it is this recording's turn. `ask` must not panic: the place would be lost.
    pub(crate) fn offer(&self, ask: impl FnOnce() -> Option<Written>) {
        let asked = self.turn.load(Relaxed);
        if asked >= QUESTIONS || self.turn.compare_exchange(asked, BUSY, Acquire, Relaxed).is_err() {
            return;
        }
        let Some(written) = ask() else { return self.turn.store(asked + 1, Release) };
        self.bits.store(written.bits, Relaxed);
        self.time.store(written.time, Relaxed);
        self.trace[0].store((written.trace >> 64) as u64, Relaxed);
        self.trace[1].store(written.trace as u64, Relaxed);
        self.span.store(written.span, Relaxed);
        // A recording before the offer is seen by the collector that takes it.
        self.turn.store(FULL, Release);
    }

    /// Empties the place, and lets it ask again. One thread at a time does.
    pub(crate) fn take(&self) -> Option<Written> {
        match self.turn.load(Acquire) {
            FULL => {
                let trace = self.trace.each_ref().map(|half| u128::from(half.load(Relaxed)));
                let written = Written {
                    bits: self.bits.load(Relaxed),
                    time: self.time.load(Relaxed),
                    trace: trace[0] << 64 | trace[1],
                    span: self.span.load(Relaxed),
                };
                self.turn.store(0, Release);
                Some(written)
            }
            0 | BUSY => None,
            asked => {
                // A recording that asks just now counts on.
                let _ = self.turn.compare_exchange(asked, 0, Relaxed, Relaxed);
                None
            }
        }
    }

    /// Forgets what is in it, and whose turn it is: for the child of a fork, whose other threads are gone.
    #[cfg(all(unix, not(ferrometer_loom)))]
    pub(crate) fn reset(&self) {
        self.turn.store(0, Release);
    }
}

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;
    use crate::sync::boxed_zero;

    fn written(bits: u64) -> Written {
        Written { bits, time: 7, trace: (1 << 100) + 5, span: 9 }
    }

    #[test]
    fn a_place_is_filled_once_until_it_is_taken() {
        let slot = boxed_zero::<ExemplarSlot>();
        assert_eq!(slot.take(), None);
        slot.offer(|| Some(written(1)));
        assert!(!slot.is_open());
        slot.offer(|| unreachable!("it is full"));
        assert_eq!((slot.take(), slot.take()), (Some(written(1)), None));
        slot.offer(|| Some(written(2)));
        assert_eq!(slot.take(), Some(written(2)));
    }

    #[test]
    fn a_place_asks_so_often_and_again_after_a_collection() {
        let slot = boxed_zero::<ExemplarSlot>();
        for _ in 0..2 {
            let mut asked = 0;
            for _ in 0..2 * QUESTIONS {
                slot.offer(|| {
                    asked += 1;
                    None
                });
            }
            assert_eq!((asked, slot.is_open()), (QUESTIONS, false));
            assert_eq!(slot.take(), None);
        }
        slot.offer(|| None);
        slot.offer(|| Some(written(3)));
        assert_eq!(slot.take(), Some(written(3)));
    }

    #[test]
    fn nobody_gets_in_while_a_recording_asks() {
        let slot = boxed_zero::<ExemplarSlot>();
        slot.offer(|| {
            assert!(!slot.is_open() && slot.take().is_none());
            slot.offer(|| unreachable!("another one asks"));
            Some(written(4))
        });
        assert_eq!(slot.take(), Some(written(4)));
    }
}
