//! The rate of the CPU's counter: measured once, and compared with the system's clock at each collection. Made and stepped by the collector's thread.
//!
//! The counter is believed where the CPU says that it runs at one rate always, and the kernel takes its own time from it. A kernel sees more than a
//! program: it has found the counters of two CPUs apart, or knows that the machine is a virtual one that may be moved.

use crate::record::clock::{self, Pair, SLEW, counter};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// How long the counter is set beside the system's clock. Each reading of the pair is good to some 50 ns, so the rate is good to one
/// part in a million.
const MEASURED: Duration = Duration::from_millis(100);

/// Measures the counter's rate, and then compares it.
pub(crate) struct Calibration {
    /// Both clocks at the last comparison. `None`: there is nothing to do, now and later.
    last: Option<Pair>,
}

impl Calibration {
    pub(crate) fn begin() -> Calibration {
        let may_be_used = !clock::is_wrong() && counter::is_invariant() && is_the_kernels();
        Calibration { last: may_be_used.then(Pair::now) }
    }

    /// Does what is due. Returns how long to wait before the next step, where that must not wait for the next collection, and what is to be
    /// logged.
    pub(crate) fn step(&mut self) -> (Option<Duration>, Option<String>) {
        let Some(last) = self.last else { return (None, None) };
        let is_believed = clock::is_believed();
        // Asked after that: a recording may have found it wrong just now.
        if clock::is_wrong() {
            return self.end("two readings of it do not fit each other");
        }
        let passed = Duration::from_nanos(clock::system_nanos().saturating_sub(last.nanos));
        if let Some(left) = MEASURED.checked_sub(passed).filter(|left| !left.is_zero()) {
            return ((!is_believed).then_some(left), None);
        }
        let now = Pair::now();
        let (ticks, passed) = (now.ticks.wrapping_sub(last.ticks), now.nanos.saturating_sub(last.nanos));
        if !is_believed {
            match clock::scale_of(ticks, passed) {
                Some(scale) => clock::believe(scale, &now),
                None => return self.end("it does not run"),
            }
        } else if now.is_exact() {
            let counted = clock::counter_nanos(ticks << 1);
            if !agree(counted, passed) {
                clock::break_off(&last, &now);
                return self.end(&format!("it counted {counted} ns in {passed} ns of the system's clock"));
            }
            clock::agree(&now);
        } else {
            return (None, None);
        }
        self.last = Some(now);
        (None, None)
    }

    /// Says once why the counter is used no longer.
    fn end(&mut self, reason: &str) -> (Option<Duration>, Option<String>) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        self.last = None;
        let message = format!(
            "timers are read from the system's clock from now on: the CPU's counter cannot be believed ({reason}). Was this machine suspended, or moved \
             to another host? Measurements since may be off"
        );
        (None, (!TOLD.swap(true, Relaxed)).then_some(message))
    }
}

/// Returns whether two measurements of one time are as near as two clocks are, of which one may be slewed.
fn agree(counted: u64, passed: u64) -> bool {
    counted.abs_diff(passed) <= passed / SLEW + 100_000
}

/// Returns whether the kernel takes its own time from the counter. Systems that cannot be asked do where it is invariant.
fn is_the_kernels() -> bool {
    let about = |what: &str| std::fs::read_to_string(format!("/sys/devices/system/clocksource/clocksource0/{what}"));
    !cfg!(target_os = "linux")
        || is_trusted(
            &about("current_clocksource").unwrap_or_default(),
            &about("available_clocksource").unwrap_or_default(),
        )
}

/// Decides by the names of the clock that the kernel uses and of those that it would.
fn is_trusted(current: &str, available: &str) -> bool {
    // Two clocks of virtual machines are the counter, scaled by the host. A counter that is found wrong is no longer available.
    let is_scaled = ["kvm-clock", "hyperv_clocksource_tsc_page"].contains(&current.trim_ascii());
    current.trim_ascii() == "tsc" || (is_scaled && available.split_ascii_whitespace().any(|name| name == "tsc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_choice_decides() {
        assert!(is_trusted("tsc\n", "tsc hpet acpi_pm \n") && is_trusted("kvm-clock\n", "kvm-clock tsc acpi_pm\n"));
        for (current, available) in [
            ("hpet\n", "hpet acpi_pm\n"),
            ("acpi_pm", "tsc hpet acpi_pm"),
            ("kvm-clock\n", "kvm-clock acpi_pm\n"),
            ("xen\n", "xen tsc\n"),
            ("", ""),
            ("tsc-early", "tsc-early"),
        ] {
            assert!(!is_trusted(current, available), "{current:?} of {available:?}");
        }
    }

    #[test]
    fn a_slewed_clock_agrees_and_another_rate_does_not() {
        let second = 1_000_000_000;
        for counted in [second, second + 1_000_000, second - 1_000_000] {
            assert!(agree(counted, second), "{counted}");
        }
        for counted in [second / 2, second + 10_000_000, second - 10_000_000, 0, u64::MAX / 2] {
            assert!(!agree(counted, second), "{counted}");
        }
    }
}
