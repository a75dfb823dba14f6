//! A backend that pushes: one [`Exporter`], which writes, and one [`Carrier`], which sends, under the one rule of when to try again.

use crate::packed::{Limit, Memory};
use crate::packer::{Carrier, Packer};
use crate::patience::Patience;
use crate::spool::Spool;
use crate::verdict::{Extent, Verdict};
use ferrometer_core::{Backend, BackendError, Delivery, Preview, SnapshotView, warn};
use std::thread;
use std::time::{Duration, Instant};

/// Writes what a format says of a snapshot.
pub trait Exporter: Send + 'static {
    /// How large a body may be.
    fn limit(&self) -> Limit;

    /// Writes every instrument as pieces.
    fn write(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>);

    /// Called after a delivery: `memory` says what became of each series.
    fn written(&mut self, view: &SnapshotView<'_>, memory: &Memory) {
        let _ = (view, memory);
    }

    /// Writes what a server is to be told when nothing more will come. Such pieces have no owners.
    fn farewell(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>) {
        let _ = (view, packer);
    }
}

/// The longest that one delivery at an interval may take.
const WHOLE: Duration = Duration::from_secs(60);
/// How long a flush tries a server that does not answer.
const FLUSH_PATIENCE: Duration = Duration::from_millis(400);
/// Between two attempts of a flush.
const NAP: Duration = Duration::from_millis(50);

/// A backend of an exporter and a carrier.
pub struct Pusher<E, C> {
    exporter: E,
    carrier: C,
    memory: Memory,
    patience: Patience,
    spool: Option<Spool>,
    /// The line of the log that was last given as an error, and when: the server's words differ, and one line a minute is enough.
    told: Option<(String, Instant)>,
}

impl<E, C> std::fmt::Debug for Pusher<E, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pusher").finish_non_exhaustive()
    }
}

impl<E: Exporter, C: Carrier + Send + 'static> Pusher<E, C> {
    /// Puts the two together.
    #[must_use]
    pub fn new(exporter: E, carrier: C) -> Pusher<E, C> {
        Pusher { exporter, carrier, memory: Memory::default(), patience: Patience::default(), spool: None, told: None }
    }

    /// Keeps what the server misses in a spool, and delivers it in order when the server is back.
    #[must_use]
    pub fn spool(mut self, spool: Option<Spool>) -> Pusher<E, C> {
        self.spool = spool;
        self
    }

    /// The exporter.
    #[must_use]
    pub fn exporter(&self) -> &E {
        &self.exporter
    }

    /// The carrier.
    #[must_use]
    pub fn carrier(&self) -> &C {
        &self.carrier
    }

    /// The bodies that the next delivery would send, without sending anything or changing the account.
    pub fn preview(&mut self, view: &SnapshotView<'_>) -> Vec<Preview> {
        let mut shown = Vec::new();
        let limit = self.exporter.limit();
        let until = Instant::now();
        let mut packer = Packer::new(view, &mut self.carrier, &mut self.memory, Some(&mut shown), limit, until);
        self.exporter.write(view, &mut packer);
        packer.finish();
        shown
    }

    /// One attempt at a delivery; whether another may make a difference.
    ///
    /// With a spool, what is in it goes first, and so does this delivery if `keeps`: while a part of it is left, the delivery goes there too.
    fn deliver(
        &mut self,
        view: &SnapshotView<'_>,
        until: Instant,
        keeps: bool,
    ) -> (Delivery, Option<BackendError>, bool) {
        let limit = self.exporter.limit();
        let (earlier, away) = self.drain(until);
        if let (Some((reason, after)), false) = (&away, keeps) {
            self.patience.failed(Instant::now(), *after, reason);
            let error = BackendError::new(format!("{reason}; kept for the next interval")).with_delivery(earlier);
            return (earlier, Some(self.told_once(error, earlier)), true);
        }
        if away.is_none() {
            self.carrier.begin(until);
        }
        let mut packer = Packer::new(view, &mut self.carrier, &mut self.memory, None, limit, until);
        packer.spool(self.spool.as_mut().filter(|_| keeps), away.map(|(reason, _)| reason));
        self.exporter.write(view, &mut packer);
        let mut ended = packer.finish();
        ended.delivery.packets += earlier.packets;
        ended.delivery.bytes += earlier.bytes;
        self.exporter.written(view, &self.memory);
        match &ended.later {
            Some((reason, after)) => self.patience.failed(Instant::now(), *after, reason),
            None => self.patience.answered(),
        }
        let error = ended.error().map(|error| self.told_once(error, ended.delivery));
        (ended.delivery, error, ended.later.is_some())
    }

    /// Sends what is in the spool, the oldest first; and why not all of it, if so.
    fn drain(&mut self, until: Instant) -> (Delivery, Option<(String, Option<Duration>)>) {
        let mut sent = Delivery::default();
        let Some(spool) = &mut self.spool else { return (sent, None) };
        loop {
            let body = match spool.oldest() {
                Ok(Some(body)) => body,
                Ok(None) => return (sent, None),
                Err(reason) => return (sent, Some((reason, None))),
            };
            if Instant::now() >= until {
                return (sent, Some(("no time is left".to_owned(), None)));
            }
            match self.carrier.send(&body.bytes, body.is_compressed, body.points, until) {
                Verdict::Accepted => {
                    sent.packets += 1;
                    sent.bytes += body.bytes.len() as u64;
                }
                Verdict::Later { reason, after } => return (sent, Some((reason, after))),
                // A wrong token, say: when it is mended the server takes what was kept.
                Verdict::Refused { reason, extent: Extent::All } => return (sent, Some((reason, None))),
                Verdict::Refused { reason, .. } | Verdict::TooLarge { reason } => {
                    warn("spooled body refused", &format!("a body of the spool is given up: {reason}"));
                }
            }
            spool.remove_oldest();
        }
    }

    /// Keeps what would be sent while the server is not to be tried.
    fn keep(&mut self, view: &SnapshotView<'_>, reason: &str, until: Instant) {
        let limit = self.exporter.limit();
        let mut packer = Packer::new(view, &mut self.carrier, &mut self.memory, None, limit, until);
        packer.spool(self.spool.as_mut(), Some(reason.to_owned()));
        self.exporter.write(view, &mut packer);
        packer.finish();
        self.exporter.written(view, &self.memory);
    }

    /// The error, in the words of the one before within a minute: the core writes one line a minute for the same words.
    fn told_once(&mut self, error: BackendError, delivery: Delivery) -> BackendError {
        let now = Instant::now();
        match &self.told {
            Some((words, when)) if now.saturating_duration_since(*when) < Duration::from_secs(60) => {
                BackendError::new(words.clone()).with_delivery(delivery)
            }
            _ => {
                self.told = Some((error.to_string(), now));
                error
            }
        }
    }

    fn say_farewell(&mut self, view: &SnapshotView<'_>, until: Instant) -> (Delivery, Option<BackendError>) {
        let limit = self.exporter.limit();
        let mut packer = Packer::new(view, &mut self.carrier, &mut self.memory, None, limit, until);
        self.exporter.farewell(view, &mut packer);
        let ended = packer.finish();
        (ended.delivery, ended.error())
    }
}

