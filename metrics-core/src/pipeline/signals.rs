//! The mask of signals of a thread: blocked around the start of a thread, which inherits it.
//!
//! `sigset_t` is larger than the part of the C library that we ask for, and unlike everywhere. So there is room for the largest here, and the library fills it.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

/// The C library's `sigset_t`, or larger: at most 128 bytes, aligned as a pointer is.
#[repr(C, align(16))]
struct Set([u8; 128]);

// As POSIX has them, like what `fork` asks of the C library.
unsafe extern "C" {
    fn pthread_sigmask(how: c_int, set: *const Set, old: *mut Set) -> c_int;
    fn sigfillset(set: *mut Set) -> c_int;
    fn sigdelset(set: *mut Set, signal: c_int) -> c_int;
}

/// Says that the numbers below hold. Elsewhere nothing is blocked, and our threads take signals as the program's own do.
const IS_KNOWN: bool = cfg!(all(
    any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "ios", target_os = "freebsd"),
    not(any(target_arch = "mips", target_arch = "mips32r6", target_arch = "mips64", target_arch = "mips64r6")),
    not(any(target_arch = "sparc", target_arch = "sparc64"))
));
const IS_LINUX: bool = cfg!(any(target_os = "linux", target_os = "android"));
const SIG_SETMASK: c_int = if IS_LINUX { 2 } else { 3 };
/// SIGILL, SIGTRAP, SIGFPE, SIGSEGV, SIGBUS: a thread gets them by what it does itself, and the standard library tells of an overflown stack by them.
const FAULTS: [c_int; 5] = [4, 5, 8, 11, if IS_LINUX { 7 } else { 10 }];

/// Sets the thread's mask back when it is dropped.
pub(super) struct Blocked(Option<Set>);

pub(super) fn block() -> Blocked {
    if !IS_KNOWN {
        return Blocked(None);
    }
    let mut set = MaybeUninit::<Set>::zeroed();
    let mut old = MaybeUninit::<Set>::zeroed();
    // SAFETY: both are as large as a `sigset_t` and aligned as one, and bytes in any state. The calls write within them and keep no pointer.
    unsafe {
        sigfillset(set.as_mut_ptr());
        for signal in FAULTS {
            sigdelset(set.as_mut_ptr(), signal);
        }
        let failed = pthread_sigmask(SIG_SETMASK, set.as_ptr(), old.as_mut_ptr());
        Blocked((failed == 0).then(|| old.assume_init()))
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(old) = &self.0 {
            // SAFETY: the set was written by the same call; no place is given for another.
            unsafe { pthread_sigmask(SIG_SETMASK, old, ptr::null_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_and_sizes_are_those_of_the_c_library() {
        assert_eq!(SIG_SETMASK, libc::SIG_SETMASK);
        assert_eq!(FAULTS, [libc::SIGILL, libc::SIGTRAP, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS]);
        assert!(size_of::<libc::sigset_t>() <= size_of::<Set>());
        assert!(align_of::<libc::sigset_t>() <= align_of::<Set>());
    }

    #[test]
    fn blocks_all_but_faults_and_sets_back_what_was() {
        let is_blocked = |signal: c_int| {
            let mut now = MaybeUninit::<libc::sigset_t>::zeroed();
            // SAFETY: asks for the mask, which is written where there is room for it.
            unsafe {
                assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), now.as_mut_ptr()), 0);
                libc::sigismember(now.as_ptr(), signal) == 1
            }
        };
        let mut own = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: a set of one signal, blocked in this thread alone.
        unsafe {
            libc::sigemptyset(own.as_mut_ptr());
            libc::sigaddset(own.as_mut_ptr(), libc::SIGUSR2);
            libc::pthread_sigmask(libc::SIG_SETMASK, own.as_ptr(), ptr::null_mut());
        }
        let program = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1];
        assert!(!program.into_iter().any(is_blocked) && is_blocked(libc::SIGUSR2));
        crate::without_signals(|| {
            assert!(program.into_iter().all(is_blocked) && is_blocked(libc::SIGUSR2));
            assert!(!FAULTS.into_iter().any(is_blocked));
        });
        assert!(!program.into_iter().any(is_blocked) && is_blocked(libc::SIGUSR2));
    }
}
