//! The clock of timers: monotonic, and the CPU's own counter where that runs at one rate always.
//!
//! The collector's thread decides whether the counter is used, measures how long a tick is, and sets the two clocks beside each other again and again
//! ([`calibration`](crate::collect::calibration)). Until then, and wherever the counter cannot be believed, the system's monotonic clock serves. A stamp
//! remembers which of the two it was read from, in its lowest bit.
//!
//! A measurement that looks strange (the counter has gone back, or far ahead) asks the system's clock. The counter is not used again once it was found wrong:
//! it differs from CPU to CPU, or runs at another rate since a virtual machine was moved.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

/// Nanoseconds of half a tick, times 2^64, so that the upper half of a product with a difference of stamps is nanoseconds; 0: not known.
static SCALE: AtomicU64 = AtomicU64::new(0);
/// The longest measurement, in halves of ticks, that is taken from the counter without a question; 0 while the counter is not used.
static MOST: AtomicU64 = AtomicU64::new(0);
/// The system's nanoseconds less those of the counter, modulo 2^64, when they were compared last, and the system's at that moment.
static AHEAD: AtomicU64 = AtomicU64::new(0);
static COMPARED: AtomicU64 = AtomicU64::new(0);
/// The counter was found wrong.
static WRONG: AtomicBool = AtomicBool::new(false);
/// The last comparison before the collector found it wrong, in halves of ticks, and the scale from there on; 0: the collector did not.
static BROKEN_AT: AtomicU64 = AtomicU64::new(0);
static BROKEN_SCALE: AtomicU64 = AtomicU64::new(0);
static START: OnceLock<Instant> = OnceLock::new();

/// 2^32 ticks: a second or two.
const UNASKED: u64 = 1 << 33;
/// How far the counters of two CPUs may be apart.
const BACK: Duration = Duration::from_micros(100);
/// How far the two clocks may be apart soon after they were compared, and by what share of the time since: the system's may be slewed by a thousandth.
const APART: Duration = Duration::from_millis(50);
pub(crate) const SLEW: u64 = 500;

