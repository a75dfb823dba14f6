//! The clock that removals go by: a wall clock may jump, and what is removed does not come back.

use crate::{Nanos, time};
use std::time::{Duration, Instant};

/// A jump ahead is believed when it has lasted as long. Until then time goes on as before it.
const LASTING: Duration = Duration::from_secs(86_400);
/// The wall clock may be ahead of the monotonic one by as much: that is no jump.
const LITTLE: Nanos = 60 * crate::SECOND;

/// The time that is believed. A machine that slept is one whose clock jumped ahead.
pub(crate) struct Believed {
    wall: Nanos,
    at: Instant,
    /// The first look that found the wall clock ahead.
    ahead: Option<Instant>,
}

impl Believed {
    /// Returns a clock that believes the wall clock of this moment.
    pub fn new() -> Believed {
        Believed::of(time::now(), Instant::now())
    }

    fn of(wall: Nanos, at: Instant) -> Believed {
        Believed { wall, at, ahead: None }
    }

    /// Returns the time in nanoseconds since the epoch.
    pub fn now(&mut self) -> Nanos {
        self.look(time::now(), Instant::now())
    }

    /// Looks at the wall clock. One that went back is believed at once: less is removed by it.
    fn look(&mut self, wall: Nanos, at: Instant) -> Nanos {
        let elapsed = at.saturating_duration_since(self.at).as_nanos();
        let expected = self.wall.saturating_add(Nanos::try_from(elapsed).unwrap_or(Nanos::MAX));
        if wall > expected.saturating_add(LITTLE) {
            let since = *self.ahead.get_or_insert_with(|| {
                tracing::warn!(
                    "the clock jumped ahead; until it has been so for a day, metrics expire by the time before"
                );
                at
            });
            if at.saturating_duration_since(since) < LASTING {
                return expected;
            }
        }
        *self = Believed::of(wall, at);
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Archive, Options, Point, SECOND};

    const DAY: Nanos = 86_400 * SECOND;

    /// A clock that is looked at every five minutes, and the two clocks that it sees.
    struct Clocks {
        believed: Believed,
        wall: Nanos,
        at: Instant,
    }

    impl Clocks {
        fn go_on(&mut self) -> Nanos {
            (self.wall, self.at) = (self.wall + 300 * SECOND, self.at + Duration::from_secs(300));
            self.believed.look(self.wall, self.at)
        }
    }

    #[test]
    fn nothing_expires_by_a_clock_that_jumped_ahead_for_some_hours() {
        let directory = std::env::temp_dir().join(format!("ferrometer-archive-clock-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let archive = Archive::open(&directory, Options { workers: 1, ..Options::default() }).unwrap();
        let begun = 20_000 * DAY;
        archive.set_time_to_live("low", Some(7 * DAY)).unwrap();
        let metric = archive.new_metric("me", None).unwrap();
        archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
        archive.append(vec![(metric.id, vec![Point { at: begun, value: 1.0 }])]).unwrap();
        let at = Instant::now();
        let mut clocks = Clocks { believed: Believed::of(begun, at), wall: begun, at };
        assert_eq!(clocks.go_on(), begun + 300 * SECOND);
        // Ten years ahead for twelve hours, back by a day beyond the right time, and right again.
        clocks.wall += 3650 * DAY;
        for look in 2..146 {
            let now = clocks.go_on();
            assert_eq!(now, begun + look * 300 * SECOND);
            assert_eq!(archive.expire(now).unwrap(), 0);
        }
        clocks.wall -= 3651 * DAY;
        let back = clocks.go_on();
        assert_eq!(back, clocks.wall);
        clocks.wall += DAY;
        assert_eq!(clocks.go_on(), back + 300 * SECOND);
        let there = |archive: &Archive| archive.index().metrics_by_id(&[metric.id]).unwrap().len();
        assert_eq!(there(&archive), 1);
        // A jump that lasts for a day is the time.
        clocks.wall += 30 * DAY;
        let day = (0..289).map(|_| clocks.go_on()).last().unwrap();
        assert_eq!(day, clocks.wall);
        assert_eq!(archive.expire(day).unwrap(), 1);
        assert_eq!(there(&archive), 0);
        drop(archive);
        let _ = std::fs::remove_dir_all(&directory);
    }
}
