//! The time by which series age: what the system's clock said when it was first asked, and from there on as the monotonic clock goes. A clock that is set (a
//! machine that learns the time after its start, a virtual one that is moved) makes nothing old.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// This moment in seconds since 1970, if nobody has set the clock since the process began to age anything. It does not fall.
pub(crate) fn seconds(moment: Instant) -> i64 {
    static BEGIN: OnceLock<(i64, Instant)> = OnceLock::new();
    let (wall, begin) = BEGIN.get_or_init(|| (whole_seconds(SystemTime::now()), Instant::now()));
    let passed = moment.saturating_duration_since(*begin).as_secs();
    wall.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
}

/// Whole seconds since 1970, rounded down.
pub(crate) fn whole_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -seconds - i64::from(before.subsec_nanos() > 0)
        }
    }
}
