//! A system clock that jumps: the test program has its own `clock_gettime` in the place of the C library's, which is as the kernel's but for the wall clock,
//! and that is as far off as it is told. The monotonic clock stays what it is, as when somebody sets the time.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

static OFF: AtomicI64 = AtomicI64::new(0);

/// From now on the system's clock is this many seconds ahead (or behind) of the right time.
pub fn set_off(seconds: i64) {
    OFF.store(seconds, SeqCst);
}

/// Seconds since 1970 as the system has them now, right or not: what programs read.
#[allow(dead_code)]
pub fn seconds() -> i64 {
    // SAFETY: the kernel's own structure, filled by a call that needs nothing else.
    let right = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut time);
        time.tv_sec
    };
    right.saturating_add(OFF.load(SeqCst))
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: the call's own arguments.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int };
    if result == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the kernel has just written there.
        unsafe { (*time).tv_sec = (*time).tv_sec.saturating_add(OFF.load(SeqCst)) };
    }
    result
}
