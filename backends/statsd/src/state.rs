//! State that is told again: gauges and counts in flight, for servers that forget what they have not heard lately, or were restarted.
//!
//! A repetition stands outside the account: it was recorded once, and sent once.

use ferrometer_core::{Series, Snapshot, Value};
use std::time::{Duration, Instant};

/// When everything is told again, and what this delivery has told already.
pub(crate) struct State {
    interval: Duration,
    /// When the next round is due; `None` for never.
    due: Option<Instant>,
    /// The delivery before did not get through, or opened another socket: the server may know nothing.
    was_away: bool,
    /// The number of the last socket.
    socket: u64,
    /// Bits, by the series' id.
    told: Vec<u64>,
}

impl State {
    /// `interval` zero: only to a server that was away.
    pub(crate) fn new(interval: Duration) -> State {
        let mut state = State { interval, due: None, was_away: false, socket: 0, told: Vec::new() };
        state.put_off();
        state
    }

    fn put_off(&mut self) {
        self.due = Instant::now().checked_add(self.interval).filter(|_| !self.interval.is_zero());
    }

    /// A delivery begins.
    pub(crate) fn begin(&mut self) {
        self.told.fill(0);
    }

    /// Tells if everything is to be told in this delivery.
    pub(crate) fn is_due(&self) -> bool {
        self.was_away || self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Returns until when there is nothing to tell again; `None` when that is now.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        (!self.was_away).then(|| self.due.unwrap_or_else(|| Instant::now() + A_YEAR))
    }

    /// A series is told by this delivery anyway.
    pub(crate) fn told(&mut self, series: &Series) {
        let id = series.id();
        if self.told.len() <= id / 64 {
            self.told.resize(id / 64 + 1, 0);
        }
        self.told[id / 64] |= 1 << (id % 64);
    }

    /// The gauges and counts in flight that were ever set, with their values, without those that are told, and those that the
    /// configuration has retired.
    pub(crate) fn untold(&self, snapshot: &Snapshot) -> impl Iterator<Item = (&'static Series, f64)> {
        snapshot.totals().iter().filter_map(|total| {
            let id = total.series.id();
            let is_told = self.told.get(id / 64).is_some_and(|bits| bits >> (id % 64) & 1 == 1);
            let value = match total.value {
                Value::Gauge(value) => value,
                Value::InFlight(value) => value as f64,
                _ => return None,
            };
            (total.recordings > 0 && !is_told && !total.series.is_retired()).then_some((total.series, value))
        })
    }

    /// A delivery ends. `stopped`: not all of it was taken. `socket`: the number of the socket that was used last.
    pub(crate) fn end(&mut self, repeated: bool, stopped: bool, socket: u64) {
        let before = std::mem::replace(&mut self.socket, socket);
        self.was_away = stopped || (before != 0 && before != socket);
        if repeated && !stopped {
            self.put_off();
        }
    }
}
