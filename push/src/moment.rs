//! Moments as formats write them.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest that anybody is waited for.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The moment so long from now, a day at most: the clock has an end, which a longer time may be beyond.
#[must_use]
pub fn within(time: Duration) -> Instant {
    Instant::now() + time.min(LONGEST)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_end_is_a_day() {
        let before = Instant::now();
        assert!(within(Duration::ZERO) <= Instant::now());
        let last = within(Duration::MAX);
        assert!(last >= before + LONGEST && last <= Instant::now() + LONGEST);
    }
}
