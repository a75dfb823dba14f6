//! The settings of a backend: where lines go, how they travel, and in the words of which server.

use crate::dialect::Dialect;
use crate::resolver::{self, Lookup};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
    pub(crate) lookup: Lookup,
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
