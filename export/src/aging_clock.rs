//! A clock for ageing: it starts at the system's time and then advances with the monotonic clock.
//!
//! A system clock that is set while the program runs (a machine that learns the time after its start, a virtual machine that is
//! moved) makes no series old.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Returns a moment in seconds since 1970, as the system's clock would show it if nobody had set it since the first call in this
/// process. Later moments never give smaller numbers.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// let later = ferrometer_export::age_seconds(now + Duration::from_secs(10));
/// assert!((9..=11).contains(&(later - ferrometer_export::age_seconds(now))));
/// ```
#[must_use]
pub fn age_seconds(moment: Instant) -> i64 {
    static BEGIN: OnceLock<(i64, Instant)> = OnceLock::new();
    let (wall, begin) = BEGIN.get_or_init(|| (whole_seconds(SystemTime::now()), Instant::now()));
    let passed = moment.saturating_duration_since(*begin).as_secs();
    wall.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
}

/// Returns whole seconds since 1970, rounded down. Times before 1970 are negative.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// assert_eq!(ferrometer_export::whole_seconds(UNIX_EPOCH + Duration::from_millis(1500)), 1);
/// assert_eq!(ferrometer_export::whole_seconds(UNIX_EPOCH - Duration::from_millis(500)), -1);
/// ```
#[must_use]
pub fn whole_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -seconds - i64::from(before.subsec_nanos() > 0)
        }
    }
}
