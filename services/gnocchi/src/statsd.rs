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
//! | `kept` | measures that the archive did not take yet |
//! | `listen` | what the sockets hear, and when it is flushed |

mod accounts;
mod counts;
mod gathered;
mod kept;
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
use kept::Kept;
use place::{Ids, place};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

#[derive(Default)]
struct State {
    gathered: Gathered,
    /// Measures that wait for the archive.
    kept: Kept,
    /// How many of them are on their way to the archive, and not among `kept`.
    handed: u64,
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
    /// One hands over at a time, so that what came earlier goes earlier.
    handing: Mutex<()>,
}

impl std::fmt::Debug for Statsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statsd").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Statsd {
    /// Returns a daemon that hears nothing yet.
    pub fn new(archive: Arc<Archive>, settings: StatsdSettings) -> Statsd {
        Statsd { archive, settings, state: Mutex::default(), handing: Mutex::default() }
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

    /// Hands what has come to the archive, behind what earlier flushes could not hand over.
    ///
    /// # Errors
    /// Those of the archive; then the measures are kept for the next flush, as far as there is room. Measures that have none, and those that
    /// the archive takes at no time, are counted as refused.
    pub fn flush(&self, at: Nanos) -> Result<(), Error> {
        let _one = self.handing.lock().unwrap_or_else(PoisonError::into_inner);
        let measures = self.state().gathered.flush(at, &self.settings);
        self.hand_over(measures)
    }

    /// Hands values of timers over before the flush, when there are very many.
    fn relieve(&self, state: MutexGuard<'_, State>) {
        if !state.gathered.is_crowded(&self.settings) {
            return;
        }
        drop(state);
        let _one = self.handing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        // Another thread may have been here.
        if state.gathered.is_crowded(&self.settings) {
            let measures = state.gathered.timed();
            drop(state);
            if let Err(error) = self.hand_over(measures) {
                tracing::warn!(%error, "the archive did not take the values of statsd timers; they are tried again");
            }
        }
    }

    /// Hands over what is kept, then these; what the archive does not take is kept.
    fn hand_over(&self, measures: Measures) -> Result<(), Error> {
        let (mut waiting, mut ids) = {
            let mut state = self.state();
            let refused = state.kept.add(measures);
            state.account.counts.refused += refused;
            if state.ids_since.is_none_or(|since| since.elapsed() > IDS) {
                state.ids_since = Some(Instant::now());
                state.ids.clear();
            }
            state.handed = state.kept.count();
            (std::mem::take(&mut state.kept), std::mem::take(&mut state.ids))
        };
        // Lines that come meanwhile do not wait for the disk.
        let (mut refused, mut result) = (0, Ok(()));
        while let Some(measures) = waiting.first() {
            let mut lost = 0;
            let batch = place(&self.archive, &self.settings, measures, &mut ids, &mut lost);
            match batch.and_then(|batch| self.archive.append(batch)) {
                Ok(()) => refused += lost,
                // These would be refused each time.
                Err(error @ Error::Invalid(_)) => {
                    refused += kept::count(measures);
                    result = Err(error);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            let _ = waiting.take_first();
            self.state().handed = waiting.count();
        }
        let mut state = self.state();
        (state.kept, state.handed) = (waiting, 0);
        // After an error the metrics are looked for again: one may have been removed.
        state.ids = if result.is_ok() { ids } else { Ids::new() };
        state.account.counts.refused += refused;
        result
    }

    /// Counts what still waits as refused: nobody is there any more who would try it again.
    fn give_up(&self) {
        let mut state = self.state();
        let lost = std::mem::take(&mut state.kept).count();
        state.account.counts.refused += lost;
        if lost > 0 {
            tracing::warn!(lost, "the archive did not take the last statsd measures until the end");
        }
    }

    pub(crate) fn resource(&self) -> Uuid {
        self.settings.resource
    }

    /// Returns the account.
    pub fn counts(&self) -> StatsdCounts {
        let state = self.state();
        let mut counts = state.account.counts;
        counts.waiting = state.kept.count() + state.handed;
        counts
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
