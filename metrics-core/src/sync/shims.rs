//! The synchronisation primitives of the modules that are model-checked: the standard library's,
//! or loom's when compiled with `--cfg ferrometer_loom`. Locks never stay poisoned: recording must not panic.

#[cfg(ferrometer_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
};
#[cfg(not(ferrometer_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

/// A function that makes something of atomics: `const`, unless each of them is made for the model checker.
macro_rules! const_unless_loom {
    ($(#[$doc:meta])* $visible:vis fn $name:ident() -> $made:ty $body:block) => {
        $(#[$doc])*
        #[cfg(not(ferrometer_loom))]
        $visible const fn $name() -> $made $body
        $(#[$doc])*
        #[cfg(ferrometer_loom)]
        $visible fn $name() -> $made $body
    };
}
pub(crate) use const_unless_loom;

/// As many zeros.
#[cfg(ferrometer_loom)]
pub(crate) fn zeros<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

/// As many pointers to nothing.
#[cfg(not(ferrometer_loom))]
pub(crate) const fn nulls<const N: usize, T>() -> [AtomicPtr<T>; N] {
    [const { AtomicPtr::new(std::ptr::null_mut()) }; N]
}
#[cfg(ferrometer_loom)]
pub(crate) fn nulls<const N: usize, T>() -> [AtomicPtr<T>; N] {
    std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut()))
}

/// A type of which all bytes 0 are a value.
///
/// # Safety
/// Bytes that are all 0 are a value, that of `zero`.
pub(crate) unsafe trait Zero {
    /// One by one: an atomic that is model-checked is more than its bytes.
    #[cfg(ferrometer_loom)]
    fn zero() -> Self;
}
// SAFETY: an atomic has the bytes of the number that is in it.
unsafe impl Zero for AtomicU64 {
    #[cfg(ferrometer_loom)]
    fn zero() -> Self {
        AtomicU64::new(0)
    }
}
// SAFETY: as above.
unsafe impl Zero for AtomicU32 {
    #[cfg(ferrometer_loom)]
    fn zero() -> Self {
        AtomicU32::new(0)
    }
}
// SAFETY: as above; the null pointer's are 0.
unsafe impl<T> Zero for AtomicPtr<T> {
    #[cfg(ferrometer_loom)]
    fn zero() -> Self {
        AtomicPtr::new(std::ptr::null_mut())
    }
}
// SAFETY: there is nothing in a pair but its parts, and bytes that nobody reads.
unsafe impl<A: Zero, B: Zero> Zero for (A, B) {
    #[cfg(ferrometer_loom)]
    fn zero() -> Self {
        (A::zero(), B::zero())
    }
}
// SAFETY: nor in an array.
unsafe impl<const N: usize, T: Zero> Zero for [T; N] {
    #[cfg(ferrometer_loom)]
    fn zero() -> Self {
        std::array::from_fn(|_| T::zero())
    }
}

/// Returns `len` of them, in memory that the system gives as zeros, page by page as it is written.
pub(crate) fn boxed_zeros<T: Zero>(len: usize) -> Box<[T]> {
    #[cfg(not(ferrometer_loom))]
    {
        const { assert!(size_of::<T>() > 0) };
        let first = zeroed_memory(size_of::<T>(), align_of::<T>(), len);
        // SAFETY: it is memory of `len` values, allocated as a box's is, or for 0 of them a pointer that is aligned; the bytes are values by `Zero`.
        unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(first.cast(), len)) }
    }
    #[cfg(ferrometer_loom)]
    (0..len).map(|_| T::zero()).collect()
}

/// One of them.
pub(crate) fn boxed_zero<T: Zero>() -> Box<T> {
    #[cfg(not(ferrometer_loom))]
    {
        const { assert!(size_of::<T>() > 0) };
        // SAFETY: as in `boxed_zeros`.
        unsafe { Box::from_raw(zeroed_memory(size_of::<T>(), align_of::<T>(), 1).cast()) }
    }
    #[cfg(ferrometer_loom)]
    Box::new(T::zero())
}

/// Memory for `len` values of this size and alignment.
#[cfg(not(ferrometer_loom))]
fn zeroed_memory(size: usize, align: usize, len: usize) -> *mut u8 {
    use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
    let layout = size.checked_mul(len).and_then(|bytes| Layout::from_size_align(bytes, align).ok());
    let Some(layout) = layout else { handle_alloc_error(Layout::new::<u8>()) };
    if layout.size() == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    // SAFETY: it is longer than nothing.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}

/// Replaces a pointer; or else returns the one that is there.
#[inline]
pub(crate) fn replace<T>(place: &AtomicPtr<T>, was: *mut T, new: *mut T) -> Result<(), *mut T> {
    #[cfg(not(ferrometer_loom))]
    {
        // SAFETY: pointers to values of known size are alike, and so are atomics of them; this one lives as long as the reference to it.
        let place = unsafe { AtomicPtr::from_ptr(place.as_ptr().cast::<*mut u8>()) };
        replace_any(place, was.cast(), new.cast()).map_err(<*mut u8>::cast)
    }
    #[cfg(ferrometer_loom)]
    place.compare_exchange(was, new, Ordering::AcqRel, Ordering::Acquire).map(drop)
}

/// Compiled once, and not for each type: an exchange has a branch for each pair of orders until it is optimised.
#[cfg(not(ferrometer_loom))]
fn replace_any(place: &AtomicPtr<u8>, was: *mut u8, new: *mut u8) -> Result<(), *mut u8> {
    place.compare_exchange(was, new, Ordering::AcqRel, Ordering::Acquire).map(drop)
}

/// Locks, whatever happened to an earlier holder: every structure behind our locks is valid at each
/// step of its update, so a panic while one was held leaves nothing half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
