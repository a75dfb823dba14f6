//! Settings of an archive.

use crate::log::Sync;
use std::time::Duration;

/// How an archive is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a batch is acknowledged.
    pub sync: Sync,
    /// Threads that apply batches and store aggregates.
    pub workers: usize,
    /// Bytes of raw points and waiting batches in memory. At five eighths of it what changed is stored; beyond it, appends wait: it is exceeded by the batches of those that append at one time, and by no more.
    /// Beside it, an eighth of it is for the policies of metrics, and an eighth for the places of objects.
    pub memory: usize,
    /// Bytes of the log at which what changed is stored, and the log shortened. Less than half of `memory` counts as that half.
    pub log: u64,
    /// Bytes of one file of the log, at least.
    pub log_file: u64,
    /// Longest time until what changed is stored.
    pub store_every: Duration,
    /// Make the policies `bool`, `low`, `medium`, `high` and the rule that gives `low` to all, in an archive that has neither.
    pub default_policies: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sync: Sync::Group,
            workers: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            memory: 256 << 20,
            log: 128 << 20,
            log_file: 32 << 20,
            store_every: Duration::from_secs(600),
            default_policies: true,
        }
    }
}
