//! Steps of a change, for the test that ends the process at each of them. Outside of that test nothing is done.

/// Marks a step: something is about to change on disk, or has just changed.
#[cfg(not(test))]
pub(crate) fn step() {}

/// Ends the process as `kill -9` does, at the step whose number the variable names.
#[cfg(test)]
pub(crate) fn step() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    static DONE: AtomicU32 = AtomicU32::new(0);
    let Some(at) = std::env::var("METRIC_SERVERS_KILL_AT").ok().and_then(|at| at.parse::<u32>().ok()) else { return };
    if DONE.fetch_add(1, SeqCst) + 1 == at {
        let _ = std::process::Command::new("kill").arg("-9").arg(std::process::id().to_string()).status();
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}
