//! A daemon at work: what its sockets hear is gathered, and a thread flushes it.

use super::Statsd;
use super::counts::StatsdCause;
use ferrometer_archive::time::now;
use ferrometer_archive::{Error, Nanos};
use ferrometer_statsd_input::{Datagrams, Hears, Limits, Peer, Socket, listen as hear};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest that the thread does not look whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

impl Hears for Statsd {
    fn datagrams(&self, datagrams: &Datagrams) {
        let (at, mut state) = (nanos(datagrams.at()), self.state());
        datagrams.iter().for_each(|(_, bytes)| state.take_datagram(bytes, at, &self.settings));
        self.relieve(state);
    }

    fn lines(&self, _: Peer, at: SystemTime, lines: &[u8]) {
        let mut state = self.state();
        state.take_lines(lines, nanos(at), &self.settings);
        self.relieve(state);
    }

    fn too_long(&self, _: Peer, beginning: &[u8]) {
        self.state().account.dropped(StatsdCause::Long, beginning);
    }

    fn refused(&self, _: Peer) {
        self.state().account.counts.connections_refused += 1;
    }

    fn lost(&self, datagrams: u64) {
        self.state().account.lost(datagrams);
    }
}

fn nanos(at: SystemTime) -> Nanos {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX))
}

/// A daemon that hears its sockets; dropping it ends that, and flushes.
#[derive(Debug)]
#[must_use = "the sockets are heard until this is dropped"]
pub struct Listening {
    sockets: Option<ferrometer_statsd_input::Listening>,
    /// Ends behind the sockets, and flushes what they heard.
    flusher: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Listening {
    /// Returns the smallest buffer in bytes that the system gave a socket for datagrams, of [`StatsdSettings::buffer`](crate::StatsdSettings::buffer) that
    /// were asked for; none without such a socket.
    #[must_use]
    pub fn buffer(&self) -> Option<usize> {
        self.sockets.as_ref().and_then(ferrometer_statsd_input::Listening::buffer)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.sockets = None;
        if let Some((ended, thread)) = self.flusher.take() {
            ended.store(true, Ordering::Relaxed);
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Hears sockets until the guard is dropped.
pub(super) fn listen(statsd: Arc<Statsd>, sockets: Vec<Socket>) -> Result<Listening, Error> {
    let mut limits = Limits::default();
    (limits.connections, limits.buffer) = (statsd.settings.connections, statsd.settings.buffer);
    let heard = hear(sockets, Arc::<Statsd>::clone(&statsd), limits)?;
    if let Some(given) = heard.buffer().filter(|given| *given < limits.buffer) {
        let asked = limits.buffer;
        tracing::info!(
            asked,
            given,
            "the system keeps fewer bytes of statsd datagrams than asked; on Linux, net.core.rmem_max allows more"
        );
    }
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    let thread = ferrometer_threads::spawn("statsd-flush", move || flushes(&statsd, &end))?;
    Ok(Listening { sockets: Some(heard), flusher: Some((ended, thread)) })
}

fn flushes(statsd: &Statsd, ended: &AtomicBool) {
    let mut flushed = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        let next = flushed + statsd.settings.flush;
        thread::park_timeout(next.saturating_duration_since(Instant::now()).min(LOOK));
        if Instant::now() >= next {
            flushed = Instant::now();
            flush(statsd);
        }
    }
    flush(statsd);
    statsd.give_up();
}

fn flush(statsd: &Statsd) {
    if let Err(error) = statsd.flush(now()) {
        tracing::warn!(%error, "the archive did not take the measures of a statsd flush; they are tried again");
    }
}
