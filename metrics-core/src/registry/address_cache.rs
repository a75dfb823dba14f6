//! A small table by the addresses and lengths of texts that never change: where they stand says which they are, and no text is read.
//!
//! A place is filled once and stays. Who fills it takes it first, and makes it known when all of it is written; so nothing here waits, and a
//! thread that goes away in between leaves a place that nobody finds.

use crate::sync::Ordering::*;
use crate::sync::publish_once;
use crate::sync::{AtomicPtr, AtomicU64, Zero, boxed_zero, const_unless_loom, replace};
use std::ptr::{self, NonNull};

/// What a text's address is multiplied with, by its position. Of some thousand pairs tried on literals side by side, as compilers put them, the
/// one after which nine of ten have a first place of their own; by chance it would be eight.
const FACTORS: [usize; 6] = [4023, 335, 4003, 255, 3403, 2169];
/// The same for their sum, where the first place is taken.
const AGAIN: usize = 1365;

/// Some texts seen from some place, and what they lead to.
#[repr(C, align(32))]
pub(crate) struct Place<const N: usize, T> {
    /// Address and length. The first address is written last: before it is there, the place is free, or is being filled.
    texts: [(AtomicPtr<u8>, AtomicU64); N],
    from: AtomicPtr<u8>,
    to: AtomicPtr<T>,
}

// SAFETY: all of it is atomics, and bytes that nobody reads.
unsafe impl<const N: usize, T> Zero for Place<N, T> {
    #[cfg(ferrometer_loom)]
    fn zero() -> Self {
        Place { texts: Zero::zero(), from: Zero::zero(), to: Zero::zero() }
    }
}

