//! Memory that the system wipes in a child: also in one that was made without the fork handlers, by `_Fork` or the system call itself.

use std::ops::Deref;

/// A value in memory of its own, which is all zeros in the child of a fork once it is asked to be. A page may be as large as this on Linux.
#[cfg_attr(any(target_arch = "x86", target_arch = "x86_64"), repr(align(4096)))]
#[cfg_attr(not(any(target_arch = "x86", target_arch = "x86_64")), repr(align(65536)))]
pub(crate) struct Wiped<T>(T);

impl<T> Wiped<T> {
    /// # Safety
    /// Bytes that are all 0 are a `T`, which the child may find at any moment.
    pub(crate) const unsafe fn new(value: T) -> Wiped<T> {
        Wiped(value)
    }

    /// Has the system wipe it in children, from now on. Where it cannot, nothing happens: Linux can since 4.14.
    pub(crate) fn wipe_in_children(&'static self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use std::ffi::{c_int, c_void};
            // As the C library has it.
            unsafe extern "C" {
                fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
            }
            const MADV_WIPEONFORK: c_int = 18;
            // SAFETY: these pages hold nothing but this value, and stay; a child may find zeros there. The advice changes nothing in this process.
            unsafe { madvise(std::ptr::from_ref(self).cast_mut().cast(), size_of::<Self>(), MADV_WIPEONFORK) };
        }
    }
}

impl<T> Deref for Wiped<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