impl<E: Exporter, C: Carrier + Send + 'static> Backend for Pusher<E, C> {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let now = Instant::now();
        if let Some((reason, _)) = self.patience.waits(now) {
            let reason = reason.to_owned();
            if self.spool.is_some() {
                self.keep(view, &reason, now + WHOLE);
            }
            let error = BackendError::new(format!("{reason}; kept for the next interval"));
            return Err(self.told_once(error, Delivery::default()));
        }
        let (delivery, error, _) = self.deliver(view, now + WHOLE, true);
        error.map_or(Ok(delivery), Err)
    }

    fn preview(&mut self, view: &SnapshotView<'_>) -> Option<Vec<Preview>> {
        Some(Pusher::preview(self, view))
    }

    /// Tries again what the delivery before could not send, for a moment only, because a program that ends should not wait for a server
    /// that is away; and, before a removal, tells the server that nothing more will come.
    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        let begun = Instant::now();
        let (mut all, mut trouble) = (Delivery::default(), None);
        let until = deadline.min(begun + FLUSH_PATIENCE);
        while view.deltas().next().is_some() {
            let at = self.patience.flush_at(Instant::now());
            let is_asked = at > Instant::now();
            if at >= deadline {
                let reason = self.patience.waits(Instant::now()).map(|(reason, _)| reason).unwrap_or_default();
                trouble = Some(BackendError::new(format!("{reason}; kept for the next interval")));
                break;
            }
            thread::sleep(at.saturating_duration_since(Instant::now()));
            let (delivery, error, may_succeed) = self.deliver(view, deadline, false);
            all.packets += delivery.packets;
            all.bytes += delivery.bytes;
            trouble = error;
            let has_time = Instant::now() + NAP < until || is_asked;
            if trouble.is_none() || !may_succeed || !has_time {
                break;
            }
            thread::sleep(NAP);
        }
        if view.is_last() && self.patience.waits(Instant::now()).is_none() {
            let (delivery, error) = self.say_farewell(view, deadline);
            all.packets += delivery.packets;
            all.bytes += delivery.bytes;
            trouble = trouble.or(error);
        }
        trouble.map_or(Ok(all), |error| Err(error.with_delivery(all)))
    }
}
