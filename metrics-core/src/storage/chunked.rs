//! A value for each number: in chunks that are published once, so that it is found without a lock and stays for ever.

use crate::sync::publish_once;
use crate::sync::{Zero, boxed_zero};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

pub(crate) const CHUNK: usize = 128;

/// Values by their numbers. All begin as zeros.
pub(crate) struct Chunked<T: 'static, const CHUNKS: usize>([AtomicPtr<[T; CHUNK]>; CHUNKS]);

impl<T: Zero + Sync, const CHUNKS: usize> Chunked<T, CHUNKS> {
    pub(crate) const fn new() -> Self {
        Chunked([const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS])
    }

    /// Returns the value of a number, if it was made.
    pub(crate) fn get(&'static self, number: u32) -> Option<&'static T> {
        let chunk = self.0.get(number as usize / CHUNK)?.load(Acquire);
        // SAFETY: null, or published in `make`, for ever.
        unsafe { chunk.as_ref() }.map(|chunk| &chunk[number as usize % CHUNK])
    }

    /// Returns the value of a number, made if need be. `None` for a number beyond the last. It may allocate.
    pub(crate) fn make(&'static self, number: u32) -> Option<&'static T> {
        if let Some(made) = self.get(number) {
            return Some(made);
        }
        publish_once::publish_boxed(self.0.get(number as usize / CHUNK)?, ptr::null_mut(), boxed_zero());
        self.get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn each_number_has_a_value_of_its_own() {
        static VALUES: Chunked<AtomicU64, 50> = Chunked::new();
        let last = (50 * CHUNK - 1) as u32;
        assert!(VALUES.get(last).is_none());
        VALUES.make(last).unwrap().store(7, Relaxed);
        assert_eq!(VALUES.make(last).unwrap().load(Relaxed), 7);
        assert_eq!(VALUES.get(last - 1).unwrap().load(Relaxed), 0);
        assert!(VALUES.make(last + 1).is_none() && VALUES.make(u32::MAX).is_none());
    }
}
