//! A small table by the addresses and lengths of texts that never change: where they stand says which they are, and no text is read.
//!
//! A place is filled once and stays. Who fills it takes it first, and makes it known when all of it is written; so nothing here waits, and a
//! thread that goes away in between leaves a place that nobody finds.

use crate::first;
use crate::sync::{AtomicPtr, AtomicU64, Ordering::*};
use std::ptr;

/// What a text's address is multiplied with, by its position.
const FACTORS: [usize; 6] = [0x9e3, 0x5a7, 0xb1d, 0x6c5, 0xd4b, 0x879];

/// Some texts seen from some place, and what they lead to.
#[repr(C, align(32))]
struct Place<const N: usize, T> {
    /// Address and length. The first address is written last: before it is there, the place is free, or is being filled.
    texts: [(AtomicPtr<u8>, AtomicU64); N],
    from: AtomicPtr<u8>,
    to: AtomicPtr<T>,
}

impl<const N: usize, T> Place<N, T> {
    fn free() -> Place<N, T> {
        Place {
            texts: std::array::from_fn(|_| (AtomicPtr::new(ptr::null_mut()), AtomicU64::new(0))),
            from: AtomicPtr::new(ptr::null_mut()),
            to: AtomicPtr::new(ptr::null_mut()),
        }
    }

    #[inline(always)]
    fn get(&self, from: *const u8, texts: &[&str; N]) -> Option<&'static T> {
        for (at, (known, text)) in self.texts.iter().zip(texts).enumerate() {
            let order = if at == 0 { Acquire } else { Relaxed };
            if !ptr::eq(known.0.load(order), text.as_ptr()) || known.1.load(Relaxed) != text.len() as u64 {
                return None;
            }
        }
        if !ptr::eq(self.from.load(Relaxed), from) {
            return None;
        }
        // SAFETY: the first text's address is no longer null, so all was written: the pointer is that of a `&'static T`.
        Some(unsafe { &*self.to.load(Relaxed) })
    }

    /// Whether it was free.
    fn fill(&self, from: *const u8, texts: &[&str; N], to: &'static T) -> bool {
        if self.to.compare_exchange(ptr::null_mut(), ptr::from_ref(to).cast_mut(), Relaxed, Relaxed).is_err() {
            return false;
        }
        self.from.store(from.cast_mut(), Relaxed);
        for (known, text) in self.texts.iter().zip(texts).rev() {
            known.1.store(text.len() as u64, Relaxed);
            known.0.store(text.as_ptr().cast_mut(), Release);
        }
        true
    }
}

/// The table, of `PLACES` places, a power of two of at most 4,096: nothing but a pointer until the first one is filled.
pub(crate) struct Addressed<const N: usize, const PLACES: usize, T: 'static>(AtomicPtr<[Place<N, T>; PLACES]>);

impl<const N: usize, const PLACES: usize, T> Addressed<N, PLACES, T> {
    /// Whether there are tables for so many texts.
    const THERE_ARE: bool = 0 < N && N <= FACTORS.len();

    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The first of the two places where texts may be; the other is its neighbour. By the addresses' lowest 12 bits, which are the same
    /// wherever the program is loaded: what is quick in one process is so in the next.
    #[inline(always)]
    fn place(texts: &[&str; N]) -> usize {
        let weigh = |(text, factor): (&&str, usize)| (text.as_ptr() as usize).wrapping_mul(factor);
        let sum = texts.iter().zip(FACTORS).map(weigh).fold(0, usize::wrapping_add);
        // The upper ones of these bits: there each depends on all below it.
        (sum >> (12 - PLACES.ilog2())) % PLACES
    }

    #[inline(always)]
    fn places(&self) -> Option<&'static [Place<N, T>; PLACES]> {
        if !Self::THERE_ARE {
            return None;
        }
        // SAFETY: null, or published in `put`, for ever.
        unsafe { self.0.load(Acquire).as_ref() }
    }

    /// Where the texts lead to from there, if they are in their first place.
    #[inline(always)]
    pub(crate) fn get(&self, from: *const u8, texts: &[&str; N]) -> Option<&'static T> {
        self.places()?[Self::place(texts)].get(from, texts)
    }

    /// The same, in both places.
    #[inline]
    pub(crate) fn get_in_any(&self, from: *const u8, texts: &[&str; N]) -> Option<&'static T> {
        let (places, at) = (self.places()?, Self::place(texts));
        places[at].get(from, texts).or_else(|| places[at ^ 1].get(from, texts))
    }

    /// Remembers where texts that never change lead to, if there is a place. The caller may allocate.
    pub(crate) fn put(&self, from: *const u8, texts: &[&str; N], to: &'static T) {
        if !Self::THERE_ARE {
            return;
        }
        if self.places().is_none() {
            // Piece by piece: the whole may be more than a thread's stack takes.
            let made: Box<[Place<N, T>]> = (0..PLACES).map(|_| Place::free()).collect();
            if let Ok(made) = made.try_into() {
                first::publish_boxed(&self.0, ptr::null_mut(), made);
            }
        }
        let Some(places) = self.places() else { return };
        let at = Self::place(texts);
        let _ = places[at].fill(from, texts, to) || places[at ^ 1].fill(from, texts, to);
    }
}
