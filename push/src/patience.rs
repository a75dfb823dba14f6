//! When a server that did not answer is tried again: later each time, at moments that many programs do not share, and not before
//! the server said.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// The first pause, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The longest pause that a server may ask for with `Retry-After`.
const MOST_ASKED: Duration = Duration::from_secs(3600);

/// The state of one server.
#[derive(Debug, Default)]
pub struct Patience {
    failures: u32,
    until: Option<Instant>,
    /// `true` when the server itself asked for the pause.
    was_asked: bool,
    reason: String,
}

impl Patience {
    /// Notes a failure: the next attempt is after a pause that doubles each time, from 1 s to 60 s, less a random part of up to a half; or
    /// after what the server asked for, at most an hour.
    pub fn failed(&mut self, now: Instant, asked: Option<Duration>, reason: &str) {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        let jitter = doubled.mul_f64(random() / 2.0);
        let pause = asked.map_or(doubled - jitter, |asked| asked.min(MOST_ASKED));
        self.failures = self.failures.saturating_add(1);
        self.until = now.checked_add(pause);
        self.was_asked = asked.is_some();
        reason.clone_into(&mut self.reason);
    }

    /// Notes an answer, whatever it said.
    pub fn answered(&mut self) {
        *self = Patience::default();
    }

    /// Returns the reason of the last failure while the pause lasts, and when it ends.
    #[must_use]
    pub fn waits(&self, now: Instant) -> Option<(&str, Instant)> {
        self.until.filter(|until| *until > now).map(|until| (self.reason.as_str(), until))
    }

    /// When a program that waits for a flush may try again: at once, unless the server asked for a pause.
    #[must_use]
    pub fn flush_at(&self, now: Instant) -> Instant {
        self.until.filter(|_| self.was_asked).map_or(now, |until| until.max(now))
    }
}

/// A number in [0, 1).
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_bounded_and_differ() {
        let now = Instant::now();
        let mut patience = Patience::default();
        assert!(patience.waits(now).is_none());
        let mut pauses = Vec::new();
        for failure in 0..20u32 {
            patience.failed(now, None, "away");
            let (reason, until) = patience.waits(now).unwrap();
            assert_eq!(reason, "away");
            let (pause, whole) = (until - now, Duration::from_secs(1 << failure.min(6)).min(LONGEST));
            assert!(pause <= whole && pause >= whole / 2, "{failure}: {pause:?}");
            pauses.push(pause);
        }
        pauses.dedup();
        assert!(pauses.len() > 10, "{pauses:?}");
        assert_eq!(patience.flush_at(now), now);
        patience.answered();
        assert!(patience.waits(now).is_none());
    }

    #[test]
    fn what_the_server_asks_for_is_kept_up_to_an_hour() {
        let now = Instant::now();
        let mut patience = Patience::default();
        patience.failed(now, Some(Duration::from_secs(7)), "429");
        assert_eq!(patience.flush_at(now), now + Duration::from_secs(7));
        assert!(patience.waits(now + Duration::from_secs(6)).is_some());
        assert!(patience.waits(now + Duration::from_secs(7)).is_none());
        patience.failed(now, Some(Duration::MAX), "503");
        assert_eq!(patience.flush_at(now), now + MOST_ASKED);
    }
}
