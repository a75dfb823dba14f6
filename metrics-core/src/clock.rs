//! The clock of timers: monotonic, and the CPU's own counter where that is invariant.
//!
//! Calibrating the counter can take 200 ms, so it happens on the collector's thread; until it is done the system's
//! monotonic clock serves. A stamp remembers which of the two it was read from, in its lowest bit.

use crate::fork;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static COUNTER: OnceLock<quanta::Clock> = OnceLock::new();
static START: OnceLock<Instant> = OnceLock::new();

/// A moment, in a form that is cheap to take: 1 in the lowest bit for the CPU's counter, else nanoseconds since the first
/// stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

/// Makes the CPU's counter ready. Slow the first time; never called by a recording.
pub(crate) fn calibrate() {
    // In the child of a fork the calibration of the parent may be half done, and nobody left to finish it.
    if COUNTER.get().is_none() && !fork::is_child() {
        let counter = quanta::Clock::new();
        let _ = COUNTER.set(counter);
    }
}

fn system_nanos() -> u64 {
    // Wraps after 584 years.
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

impl Stamp {
    #[inline]
    pub(crate) fn now() -> Stamp {
        match COUNTER.get() {
            Some(counter) => Stamp(counter.raw() << 1 | 1),
            None => Stamp(system_nanos() << 1),
        }
    }

    /// Nanoseconds since this stamp; 0 should the counter have gone back.
    #[inline]
    pub(crate) fn elapsed_nanos(self) -> u64 {
        let start = self.0 >> 1;
        match COUNTER.get() {
            Some(counter) if self.0 & 1 == 1 => {
                let end = counter.raw() & (u64::MAX >> 1);
                if end > start { counter.delta_as_nanos(start, end) } else { 0 }
            }
            _ => (system_nanos() & (u64::MAX >> 1)).saturating_sub(start),
        }
    }
}

/// A duration as whole nanoseconds; what does not fit (584 years) as the largest number.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    // Cheaper than `as_nanos`, which multiplies in 128 bits.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_measure_a_sleep_and_a_stamp_survives_calibration() {
        let before = Stamp(system_nanos() << 1);
        std::thread::sleep(Duration::from_millis(5));
        calibrate();
        assert!(before.elapsed_nanos() >= 5_000_000);
        let counter = Stamp::now();
        std::thread::sleep(Duration::from_millis(5));
        let took = counter.elapsed_nanos();
        assert!((4_900_000..10_000_000_000).contains(&took), "{took}");
        assert_eq!(Stamp(u64::MAX).elapsed_nanos(), 0);
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(nanos(Duration::new(3, 5)), 3_000_000_005);
    }
}
