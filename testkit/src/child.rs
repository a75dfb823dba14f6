//! The child of a fork that does some work and ends.

/// Does `work` in a child of this process, and returns whether it was well: `work` returned true, without a panic, within two minutes.
///
/// The child has one thread, and what other threads of its parent held is held for ever: `work` calls what is documented to work after a fork.
#[must_use]
pub fn in_a_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the caller's work is made for a child, which leaves by `_exit`; a panic in it is caught.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child by a signal when it hangs.
        unsafe { libc::alarm(120) };
        let well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: ends the child without the exit of the test program.
        unsafe { libc::_exit(i32::from(!well)) };
    }
    assert!(child > 0, "no child");
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    status == 0
}
