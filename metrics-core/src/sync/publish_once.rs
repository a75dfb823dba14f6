//! A place that is filled once: of several threads that fill it at the same moment, the first one's value stays, and the others' are freed.

use crate::sync::{AtomicPtr, replace};

/// Puts a value in a box of its own into a place that holds `empty`. Returns the pointer that is there then: the value's box, or that of a thread
/// that was faster.
#[cfg(not(ferrometer_loom))]
pub(crate) fn publish<T>(place: &AtomicPtr<T>, empty: *mut T, value: T) -> *mut T {
    publish_boxed(place, empty, Box::new(value))
}

/// Publishes a value that is in a box already.
pub(crate) fn publish_boxed<T>(place: &AtomicPtr<T>, empty: *mut T, value: Box<T>) -> *mut T {
    let new = Box::into_raw(value);
    match replace(place, empty, new) {
        Ok(()) => new,
        Err(first) => {
            // SAFETY: `new` came from `Box::into_raw` just above and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
            first
        }
    }
}
