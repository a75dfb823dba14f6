//! A process that is started again from time to time: names stay for the life of a process, so one that makes up names ends when it has made up
//! many, and `scripts/fuzz` starts the next one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static EXECUTIONS: AtomicU64 = AtomicU64::new(0);

/// One more input is about to be tried. Returns how many were before.
pub fn count() -> u64 {
    EXECUTIONS.fetch_add(1, Relaxed)
}

/// Ends the process, with its executions said as libFuzzer says them. Not an exit that libFuzzer would take for a crash.
pub fn end() -> ! {
    eprintln!("stat::number_of_executed_units: {}", EXECUTIONS.load(Relaxed));
    // SAFETY: ends the process; nothing is left to be written.
    unsafe { libc::_exit(0) }
}
