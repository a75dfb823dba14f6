//! Readiness: the cache is being filled.

use ferrometer_pull_cache::PullCacheHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Maximum age of the newest generation, in intervals.
const INTERVALS: u32 = 3;

/// `Ok` when the newest generation is there and not old.
pub(crate) fn ready(handle: &PullCacheHandle) -> Result<(), String> {
    let newest = handle.window().map(|(_, newest)| newest);
    fault(newest, now(), handle.settings().interval).map_or(Ok(()), Err)
}

/// Seconds since 1970; 0 for a clock that stands before.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Why the cache is not ready, if it is not.
fn fault(newest: Option<i64>, now: i64, interval: Duration) -> Option<String> {
    let Some(newest) = newest else { return Some("there is no generation yet".into()) };
    // A timestamp in the future (the clock was set back) is no fault. Timestamps are cut to whole seconds: one more.
    let age = now.saturating_sub(newest).max(0).unsigned_abs();
    let most = interval.saturating_mul(INTERVALS).as_secs_f64().ceil() + 1.0;
    (age as f64 > most).then(|| {
        let interval = interval.as_secs_f64();
        format!("the newest generation is {age} s old; one is due every {interval} s, and {most} s are allowed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_has_a_generation_of_three_intervals() {
        let ten = Duration::from_secs(10);
        assert_eq!(fault(None, 1000, ten).as_deref(), Some("there is no generation yet"));
        for (newest, ready) in
            [(1000, true), (969, true), (968, false), (5000, true), (i64::MAX, true), (i64::MIN, false)]
        {
            assert_eq!(fault(Some(newest), 1000, ten).is_none(), ready, "{newest}");
        }
        let expected = "the newest generation is 32 s old; one is due every 10 s, and 31 s are allowed";
        assert_eq!(fault(Some(968), 1000, ten).as_deref(), Some(expected));
        assert_eq!(fault(Some(998), 1000, Duration::from_millis(100)), None);
        assert_eq!(fault(Some(0), 1000, Duration::MAX), None);
    }
}
