//! The backend: walks what changed since the last delivery and sends it.

use crate::connection::Connection;
use crate::dialect::Dialect;
use crate::encoder::Encoder;
use crate::names::Names;
use crate::packer::{Memory, Packer};
use crate::settings::Settings;
use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, Wants};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// How long a flush tries a server that does not take what it is sent.
const FLUSH_PATIENCE: Duration = Duration::from_millis(400);

/// The statsd backend. Counters travel as changes, gauges as values, timers value by value.
pub struct Statsd {
    dialect: Dialect,
    max_datagram: usize,
    connection: Connection,
    names: Names,
    encoder: Encoder,
    memory: Memory,
}

impl Statsd {
    /// A backend of these settings. A host that cannot be looked up, or that does not answer, is no error: it is tried again at each
    /// interval, and what could not be sent stays pending.
    #[must_use]
    pub fn new(settings: Settings) -> Statsd {
        // Here, because the field can be set by itself.
        let max_datagram = settings.max_datagram.clamp(64, 65_507);
        Statsd {
            dialect: settings.dialect,
            max_datagram,
            connection: Connection::new(settings.transport, settings.resolve_interval, settings.lookup, max_datagram),
            names: Names::new(settings.dialect),
            encoder: Encoder::default(),
            memory: Memory::default(),
        }
    }

    /// What was handed over, and why not all of it, if so.
    fn deliver(&mut self, view: &SnapshotView<'_>, until: Instant) -> (Delivery, Option<BackendError>) {
        self.connection.begin();
        self.names.begin(view.naming());
        let mut packer = Packer::new(view, &mut self.connection, self.max_datagram, until, &mut self.memory);
        for delta in view.deltas() {
            if packer.is_stopped() {
                break;
            }
            match self.names.get(delta.series) {
                Ok(name) => self.encoder.encode(self.dialect, name, &delta, &mut packer),
                Err(cause) => view.delta_dropped(&delta, cause),
            }
        }
        packer.finish()
    }
}

impl Backend for Statsd {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let (delivery, error) = self.deliver(view, Instant::now() + Duration::from_secs(1));
        error.map_or(Ok(delivery), |error| Err(error.after(delivery)))
    }

    fn wants(&self) -> Wants {
        Wants::SINGLES
    }

    /// Tries again what the delivery before could not send: for a moment only, because a program that ends should not wait for a
    /// server that is away. The first answer of the name server is waited for until the deadline.
    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        self.connection.wait_resolved(deadline);
        // The last attempt begins while there is time for its probe.
        let margin = Duration::from_millis(50);
        let deadline = deadline.min(Instant::now() + FLUSH_PATIENCE);
        let mut all = Delivery::default();
        loop {
            if view.deltas().next().is_none() {
                return Ok(all);
            }
            let (delivery, error) = self.deliver(view, deadline);
            all.packets += delivery.packets;
            all.bytes += delivery.bytes;
            match error {
                None => return Ok(all),
                Some(error) if Instant::now() + margin >= deadline => return Err(error.after(all)),
                Some(_) => thread::sleep(margin / 2),
            }
        }
    }
}

impl fmt::Debug for Statsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statsd").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}
