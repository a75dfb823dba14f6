//! The switch: whether anything is recorded at all, in one word that every recording reads first.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is switched on: [`BACKENDS`], [`SINGLES`], and one [`CAPTURE`] for each capture scope. 0: nothing, and then a recording ends here.
static SWITCH: AtomicUsize = AtomicUsize::new(0);
/// The largest word that says that nothing is on. It is not 0, so that the compiler, where it knows that nothing is on, does not know the
/// word: a guard that is inert is the word as it was read, and no instruction sets it to 0. See [`Running`](crate::instrument::guard::Running).
const OFF: usize = 1;
/// Some backend is installed.
pub(crate) const BACKENDS: usize = 2;
/// Some backend wants timer values one by one.
pub(crate) const SINGLES: usize = 4;
/// What one capture scope adds.
pub(crate) const CAPTURE: usize = 8;

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

pub(crate) fn switch_all_off() {
    SWITCH.store(0, Relaxed);
}