/// A moment, in a form that is cheap to take: 1 in the lowest bit and the CPU's counter above it, or 0 and nanoseconds since the
/// first stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// No moment: for a place that is not filled yet.
    pub(crate) const UNSET: Stamp = Stamp(0);
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod counter {
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
    pub(crate) fn is_invariant() -> bool {
        const LEAVES: u32 = 0x8000_0000;
        const POWER: u32 = 0x8000_0007;
        // SAFETY: every x86-64 has the instruction, and the first leaf tells whether there is the second.
        unsafe { __cpuid(LEAVES).eax >= POWER && __cpuid(POWER).edx & 1 << 8 != 0 }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod counter {
    pub(super) fn read() -> u64 {
        0
    }

    pub(crate) fn is_invariant() -> bool {
        false
    }
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) ticks: u64,
    pub(crate) nanos: u64,
    /// How long it took to read them, in ticks.
    took: u64,
}

impl Pair {
    /// Reads both: of several readings the one that took least.
    pub(crate) fn now() -> Pair {
        let read = || {
            let before = counter::read();
            let nanos = system_nanos();
            let took = counter::read().wrapping_sub(before);
            Pair { ticks: before.wrapping_add(took / 2), nanos, took }
        };
        let mut best = read();
        for _ in 1..16 {
            let next = read();
            if next.took < best.took {
                best = next;
            }
        }
        best
    }

    /// Returns `false` where the thread was interrupted between the two each time.
    pub(crate) fn is_exact(&self) -> bool {
        counter_nanos(self.took << 1) <= 50_000
    }
}

/// Nanoseconds of this many halves of ticks.
#[inline(always)]
pub(crate) fn counter_nanos(halves: u64) -> u64 {
    scaled(halves, SCALE.load(Relaxed))
}

#[inline(always)]
fn scaled(halves: u64, scale: u64) -> u64 {
    ((u128::from(halves) * u128::from(scale)) >> 64) as u64
}

/// Returns the scale by which this many ticks are this many nanoseconds. `None` for a counter that stops or runs backwards, or faster than any CPU, or below
/// half a gigahertz.
pub(crate) fn scale_of(ticks: u64, nanos: u64) -> Option<u64> {
    let scale = (u128::from(nanos) << 63).checked_div(u128::from(ticks))?;
    u64::try_from(scale).ok().filter(|_| ticks < u64::MAX >> 1)
}

/// Takes stamps from the counter from now on.
pub(crate) fn believe(scale: u64, at: &Pair) {
    SCALE.store(scale, Relaxed);
    agree(at);
    // Released: who reads that the counter is used reads its scale.
    MOST.store(UNASKED, Release);
}

/// Notes that the two clocks were compared, and agreed.
pub(crate) fn agree(at: &Pair) {
    AHEAD.store(at.nanos.wrapping_sub(counter_nanos(at.ticks << 1)), Relaxed);
    COMPARED.store(at.nanos, Relaxed);
}

/// Takes no stamp from the counter any more.
fn distrust() {
    WRONG.store(true, Relaxed);
    // Released: who reads that the counter is not used reads what is known of its last stamps.
    MOST.store(0, Release);
}

/// Takes no stamp from the counter any more: since the last comparison it has not run as before. Stamps since are read by how it ran.
pub(crate) fn break_off(last: &Pair, now: &Pair) {
    if let Some(scale) = scale_of(now.ticks.wrapping_sub(last.ticks), now.nanos.saturating_sub(last.nanos)) {
        BROKEN_AT.store(last.ticks << 1, Relaxed);
        BROKEN_SCALE.store(scale, Relaxed);
    }
    distrust();
}

/// Returns whether stamps are taken from the counter.
pub(crate) fn is_believed() -> bool {
    MOST.load(Acquire) != 0
}

/// Returns whether the counter was found wrong.
pub(crate) fn is_wrong() -> bool {
    WRONG.load(Relaxed)
}

/// Nanoseconds of the system's monotonic clock, since it was read first.
pub(crate) fn system_nanos() -> u64 {
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
        (MOST.load(Acquire) != 0).then(|| Stamp(counter::read() << 1 | 1))
    }

    #[inline(never)]
    fn of_system() -> Stamp {
        Stamp(system_nanos() << 1)
    }

    /// Nanoseconds since this stamp; 0 should the clock have gone back.
    #[inline(always)]
    pub(crate) fn elapsed_nanos(self) -> u64 {
        if self.0 & 1 == 0 {
            return self.elapsed_of_system();
        }
        // Both have the lowest bit set, so their difference has not.
        let halves = (counter::read() << 1 | 1).wrapping_sub(self.0);
        // Half of the numbers are later, half earlier: those are large ones.
        if halves > MOST.load(Relaxed) {
            return self.elapsed_if_right(halves);
        }
        counter_nanos(halves)
    }

    #[inline(never)]
    fn elapsed_of_system(self) -> u64 {
        (system_nanos() & (u64::MAX >> 1)).saturating_sub(self.0 >> 1)
    }

    /// Returns the time since this stamp by the counter, which says that it is long, or negative, or else by the system's clock, if the counter is not
    /// used any more or is found wrong now.
    #[cold]
    #[inline(never)]
    fn elapsed_if_right(self, halves: u64) -> u64 {
        let (at, ahead) = (Pair::now(), AHEAD.load(Relaxed));
        let since = |start: u64| (at.nanos.wrapping_sub(start) as i64).max(0) as u64;
        let by_system = since(counter_nanos(self.0 - 1).wrapping_add(ahead));
        if !is_believed() {
            let (after, scale) = ((self.0 - 1).wrapping_sub(BROKEN_AT.load(Relaxed)), BROKEN_SCALE.load(Relaxed));
            let is_after = scale != 0 && after <= u64::MAX >> 1;
            return if is_after { since(COMPARED.load(Relaxed).wrapping_add(scaled(after, scale))) } else { by_system };
        }
        let now = counter_nanos(at.ticks << 1).wrapping_add(ahead);
        let apart = (now.wrapping_sub(at.nanos) as i64).unsigned_abs();
        let may_be = nanos(APART) + at.nanos.saturating_sub(COMPARED.load(Relaxed)) / SLEW;
        let is_back = halves > u64::MAX >> 1;
        let is_far_back = is_back && counter_nanos(halves.wrapping_neg()) > nanos(BACK);
        if is_far_back || (at.is_exact() && apart > may_be) {
            distrust();
            return by_system;
        }
        if is_back { 0 } else { counter_nanos(halves) }
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
    use crate::collect::calibration::Calibration;

    #[test]
    fn both_clocks_measure_a_sleep_and_a_stamp_survives_calibration() {
        let before = Stamp::of_system();
        let mut calibration = Calibration::begin();
        while let (Some(wait), told) = calibration.step() {
            assert!(told.is_none());
            std::thread::sleep(wait);
        }
        std::thread::sleep(Duration::from_millis(5));
        assert!((5_000_000..60_000_000_000).contains(&before.elapsed_nanos()));
        // The second is long enough for a question to the system's clock.
        for slept in [5; 20].into_iter().chain([2500]) {
            // The counter's time lies between two measurements of the system's clock.
            let outer = Instant::now();
            let stamp = Stamp::now();
            let inner = Instant::now();
            std::thread::sleep(Duration::from_millis(slept));
            let least = inner.elapsed().as_nanos() as u64;
            let took = stamp.elapsed_nanos();
            let most = outer.elapsed().as_nanos() as u64;
            // A clock that is being slewed may be a thousandth apart.
            assert!(least - least / 1000 <= took && took <= most + most / 1000, "{least} {took} {most}");
        }
        if is_believed() {
            // Two CPUs may differ by a little.
            assert_eq!(Stamp((counter::read() + 50_000) << 1 | 1).elapsed_nanos(), 0);
            assert!(is_believed() && !is_wrong());
        }
    }

    #[test]
    fn a_duration_saturates() {
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(nanos(Duration::new(3, 5)), 3_000_000_005);
    }
}
