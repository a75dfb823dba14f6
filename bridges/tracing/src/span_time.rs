//! Clocks of one span: since when it exists, and how long threads were inside.

use std::time::{Duration, Instant};

/// A span may be entered by several threads at once. It is busy while at least one is inside.
#[derive(Debug)]
pub(crate) struct SpanTime {
    created: Instant,
    busy: Duration,
    /// Number of threads inside, and since when there was one.
    inside: u32,
    since: Instant,
}

impl SpanTime {
    pub(crate) fn new(now: Instant) -> SpanTime {
        SpanTime { created: now, busy: Duration::ZERO, inside: 0, since: now }
    }

    pub(crate) fn enter(&mut self, now: Instant) {
        if self.inside == 0 {
            self.since = now;
        }
        self.inside = self.inside.saturating_add(1);
    }

    /// Counts one thread less. An exit without an entry, which a subscriber may send, counts nothing.
    pub(crate) fn exit(&mut self, now: Instant) {
        if self.inside == 1 {
            self.busy += now.saturating_duration_since(self.since);
        }
        self.inside = self.inside.saturating_sub(1);
    }

    /// Returns the whole time and the busy part of it, for a span that ends now.
    pub(crate) fn end(&self, now: Instant) -> (Duration, Duration) {
        let inside = if self.inside > 0 { now.saturating_duration_since(self.since) } else { Duration::ZERO };
        let whole = now.saturating_duration_since(self.created);
        (whole, (self.busy + inside).min(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_the_time_in_which_somebody_is_inside() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let ms = |(whole, busy): (Duration, Duration)| (whole.as_millis(), busy.as_millis());
        let mut time = SpanTime::new(at(0));
        assert_eq!(ms(time.end(at(5))), (5, 0));
        time.enter(at(10));
        time.enter(at(12));
        time.exit(at(15));
        time.exit(at(20));
        assert_eq!(ms(time.end(at(100))), (100, 10));
        time.exit(at(30));
        time.enter(at(40));
        assert_eq!(ms(time.end(at(45))), (45, 15));
        // A clock that is read on another thread may be a little behind.
        assert_eq!(ms(time.end(at(1))), (1, 1));
    }
}
