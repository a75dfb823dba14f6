//! The clock of timers: monotonic, and the CPU's own counter where that runs at one rate always.
//!
//! How long a tick of the counter is has to be measured, over [`MEASURED`], so the collector's thread does it in passing; until it is
//! done, and on machines without such a counter, the system's monotonic clock serves. A stamp remembers which of the
//! two it was read from, in its lowest bit.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Nanoseconds of half a tick, times 2^64, so that the upper half of a product with a difference of stamps is nanoseconds; 0: not known.
static SCALE: AtomicU64 = AtomicU64::new(0);
static START: OnceLock<Instant> = OnceLock::new();

/// How long the counter is set beside the system's clock. Each reading of the pair is good to some 50 ns, so the rate is good to one
/// part in a million.
const MEASURED: Duration = Duration::from_millis(100);

/// A moment, in a form that is cheap to take: 1 in the lowest bit and the CPU's counter above it, or 0 and nanoseconds since the
/// first stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

#[cfg(target_arch = "x86_64")]
mod counter {
    use std::arch::x86_64::{__cpuid, _rdtsc};

    #[inline(always)]
    pub(super) fn read() -> u64 {
        // SAFETY: every x86-64 has the instruction. A system may forbid it to programs (`PR_SET_TSC`), and then it traps as any
        // clock of that system does, which reads the same counter.
        unsafe { _rdtsc() }
    }

    /// Returns whether the CPU says that the counter runs at one rate, whatever the clock and the sleep of its cores.
    // Later versions of the standard library call these functions safe.
    #[allow(unused_unsafe)]
    pub(super) fn is_invariant() -> bool {
        const LEAVES: u32 = 0x8000_0000;
        const POWER: u32 = 0x8000_0007;
        // SAFETY: every x86-64 has the instruction, and the first leaf tells whether there is the second.
        unsafe { __cpuid(LEAVES).eax >= POWER && __cpuid(POWER).edx & 1 << 8 != 0 }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn is_invariant() -> bool {
        false
    }
}

/// Measures the counter's rate: made, and stepped until it has nothing left to do, by the collector's thread.
pub(crate) struct Calibration {
    start: Option<(u64, Instant)>,
}

impl Calibration {
    pub(crate) fn begin() -> Calibration {
        let wanted = SCALE.load(Relaxed) == 0 && counter::is_invariant();
        Calibration { start: wanted.then(pair) }
    }

    /// How long to wait before the next step; `None` when it is done.
    pub(crate) fn step(&mut self) -> Option<Duration> {
        let (ticks, time) = self.start?;
        let passed = time.elapsed();
        if passed < MEASURED {
            return Some(MEASURED - passed);
        }
        let (now, end) = pair();
        let (ticks, nanos) = (now.wrapping_sub(ticks), (end - time).as_nanos());
        // A counter that stops or runs backwards, or faster than any CPU, is none; nor is one below half a gigahertz.
        let scale = (nanos << 63).checked_div(u128::from(ticks)).and_then(|scale| u64::try_from(scale).ok());
        if let Some(scale) = scale.filter(|_| ticks < u64::MAX >> 1) {
            SCALE.store(scale, Relaxed);
        }
        self.start = None;
        None
    }
}

/// The counter and the time at one moment: of several readings the one that took least.
fn pair() -> (u64, Instant) {
    let one = || {
        let before = counter::read();
        let time = Instant::now();
        let took = counter::read().wrapping_sub(before);
        (took, (before.wrapping_add(took / 2), time))
    };
    let mut best = one();
    for _ in 1..16 {
        let next = one();
        if next.0 < best.0 {
            best = next;
        }
    }
    best.1
}

fn system_nanos() -> u64 {
    // Wraps after 584 years.
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

impl Stamp {
    #[inline(always)]
    pub(crate) fn now() -> Stamp {
        Stamp::at_once().unwrap_or_else(Stamp::of_system)
    }

    /// Returns the moment by the CPU's counter; `None` while that cannot be used.
    #[inline(always)]
    pub(crate) fn at_once() -> Option<Stamp> {
        (SCALE.load(Relaxed) != 0).then(|| Stamp(counter::read() << 1 | 1))
    }

    #[inline(never)]
    fn of_system() -> Stamp {
        Stamp(system_nanos() << 1)
    }

    /// Nanoseconds since this stamp; 0 should the counter have gone back.
    #[inline(always)]
    pub(crate) fn elapsed_nanos(self) -> u64 {
        if self.0 & 1 == 0 {
            return self.elapsed_of_system();
        }
        let twice = (counter::read() << 1).wrapping_sub(self.0 - 1);
        // Half of the numbers are later, half earlier.
        let twice = if twice > u64::MAX >> 1 { 0 } else { twice };
        ((u128::from(twice) * u128::from(SCALE.load(Relaxed))) >> 64) as u64
    }

    #[inline(never)]
    fn elapsed_of_system(self) -> u64 {
        (system_nanos() & (u64::MAX >> 1)).saturating_sub(self.0 >> 1)
    }
}

/// A duration as whole nanoseconds; what does not fit (584 years) as the largest number.
#[inline(always)]
pub(crate) fn nanos(duration: Duration) -> u64 {
    // Cheaper than `as_nanos`, which multiplies in 128 bits.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_measure_a_sleep_and_a_stamp_survives_calibration() {
        let before = Stamp::of_system();
        let mut calibration = Calibration::begin();
        while let Some(wait) = calibration.step() {
            std::thread::sleep(wait);
        }
        assert!(Calibration::begin().step().is_none() || SCALE.load(Relaxed) == 0);
        std::thread::sleep(Duration::from_millis(5));
        assert!((5_000_000..60_000_000_000).contains(&before.elapsed_nanos()));
        for _ in 0..20 {
            // The counter's time lies between two measurements of the system's clock.
            let outer = Instant::now();
            let stamp = Stamp::now();
            let inner = Instant::now();
            std::thread::sleep(Duration::from_millis(5));
            let least = inner.elapsed().as_nanos() as u64;
            let took = stamp.elapsed_nanos();
            let most = outer.elapsed().as_nanos() as u64;
            // A clock that is being slewed may be a thousandth of the 5 ms apart.
            assert!(least - least / 1000 <= took && took <= most + most / 1000, "{least} {took} {most}");
        }
    }

    #[test]
    fn a_counter_gone_back_gives_nothing_and_a_duration_saturates() {
        if counter::is_invariant() {
            assert_eq!(Stamp((counter::read() + 1_000_000_000) << 1 | 1).elapsed_nanos(), 0);
        }
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(nanos(Duration::new(3, 5)), 3_000_000_005);
    }
}