impl<const N: usize, T> Place<N, T> {
    #[inline(always)]
    fn get(&self, from: impl FnOnce() -> *const u8, texts: &[&str; N]) -> Option<&'static T> {
        for (at, text) in texts.iter().enumerate() {
            let known = &self.texts[at];
            let known_at = if at == 0 { known.0.load(Acquire) } else { known.0.load(Relaxed) };
            if !ptr::eq(known_at, text.as_ptr()) || known.1.load(Relaxed) != text.len() as u64 {
                return None;
            }
        }
        if !ptr::eq(self.from.load(Relaxed), from()) {
            return None;
        }
        let to = NonNull::new(self.to.load(Relaxed));
        if cfg!(ferrometer_loom) {
            assert!(to.is_some(), "seen before it was written");
        }
        // SAFETY: the first text's address is no longer null, so all was written: the pointer is that of a `&'static T`.
        Some(unsafe { to.unwrap_unchecked().as_ref() })
    }

    /// Whether it was free.
    fn fill(&self, from: *const u8, texts: &[&str; N], to: &'static T) -> bool {
        if replace(&self.to, ptr::null_mut(), ptr::from_ref(to).cast_mut()).is_err() {
            return false;
        }
        self.from.store(from.cast_mut(), Relaxed);
        for at in (0..N).rev() {
            let (known, text) = (&self.texts[at], texts[at]);
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
    pub(crate) const THERE_ARE: bool = 0 < N && N <= FACTORS.len();
    /// What the places take.
    #[cfg(not(ferrometer_loom))]
    pub(crate) const BYTES: usize = size_of::<[Place<N, T>; PLACES]>();

    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self(AtomicPtr::new(ptr::null_mut()))
        }
    }

    /// Where to look for texts. By the addresses' lowest 12 bits, which are the same wherever the program is loaded: what is quick in one
    /// process is so in the next.
    #[inline(always)]
    fn sum(texts: &[&str; N]) -> usize {
        let mut sum = 0usize;
        for at in 0..N.min(FACTORS.len()) {
            sum = sum.wrapping_add((texts[at].as_ptr() as usize).wrapping_mul(FACTORS[at]));
        }
        sum
    }

    /// The place of a sum: the upper ones of these bits, each of which depends on all below it.
    #[inline(always)]
    fn place(sum: usize) -> usize {
        (sum >> (12 - PLACES.ilog2())) % PLACES
    }

    /// The places of a sum, the first one first.
    #[inline(always)]
    fn ways(sum: usize) -> [usize; 4] {
        let (first, second) = (Self::place(sum), Self::place(sum.wrapping_mul(AGAIN)));
        [first, second, first ^ 1, second ^ 1]
    }

    /// All places; `None` until the first one is filled.
    #[inline(always)]
    pub(crate) fn places(&self) -> Option<&'static [Place<N, T>; PLACES]> {
        if !Self::THERE_ARE {
            return None;
        }
        // SAFETY: null, or published in `put`, for ever.
        unsafe { self.0.load(Acquire).as_ref() }
    }

    /// Where the texts lead to from there, if they are in their first place. `from` is asked last, when there are registers to spare.
    #[inline(always)]
    pub(crate) fn get(&self, from: impl FnOnce() -> *const u8, texts: &[&str; N]) -> Option<&'static T> {
        Self::get_of(self.places()?, from, texts)
    }

    /// The same, when there are places.
    #[inline(always)]
    pub(crate) fn get_of(
        places: &'static [Place<N, T>; PLACES],
        from: impl FnOnce() -> *const u8,
        texts: &[&str; N],
    ) -> Option<&'static T> {
        places[Self::place(Self::sum(texts))].get(from, texts)
    }

    /// The same, in the other places.
    #[inline(always)]
    pub(crate) fn get_beside(&self, from: impl Fn() -> *const u8, texts: &[&str; N]) -> Option<&'static T> {
        let (places, ways) = (self.places()?, Self::ways(Self::sum(texts)));
        for way in 1..ways.len() {
            if let Some(found) = places[ways[way]].get(&from, texts) {
                return Some(found);
            }
        }
        None
    }

    /// Whether there is a place for texts that are not known yet.
    pub(crate) fn has_place(&self, texts: &[&str; N]) -> bool {
        let Some(places) = self.places() else { return Self::THERE_ARE };
        Self::ways(Self::sum(texts)).iter().any(|at| places[*at].to.load(Relaxed).is_null())
    }

    /// Remembers where texts that never change lead to, if there is a place. The caller may allocate.
    pub(crate) fn put(&self, from: *const u8, texts: &[&str; N], to: &'static T) {
        if !Self::THERE_ARE {
            return;
        }
        if self.places().is_none() {
            publish_once::publish_boxed(&self.0, ptr::null_mut(), boxed_zero());
        }
        let Some(places) = self.places() else { return };
        let _ = Self::ways(Self::sum(texts)).iter().any(|at| places[*at].fill(from, texts, to));
    }
}

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    static FROM: [u8; 2] = [0; 2];
    static VALUES: [u64; 4096] = [0; 4096];

    #[test]
    fn what_is_found_is_what_was_put() {
        static TABLE: Addressed<2, 64, u64> = Addressed::new();
        let all = "the same addresses, other lengths: each a text of its own";
        let mut known = HashMap::new();
        let key = |from: *const u8, texts: &[&str; 2]| {
            (from as usize, texts.map(|text| (text.as_ptr() as usize, text.len())))
        };
        let get =
            |from: *const u8, texts: &[&str; 2]| TABLE.get(|| from, texts).or_else(|| TABLE.get_beside(|| from, texts));
        let mut found = 0;
        for round in 0..3 {
            for number in 0..4096 {
                // As many texts as places, and a few more that differ in one thing.
                let (at, len, from) = (number % 8, number / 8 % 4, &raw const FROM[number / 32 % 2]);
                let texts = [&all[at..at + len], &all[number / 64 % 4..][..2]];
                match get(from, &texts) {
                    Some(value) => {
                        assert_eq!(known.get(&key(from, &texts)), Some(&(&raw const *value)));
                        found += 1;
                    }
                    None if round == 0 => {
                        let (value, place) = (&VALUES[number], TABLE.has_place(&texts));
                        TABLE.put(from, &texts, value);
                        assert_eq!(get(from, &texts), place.then_some(value));
                        if place {
                            assert_eq!(known.insert(key(from, &texts), &raw const *value), None);
                        }
                    }
                    None => assert!(!known.contains_key(&key(from, &texts))),
                }
            }
        }
        assert!((16..=64).contains(&known.len()) && found > 1000, "{} places, {found} times", known.len());
    }

    #[test]
    fn literals_of_one_call_have_places_of_their_own() {
        // As compilers put them: one after the other, without gaps; wherever that is.
        let literals = "GETPUTPOSTDELETEPATCHHEADOPTIONS1xx2xx3xx4xx5xx";
        let memory = " ".repeat(2 * 4096) + literals;
        let page = memory.as_ptr().align_offset(4096);
        let lens = [3, 3, 4, 6, 5, 4, 7];
        type Table = Addressed<2, 64, u64>;
        let mut sum = 0;
        for start in page..page + 4096 {
            let all = &memory[start..start + literals.len()];
            let mut places = HashSet::new();
            let mut at = 0;
            for len in lens {
                for status in 0..5 {
                    let texts = [&all[at..at + len], &all[32 + 3 * status..][..3]];
                    places.insert(Table::place(Table::sum(&texts)));
                }
                at += len;
            }
            assert!(places.len() >= 24, "{} places {start} bytes on", places.len());
            sum += places.len();
        }
        // By chance it would be 27 of 35.
        assert!(sum / 4096 >= 29, "{}", sum as f64 / 4096.0);
    }

    #[test]
    fn more_texts_than_there_are_tables_for_are_never_found() {
        static TABLE: Addressed<7, 64, u64> = Addressed::new();
        let texts = ["a", "b", "c", "d", "e", "f", "g"];
        TABLE.put(FROM.as_ptr(), &texts, &VALUES[0]);
        assert!(TABLE.get_beside(|| FROM.as_ptr(), &texts).is_none() && !TABLE.has_place(&texts));
        assert!(TABLE.0.load(Acquire).is_null());
    }
}
