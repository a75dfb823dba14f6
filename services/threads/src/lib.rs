//! Threads of a library: how each of them begins.
//!
//! A program that blocks a signal and waits for it with `sigwait` must not lose it to a thread of a library, which would end the program. So a thread that is
//! started here blocks every signal but those by which the system tells a thread of its own faults. The core has the same for backends; the crates that know no
//! core use this one.

#![forbid(unsafe_code)]

use std::{io, thread};

/// Starts a thread that takes no signal of the program. A thread that it starts inherits that.
///
/// # Errors
/// The error of the system that gave no thread. What was to be run is dropped.
///
/// ```
/// let thread = ferrometer_threads::spawn("archive-0", || 1 + 1)?;
/// assert_eq!(thread.join().unwrap(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    without_signals(|| thread::Builder::new().name(name.into()).spawn(work))
}

/// Calls `make` with the program's signals blocked, and then sets the thread's mask to what it was. Threads that `make` starts never take a signal of the
/// program.
///
/// ```
/// let sum = ferrometer_threads::without_signals(|| {
///     std::thread::scope(|scope| scope.spawn(|| 1 + 1).join().unwrap())
/// });
/// assert_eq!(sum, 2);
/// ```
pub fn without_signals<T>(make: impl FnOnce() -> T) -> T {
    let _blocked = mask::Blocked::new();
    make()
}

#[cfg(unix)]
mod mask {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal};

    /// Sets the thread's mask back when it is dropped.
    pub(crate) struct Blocked(Option<SigSet>);

    impl Blocked {
        pub(crate) fn new() -> Blocked {
            let mut all = SigSet::all();
            // A thread gets these by what it does itself.
            for fault in [Signal::SIGILL, Signal::SIGTRAP, Signal::SIGFPE, Signal::SIGSEGV, Signal::SIGBUS] {
                all.remove(fault);
            }
            Blocked(all.thread_swap_mask(SigmaskHow::SIG_SETMASK).ok())
        }
    }

    impl Drop for Blocked {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                let _ = before.thread_set_mask();
            }
        }
    }
}

#[cfg(not(unix))]
mod mask {
    /// Other systems have no signals.
    pub(crate) struct Blocked;

    impl Blocked {
        pub(crate) fn new() -> Blocked {
            Blocked
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use nix::sys::signal::{SigSet, Signal};

    #[test]
    fn threads_block_all_but_faults_and_the_mask_is_set_back() {
        fn now() -> SigSet {
            SigSet::thread_get_mask().unwrap()
        }
        let mut own = SigSet::empty();
        own.add(Signal::SIGUSR2);
        own.thread_set_mask().unwrap();
        let (thread, made) = (spawn("t", now).unwrap(), without_signals(now));
        for mask in [thread.join().unwrap(), made] {
            let free: Vec<Signal> = Signal::iterator().filter(|signal| !mask.contains(*signal)).collect();
            // The last two can be blocked by nobody.
            let faults = [Signal::SIGILL, Signal::SIGTRAP, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGKILL];
            assert_eq!(free, [&faults[..], &[Signal::SIGSEGV, Signal::SIGSTOP]].concat());
        }
        assert_eq!(now(), own);
    }
}
