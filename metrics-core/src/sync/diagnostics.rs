//! Diagnostics, through `tracing`: one line for each cause and minute, with the number suppressed since.
//!
//! A subscriber is somebody else's code: it may be slow, panic, or ask us something. It is called with none of our locks held.

use crate::sync::{Mutex, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(60);
/// Causes remembered. More different ones within a minute count as one further cause.
const MAX_CAUSES: usize = 64;

/// The causes, when each was last told, and how many were suppressed since.
static SEEN: Mutex<Vec<(String, Instant, u64)>> = Mutex::new(Vec::new());

/// How many lines of this cause were suppressed, if one may be written now.
fn admit(cause: &str, now: Instant) -> Option<u64> {
    let mut seen = lock(&SEEN);
    let mut cause = cause;
    let mut known = seen.iter().position(|(c, ..)| c == cause);
    if known.is_none() && seen.len() >= MAX_CAUSES {
        for at in (0..seen.len()).rev() {
            if now.saturating_duration_since(seen[at].1) >= QUIET {
                seen.swap_remove(at);
            }
        }
        if seen.len() >= MAX_CAUSES {
            cause = "further causes";
            known = seen.iter().position(|(c, ..)| c == cause);
        }
    }
    if let Some((_, last, suppressed)) = known.and_then(|at| seen.get_mut(at)) {
        if now.saturating_duration_since(*last) < QUIET {
            *suppressed += 1;
            return None;
        }
        *last = now;
        return Some(std::mem::take(suppressed));
    }
    seen.push((cause.to_owned(), now, 0));
    Some(0)
}

/// Writes a warning through `tracing` with the target `ferrometer`, unless one of the same cause was written within the last
/// minute. The line carries the number of lines suppressed since. For backends and the services around them.
///
/// A subscriber that panics is caught; no lock of the core is held while it runs.
///
/// ```
/// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
/// ferrometer::backend::warn("graphite: refused", "graphite: the server at 10.0.0.1:2003 refuses the connection");
/// ```
pub fn warn(cause: &str, message: &str) {
    if let Some(suppressed) = admit(cause, Instant::now()) {
        // A subscriber that panics must not take a thread of ours with it.
        let _ = catch_unwind(AssertUnwindSafe(|| tracing::warn!(target: "ferrometer", suppressed, "{message}")));
    }
}

/// Locks out diagnostics while the guard lives: for `fork`.
#[cfg(unix)]
pub(crate) fn freeze() -> impl Sized {
    lock(&SEEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_with_the_number_suppressed() {
        let start = Instant::now();
        assert_eq!(admit("dead server", start), Some(0));
        for i in 0..100 {
            assert_eq!(admit("dead server", start + Duration::from_millis(i)), None);
        }
        assert_eq!(admit("another", start), Some(0));
        assert_eq!(admit("dead server", start + QUIET), Some(100));
        for i in 0..10_000 {
            admit(&format!("flood {i}"), start);
        }
        assert!(lock(&SEEN).len() <= MAX_CAUSES + 1);
        assert!(admit("dead server", start + 3 * QUIET).is_some());
    }
}
