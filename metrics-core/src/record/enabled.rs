//! The switch: whether anything is recorded at all, in one word that every recording reads first.

use crate::sync::wiped::Wiped;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bits that are on: [`BACKENDS`], [`SINGLES`], and one [`CAPTURE`] for each capture scope. At 0 a recording ends here.
// SAFETY: a child finds everything switched off.
static SWITCH: Wiped<AtomicUsize> = unsafe { Wiped::new(AtomicUsize::new(0)) };
/// Largest switch value that means "disabled". Deliberately not 0: otherwise the compiler would materialise a constant 0 for an inert guard; this
/// way the guard reuses the register that holds the switch. See [`Running`](crate::instrument::guard::Running).
const OFF: usize = 1;
/// Some backend is installed.
pub(crate) const BACKENDS: usize = 2;
/// Some backend wants timer values one by one.
pub(crate) const SINGLES: usize = 4;
/// The amount that one capture scope adds.
pub(crate) const CAPTURE: usize = 8;

/// Returns whether anything is recorded: a backend that wants something is installed, or a capture scope is in force somewhere.
#[inline(always)]
#[must_use]
pub fn enabled() -> bool {
    any_bit(switch_bits())
}

/// Returns the bits that are on now.
#[inline(always)]
pub(crate) fn switch_bits() -> usize {
    SWITCH.load(Relaxed)
}

/// Returns whether a word of [`switch_bits`] has any bit. The address of a series looks like a word that has.
#[inline(always)]
pub(crate) fn any_bit(word: usize) -> bool {
    word > OFF
}

pub(crate) fn switch(bits: usize, on: bool) {
    if on {
        SWITCH.fetch_or(bits, Relaxed);
    } else {
        SWITCH.fetch_and(!bits, Relaxed);
    }
}

pub(crate) fn captures(add: bool) {
    if add {
        SWITCH.fetch_add(CAPTURE, Relaxed);
    } else {
        // A fork in between has set the switch to 0.
        let _ = SWITCH.fetch_update(Relaxed, Relaxed, |s| s.checked_sub(CAPTURE));
    }
}

/// Has everything be off in children of this process, however they are forked.
#[cfg(unix)]
pub(crate) fn watch_forks() {
    SWITCH.wipe_in_children();
}

#[cfg(unix)]
pub(crate) fn switch_all_off() {
    SWITCH.store(0, Relaxed);
}
