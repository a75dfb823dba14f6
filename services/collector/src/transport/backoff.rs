//! Waits between attempts.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Longest wait between two attempts that this client chooses.
const LONGEST: Duration = Duration::from_secs(30);

/// Longest wait that a server may ask for; a server that asks for more is not waited for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// Attempts at one request.
pub(super) struct Backoff {
    left: u32,
    made: u32,
    wait: Duration,
}

impl Backoff {
    pub fn new(retries: u32, first: Duration) -> Self {
        Backoff { left: retries, made: 1, wait: first }
    }

    /// Attempts made so far.
    pub fn attempts(&self) -> u32 {
        self.made
    }

    /// Returns the wait before the next attempt: what the server asked for, else between half and all of a time that doubles. `None`
    /// where no further attempt is to be made.
    pub fn next(&mut self, may_pass: bool, asked: Option<Duration>) -> Option<Duration> {
        if !may_pass || self.left == 0 || asked.is_some_and(|wait| wait > LONGEST_ASKED) {
            return None;
        }
        self.left -= 1;
        self.made += 1;
        let wait = self.wait.min(LONGEST);
        self.wait = wait * 2;
        // A different part for every caller, so that many do not come back at once.
        let part = RandomState::new().hash_one(self.left) % 1024;
        Some(asked.unwrap_or(wait / 2 + (wait / 2) * part as u32 / 1024))
    }
}

/// Parses `Retry-After`: seconds, or a date, of which the time from the server's own date on is taken.
pub(super) fn retry_after(text: &str, server_time: Option<i64>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(text)?;
    let now = server_time.unwrap_or_else(|| jiff::Timestamp::now().as_second());
    Some(Duration::from_secs((until - now).max(0) as u64))
}

/// Parses a date of HTTP as seconds since 1970.
pub(super) fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(|t| t.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let mut backoff = Backoff::new(3, Duration::from_millis(100));
        for most in [100, 200, 400] {
            let wait = backoff.next(true, None).unwrap().as_millis();
            assert!((most / 2..=most).contains(&wait), "{wait} of {most}");
        }
        assert_eq!(backoff.next(true, None), None);
        assert_eq!(Backoff::new(3, Duration::ZERO).next(false, None), None);
    }

    #[test]
    fn servers_may_ask_for_a_wait() {
        let asked = |text: &str| retry_after(text, http_date("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:40 GMT"), Some(Duration::from_secs(3)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        let mut backoff = Backoff::new(3, Duration::from_millis(1));
        assert_eq!(backoff.next(true, Some(Duration::from_secs(9))), Some(Duration::from_secs(9)));
        assert_eq!(backoff.next(true, Some(Duration::from_secs(86_400))), None);
    }
}
