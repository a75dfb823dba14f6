//! The switch: whether anything is recorded at all, in one word that every recording reads first.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is switched on: [`BACKENDS`], [`SINGLES`], and one [`CAPTURE`] for each capture scope. 0: nothing, and then a recording ends here.
static SWITCH: AtomicUsize = AtomicUsize::new(0);
/// Some backend is installed.
pub(crate) const BACKENDS: usize = 1;
/// Some backend wants timer values one by one.
pub(crate) const SINGLES: usize = 2;
/// What one capture scope adds.
pub(crate) const CAPTURE: usize = 4;

/// Whether anything is recorded: a backend that wants something is installed, or a capture scope is in force somewhere.
#[inline(always)]
#[must_use]
pub fn enabled() -> bool {
    any_bit(switch_bits())
}

/// What is switched on now.
#[inline(always)]
pub(crate) fn switch_bits() -> usize {
    SWITCH.load(Relaxed)
}

/// Whether a word of [`switch_bits`] says that anything is on. The address of whatever there is looks like one that does.
#[inline(always)]
pub(crate) fn any_bit(word: usize) -> bool {
    word != 0
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

pub(crate) fn switch_all_off() {
    SWITCH.store(0, Relaxed);
}
