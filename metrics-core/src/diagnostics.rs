//! What ferrometer has to say, through `tracing`: one line per message and minute, with the number suppressed since.

use crate::sync::{Mutex, lock};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(60);
/// Messages remembered; with more different ones in a minute the oldest memory goes.
const MAX_MESSAGES: usize = 256;

static SEEN: Mutex<BTreeMap<String, (Instant, u64)>> = Mutex::new(BTreeMap::new());

/// How many of this message were suppressed, if it may be written now.
fn admit(message: &str, now: Instant) -> Option<u64> {
    let mut seen = lock(&SEEN);
    if let Some((last, suppressed)) = seen.get_mut(message) {
        if now.duration_since(*last) < QUIET {
            *suppressed += 1;
            return None;
        }
        *last = now;
        return Some(std::mem::take(suppressed));
    }
    if seen.len() >= MAX_MESSAGES {
        let oldest = seen.iter().min_by_key(|(_, (last, _))| *last).map(|(m, _)| m.clone());
        oldest.and_then(|m| seen.remove(&m));
    }
    seen.insert(message.to_owned(), (now, 0));
    Some(0)
}

/// Writes a warning, unless the same one was written within the last minute.
pub(crate) fn warn(message: &str) {
    if let Some(suppressed) = admit(message, Instant::now()) {
        tracing::warn!(target: "ferrometer", suppressed, "{message}");
    }
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
        assert!(lock(&SEEN).len() <= MAX_MESSAGES);
    }
}
