//! Statsd lines into the metrics of one resource, named `key|type` as gnocchi-statsd names them.
//!
//! | type | measure |
//! |---|---|
//! | `c`, `m` | the sum of values divided by their rates, one for each flush |
//! | `g` | the last value, one for each flush; `+1` and `-1` change it |
//! | `ms`, `h`, `d` | every value, at the time it came, under `key\|ms`; or percentiles of each flush ([`StatsdTimers`]) |
//! | `s` | how many different members there were, one for each flush |
//!
//! A line of DogStatsD that tells its moment (`|T1656581400`) is a measure of that moment.
//!
//! [`StatsdSettings::exact`] makes it do what gnocchi-statsd does: signs of gauges are those of the value, of timers the last value of a flush is
//! kept alone, rates are for counters alone, other types and sets are unknown, and a line that it cannot read ends its datagram.
//!
//! | file | idea |
//! |---|---|
//! | `settings`, `counts`, `accounts` | what a daemon is made of, and its account |
//! | `line`, `gathered` | what a line means, and what came since the last flush |
//! | `place` | metrics, found or made |
//! | `listen` | what the sockets hear, and when it is flushed |

mod accounts;
mod counts;
mod gathered;
mod line;
mod listen;
mod place;
mod settings;

pub use accounts::StatsdAccounts;
pub use counts::{StatsdCause, StatsdCounts};
pub use ferrometer_statsd_input::Socket as StatsdSocket;
pub use listen::Listening;
pub use settings::{StatsdSettings, StatsdTags, StatsdTimers};

use counts::Account;
use ferrometer_archive::{Archive, Error, Nanos};
use ferrometer_statsd_input::Line;
use gathered::{Gathered, Measures};
use place::{Ids, place};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

#[derive(Default)]
struct State {
    gathered: Gathered,
    account: Account,
    ids: Ids,
    /// When they were last looked for.
    ids_since: Option<Instant>,
}

/// How long ids are believed: a metric that was removed is made again after that.
const IDS: Duration = Duration::from_secs(60);

impl State {
    fn take_datagram(&mut self, datagram: &[u8], at: Nanos, settings: &StatsdSettings) {
        if !settings.exact {
            return self.take_lines(datagram, at, settings);
        }
        let Ok(text) = std::str::from_utf8(datagram) else {
            return self.account.dropped(StatsdCause::Encoding, datagram);
        };
        let mut lines = text.split('\n').filter(|line| !line.is_empty());
        while let Some(text) = lines.next() {
            match self.take(text, at, settings) {
                Ok(()) => self.account.counts.taken += 1,
                Err(cause) => {
                    self.account.dropped(cause, text.as_bytes());
                    if cause == StatsdCause::Fatal {
                        lines.by_ref().for_each(|line| self.account.dropped(StatsdCause::Behind, line.as_bytes()));
                    }
                }
            }
        }
    }

    /// Takes lines, each for itself.
    fn take_lines(&mut self, lines: &[u8], at: Nanos, settings: &StatsdSettings) {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace)) {
            let text = std::str::from_utf8(line).map(str::trim).map_err(|_| StatsdCause::Encoding);
            match text.and_then(|text| self.take(text, at, settings)) {
                Ok(()) => self.account.counts.taken += 1,
                Err(cause) => self.account.dropped(cause, line),
            }
        }
    }

    fn take(&mut self, text: &str, at: Nanos, settings: &StatsdSettings) -> Result<(), StatsdCause> {
        if settings.exact {
            let (head, piece) = line::read_exactly(text)?;
            return self.gathered.take(&head, std::iter::once(piece), at, settings);
        }
        let line = Line::parse(text)?;
        line.samples().try_for_each(|sample| line::piece(sample).map(drop))?;
        let head = line::Head::of(&line, settings.tags == StatsdTags::InName);
        self.gathered.take(&head, line.samples().filter_map(|sample| line::piece(sample).ok()), at, settings)
    }
}

/// Statsd lines on their way into an archive.
pub struct Statsd {
    archive: Arc<Archive>,
    settings: StatsdSettings,
    state: Mutex<State>,
}

impl Statsd {
    /// Returns a daemon that hears nothing yet.
    pub fn new(archive: Arc<Archive>, settings: StatsdSettings) -> Statsd {
        Statsd { archive, settings, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a datagram: lines, of which each stands for itself.
    pub fn receive(&self, datagram: &[u8], at: Nanos) {
        let mut state = self.state();
        state.take_datagram(datagram, at, &self.settings);
        self.relieve(state);
    }

    /// Hands what has come to the archive.
    ///
    /// # Errors
    /// Those of the archive; then the measures of this flush are counted as refused.
    pub fn flush(&self, at: Nanos) -> Result<(), Error> {
        let mut state = self.state();
        let measures = state.gathered.flush(at, &self.settings);
        self.hand_over(state, measures)
    }

    /// Hands values of timers over before the flush, when there are very many.
    fn relieve(&self, mut state: MutexGuard<'_, State>) {
        if state.gathered.is_crowded(&self.settings) {
            let measures = state.gathered.timed();
            if let Err(error) = self.hand_over(state, measures) {
                tracing::warn!(%error, "the archive did not take the values of statsd timers");
            }
        }
    }

    fn hand_over(&self, mut state: MutexGuard<'_, State>, measures: Measures) -> Result<(), Error> {
        if measures.is_empty() {
            return Ok(());
        }
        let count: u64 = measures.iter().map(|(_, points)| points.len() as u64).sum();
        let mut ids = std::mem::take(&mut state.ids);
        if state.ids_since.is_none_or(|since| since.elapsed() > IDS) {
            state.ids_since = Some(Instant::now());
            ids.clear();
        }
        // Lines that come meanwhile do not wait for the disk.
        drop(state);
        let mut lost = 0;
        let batch = place(&self.archive, &self.settings, measures, &mut ids, &mut lost);
        let result = batch.and_then(|batch| self.archive.append(batch));
        let mut state = self.state();
        // After an error the metrics are looked for again: one may have been removed.
        state.ids = if result.is_ok() { ids } else { Ids::new() };
        state.account.counts.refused += if result.is_err() { count } else { lost };
        result
    }

    pub(crate) fn resource(&self) -> Uuid {
        self.settings.resource
    }

    /// Returns the account.
    pub fn counts(&self) -> StatsdCounts {
        self.state().account.counts
    }

    /// Hears a UDP socket until the guard is dropped, which flushes.
    ///
    /// # Errors
    /// [`Error::Io`] when the socket or a thread refuses.
    pub fn listen(self: Arc<Self>, socket: UdpSocket) -> Result<Listening, Error> {
        self.listen_to(vec![StatsdSocket::Udp(socket)])
    }

    /// Hears sockets until the guard is dropped, which flushes.
    ///
    /// # Errors
    /// [`Error::Io`] when a socket or a thread refuses.
    pub fn listen_to(self: Arc<Self>, sockets: Vec<StatsdSocket>) -> Result<Listening, Error> {
        listen::listen(self, sockets)
    }
}
