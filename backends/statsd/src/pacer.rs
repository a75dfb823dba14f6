//! The pace of datagrams: a delivery is spread in time, so that a receiver that comes late to read has room for what arrived meanwhile.
//!
//! A receiver's buffer holds 212,992 bytes by default on Linux, the kernel's overhead included: 92 datagrams of 1432 bytes. At the *safe* pace no
//! 100 ms see more than that. A delivery whose pauses would add up to more than [`Settings::spread`](crate::Settings::spread) goes faster,
//! evenly as far as it is known how much there is to send: from the delivery before.

use std::thread;
use std::time::{Duration, Instant};

/// The bytes that a receiver's buffer holds, less a twentieth.
const RECEIVER: usize = 202_000;
/// How late a receiver may be at the safe pace.
const LATE: Duration = Duration::from_millis(100);
/// Bytes that are sent in one go up to twice the safe pace, and at any faster one.
const SAFE_BURST: usize = 34_000;
const FAST_BURST: usize = 80_000;
/// The pause between two bursts of a delivery that has paused as long as it may.
const SHORT_PAUSE: Duration = Duration::from_micros(200);
/// Deliveries that follow each other faster are one.
const APART: Duration = Duration::from_millis(100);

/// All sizes are in bytes of a receiver's buffer.
pub(crate) struct Pacer {
    spread: Duration,
    /// Bytes a second.
    safe_rate: f64,
    rate: f64,
    burst: usize,
    in_burst: usize,
    burst_began: Instant,
    /// In this delivery, like the three below.
    paused: Duration,
    began: Instant,
    offered: usize,
    is_told: bool,
}

impl Pacer {
    /// `largest`: the largest datagram.
    pub(crate) fn new(spread: Duration, largest: usize) -> Pacer {
        let room = RECEIVER.saturating_sub(SAFE_BURST.max(in_receive_buffer(largest))).max(RECEIVER / 4);
        let safe_rate = room as f64 / LATE.as_secs_f64();
        let now = Instant::now();
        Pacer {
            spread,
            safe_rate,
            rate: safe_rate,
            burst: SAFE_BURST,
            in_burst: 0,
            burst_began: now,
            paused: Duration::ZERO,
            began: now,
            offered: 0,
            is_told: false,
        }
    }

    /// A delivery begins: it will be as large as the one before, most likely.
    pub(crate) fn begin(&mut self) {
        let now = Instant::now();
        let gap = now.saturating_duration_since(self.began);
        if gap < APART {
            return;
        }
        let time = self.spread.min(gap / 2).max(Duration::from_millis(1));
        self.rate = (self.offered as f64 / time.as_secs_f64()).max(self.safe_rate);
        self.burst = if self.rate > 2.0 * self.safe_rate { FAST_BURST } else { SAFE_BURST };
        self.paused = Duration::ZERO;
        self.began = now;
        self.offered = 0;
    }

    /// The most datagrams of this size in one go.
    pub(crate) fn at_once(&self, datagram: usize) -> usize {
        self.burst / in_receive_buffer(datagram)
    }

    /// Waits until this many datagrams of one size may be sent, but not beyond `until`.
    pub(crate) fn wait(&mut self, datagram: usize, count: usize, until: Instant) {
        let space = in_receive_buffer(datagram) * count;
        self.offered += space;
        if self.in_burst > 0 && self.in_burst + space > self.burst {
            let now = Instant::now();
            let pause = self.pause(now);
            if !pause.is_zero() && now + pause < until {
                thread::sleep(pause);
                self.paused += pause;
            }
            self.in_burst = 0;
        }
        if self.in_burst == 0 {
            self.burst_began = Instant::now();
        }
        self.in_burst += space;
    }

    fn pause(&mut self, now: Instant) -> Duration {
        if self.paused >= self.spread {
            self.burst = FAST_BURST;
            self.tell();
            return SHORT_PAUSE;
        }
        let whole = Duration::from_secs_f64(self.in_burst as f64 / self.rate);
        whole.saturating_sub(now.saturating_duration_since(self.burst_began)).min(self.spread)
    }

    fn tell(&mut self) {
        if !std::mem::replace(&mut self.is_told, true) {
            ferrometer_core::warn(
                "statsd: large deliveries",
                "statsd: a delivery is too large for the pace at which a receiver with a default buffer may be late; give it a larger buffer, \
                 or use transport \"tcp\" or \"unix\"",
            );
        }
    }
}

/// Returns the bytes that a datagram takes of a receiver's buffer on Linux: memory comes in powers of two, with headers, and a descriptor on top.
pub(crate) fn in_receive_buffer(len: usize) -> usize {
    (len + 400).next_power_of_two() + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hundred_milliseconds_see_more_than_a_receivers_buffer() {
        for len in [64, 512, 1432, 8192, 8932] {
            let pacer = Pacer::new(Duration::from_millis(500), len);
            let burst = pacer.at_once(len).max(1) * in_receive_buffer(len);
            // A burst at each end of the time, and what the rate lets through between them.
            assert!(pacer.safe_rate * LATE.as_secs_f64() + burst as f64 <= 212_992.0, "{len}");
            let series = 10_000.0 / (1432.0 / 30.0) * in_receive_buffer(1432) as f64;
            assert!(series / pacer.safe_rate < 0.5, "10,000 counters do not fit the time: {len}");
        }
        const { assert!(FAST_BURST < 212_992) };
    }

    #[test]
    fn the_pauses_of_a_delivery_add_up_to_what_they_may_and_end_with_its_time() {
        let spread = Duration::from_millis(60);
        let mut pacer = Pacer::new(spread, 1432);
        let far = Instant::now() + Duration::from_secs(3600);
        (0..1000).for_each(|_| pacer.wait(1432, 1, far));
        let short = SHORT_PAUSE * (1000 * in_receive_buffer(1432) / FAST_BURST) as u32;
        assert!(pacer.paused >= spread && pacer.paused <= spread * 2 + short, "{:?}", pacer.paused);
        // A caller without time left is not held up.
        let mut pacer = Pacer::new(spread, 1432);
        let now = Instant::now();
        (0..1000).for_each(|_| pacer.wait(1432, 1, now));
        assert_eq!(pacer.paused, Duration::ZERO);
    }

    #[test]
    fn the_size_of_a_delivery_sets_the_pace_of_the_next() {
        let mut pacer = Pacer::new(Duration::from_millis(500), 1432);
        let past = |pacer: &mut Pacer| pacer.began = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        pacer.offered = 4_000_000;
        past(&mut pacer);
        pacer.begin();
        // Half a second: less than half of the time since, however long that is.
        assert_eq!(pacer.rate, 8e6);
        past(&mut pacer);
        pacer.begin();
        assert_eq!(pacer.rate, pacer.safe_rate);
    }
}
