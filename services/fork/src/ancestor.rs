//! Inheritance of the child of a fork: tells whether it may be taken from its parent.

use std::path::Path;

/// Returns whether a process that this one was forked from still runs. A daemon has what its parent had open, and may take it over when the parent has
/// ended. Where that cannot be known, on systems other than Linux or without `/proc`, the parent runs.
///
/// ```
/// // This process runs, and so does the one that started it.
/// assert!(ferrometer_fork::ancestor_is_running(std::process::id()));
/// ```
#[must_use]
pub fn ancestor_is_running(process: u32) -> bool {
    // In a namespace of its own a process is nobody's child, and does not see its parent.
    #[cfg(unix)]
    let is_alone = std::os::unix::process::parent_id() == 0;
    #[cfg(not(unix))]
    let is_alone = true;
    if is_alone || !Path::new("/proc/self/stat").exists() {
        return true;
    }
    // Its state is behind its name, in which anything may be. One that has ended and was not waited for is a zombie.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
