//! The backend: walks what changed since the last delivery and sends it.

use crate::batch::{Batch, Memory};
use crate::dialect::Dialect;
use crate::encoder::Encoder;
use crate::names::Names;
use crate::resolver::{self, Lookup};
use crate::transport::Wire;
use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, Wants};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How lines travel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// UDP, over IPv4 or IPv6.
    Udp {
        /// A name or an address.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// A Unix datagram socket.
    Unix {
        /// Where the server's socket is.
        path: PathBuf,
    },
    /// TCP; every line ends with a newline.
    Tcp {
        /// A name or an address.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
}

/// What a [`Statsd`] is made of.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Where and how to send.
    pub transport: Transport,
    /// Which server is spoken to. Default: [`Dialect::Etsy`].
    pub dialect: Dialect,
    /// The largest datagram, in bytes of payload: 64 to 65,507, others are brought to the nearest. Default 1432: what an Ethernet frame
    /// carries.
    pub max_datagram: usize,
    /// How often the host's name is looked up again. Default 30 s.
    pub resolve_interval: Duration,
    lookup: Lookup,
}

impl Settings {
    /// The defaults, over this transport.
    #[must_use]
    pub fn new(transport: Transport) -> Settings {
        Settings {
            transport,
            dialect: Dialect::default(),
            max_datagram: 1432,
            resolve_interval: Duration::from_secs(30),
            lookup: resolver::system(),
        }
    }

    /// The defaults, over UDP.
    #[must_use]
    pub fn udp(host: impl Into<String>, port: u16) -> Settings {
        Settings::new(Transport::Udp { host: host.into(), port })
    }

    /// The same, for another server.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Settings {
        self.dialect = dialect;
        self
    }

    /// The same, with another largest datagram, in bytes: 64 to 65,507, the most UDP carries; others are brought to the nearest.
    #[must_use]
    pub fn max_datagram(mut self, bytes: usize) -> Settings {
        self.max_datagram = bytes;
        self
    }

    /// The same, looked up again at another interval.
    #[must_use]
    pub fn resolve_interval(mut self, interval: Duration) -> Settings {
        self.resolve_interval = interval;
        self
    }

    /// The same, with a resolver of the program's own instead of the system's. It is called on a thread of its own.
    #[must_use]
    pub fn lookup(
        mut self,
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Settings {
        self.lookup = Arc::new(lookup);
        self
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("transport", &self.transport)
            .field("dialect", &self.dialect)
            .field("max_datagram", &self.max_datagram)
            .field("resolve_interval", &self.resolve_interval)
            .finish_non_exhaustive()
    }
}

/// How long a flush tries a server that does not take what it is sent.
const FLUSH_PATIENCE: Duration = Duration::from_millis(400);

/// The statsd backend. Counters travel as changes, gauges as values, timers value by value.
pub struct Statsd {
    dialect: Dialect,
    max_datagram: usize,
    wire: Wire,
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
            wire: Wire::new(settings.transport, settings.resolve_interval, settings.lookup, max_datagram),
            names: Names::new(settings.dialect),
            encoder: Encoder::default(),
            memory: Memory::default(),
        }
    }

    /// What was handed over, and why not all of it, if so.
    fn deliver(&mut self, view: &SnapshotView<'_>, until: Instant) -> (Delivery, Option<BackendError>) {
        self.wire.begin();
        self.names.begin(view.naming());
        let mut batch = Batch::new(view, &mut self.wire, self.max_datagram, until, &mut self.memory);
        for delta in view.deltas() {
            if batch.is_stopped() {
                break;
            }
            match self.names.get(delta.series) {
                Ok(name) => self.encoder.encode(self.dialect, name, &delta, &mut batch),
                Err(cause) => view.delta_dropped(&delta, cause),
            }
        }
        batch.finish()
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
        self.wire.wait_resolved(deadline);
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
