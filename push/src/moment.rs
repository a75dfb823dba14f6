//! Moments as formats write them.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970. Before it, 0.
#[must_use]
pub fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// When the first pushing backend of this process was made, in nanoseconds since 1970: from when totals are counted, as far as anybody who
/// receives them is concerned. It stays, whatever is replaced.
#[must_use]
pub fn started() -> u64 {
    static STARTED: OnceLock<u64> = OnceLock::new();
    *STARTED.get_or_init(|| nanos(SystemTime::now()))
}
