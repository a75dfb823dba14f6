//! The settings of a backend: where lines go, how they travel, and in the words of which server.

use crate::dialect::Dialect;
use crate::format::{Format, Histograms, Labels, NegativeGauges, Rates, Timers, Values};
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

/// Configuration of the [`Statsd`](crate::Statsd) backend.
///
/// ```
/// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_statsd as statsd; }
/// use ferrometer::statsd::{Dialect, Settings};
/// use std::time::Duration;
///
/// let settings = Settings::udp("collectd.example", 8125).dialect(Dialect::Collectd).state_interval(Duration::from_secs(10));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Where and how to send.
    pub transport: Transport,
    /// The server that is spoken to. Default: [`Dialect::Etsy`].
    pub dialect: Dialect,
    /// Where labels stand. Default: the dialect's.
    pub labels: Option<Labels>,
    /// How several values share a line. Default: the dialect's.
    pub values: Option<Values>,
    /// How a negative gauge is written. Default: the dialect's.
    pub negative_gauges: Option<NegativeGauges>,
    /// The kinds that carry their sample rate. Default: the dialect's.
    pub rates: Option<Rates>,
    /// The type behind a histogram's values. Default: the dialect's.
    pub histograms: Option<Histograms>,
    /// The type behind a timer's values. Default: the dialect's.
    pub timers: Option<Timers>,
    /// Time after which gauges and counts in flight that did not change are sent again, for servers that forget them. Zero: only to a server that was away.
    /// Default 5 s.
    pub state_interval: Duration,
    /// The longest time that the pauses of one delivery over UDP may add up to: a large delivery is spread, so that a receiver with a default
    /// buffer may be late for it. Default 500 ms, of which a program that ends waits once or twice.
    pub spread: Duration,
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
            labels: None,
            values: None,
            negative_gauges: None,
            rates: None,
            histograms: None,
            timers: None,
            state_interval: Duration::from_secs(5),
            spread: Duration::from_millis(500),
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

    /// Sets the server that is spoken to.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Settings {
        self.dialect = dialect;
        self
    }

    /// Sets where labels stand, whatever the dialect says.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Settings {
        self.labels = Some(labels);
        self
    }

    /// Sets how several values share a line, whatever the dialect says.
    #[must_use]
    pub fn values(mut self, values: Values) -> Settings {
        self.values = Some(values);
        self
    }

    /// Sets how a negative gauge is written, whatever the dialect says.
    #[must_use]
    pub fn negative_gauges(mut self, negative_gauges: NegativeGauges) -> Settings {
        self.negative_gauges = Some(negative_gauges);
        self
    }

    /// Sets the kinds that carry their sample rate, whatever the dialect says.
    #[must_use]
    pub fn rates(mut self, rates: Rates) -> Settings {
        self.rates = Some(rates);
        self
    }

    /// Sets the type behind a histogram's values, whatever the dialect says.
    #[must_use]
    pub fn histograms(mut self, histograms: Histograms) -> Settings {
        self.histograms = Some(histograms);
        self
    }

    /// Sets the type behind a timer's values, whatever the dialect says.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_statsd as statsd; }
    /// use ferrometer::statsd::{Dialect, Histograms, Settings, Timers};
    ///
    /// // Datadog computes percentiles of distributions over all hosts.
    /// let settings = Settings::udp("localhost", 8125).dialect(Dialect::DogStatsD).timers(Timers::D).histograms(Histograms::D);
    /// ```
    #[must_use]
    pub fn timers(mut self, timers: Timers) -> Settings {
        self.timers = Some(timers);
        self
    }

    /// Sets the time after which gauges and counts in flight that did not change are sent again; zero: only to a server that was away.
    #[must_use]
    pub fn state_interval(mut self, state_interval: Duration) -> Settings {
        self.state_interval = state_interval;
        self
    }

    /// Sets how long the pauses of one delivery over UDP may be in all.
    #[must_use]
    pub fn spread(mut self, spread: Duration) -> Settings {
        self.spread = spread;
        self
    }

    /// Sets the largest datagram, in bytes: 64 to 65,507, the most UDP carries; others are brought to the nearest.
    #[must_use]
    pub fn max_datagram(mut self, bytes: usize) -> Settings {
        self.max_datagram = bytes;
        self
    }

    /// Sets how often the host's name is looked up again.
    #[must_use]
    pub fn resolve_interval(mut self, interval: Duration) -> Settings {
        self.resolve_interval = interval;
        self
    }

    /// Replaces the system's resolver by one of the program's own. It is called on a thread of its own.
    #[must_use]
    pub fn lookup(
        mut self,
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Settings {
        self.lookup = Arc::new(lookup);
        self
    }
}

impl Settings {
    /// The form of every line: the dialect's, but for what was set by itself.
    pub(crate) fn format(&self) -> Format {
        let format = self.dialect.format();
        Format {
            labels: self.labels.unwrap_or(format.labels),
            values: self.values.unwrap_or(format.values),
            negative_gauges: self.negative_gauges.unwrap_or(format.negative_gauges),
            rates: self.rates.unwrap_or(format.rates),
            histograms: self.histograms.unwrap_or(format.histograms),
            timers: self.timers.unwrap_or(format.timers),
            ..format
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("transport", &self.transport)
            .field("format", &self.format())
            .field("state_interval", &self.state_interval)
            .field("spread", &self.spread)
            .field("max_datagram", &self.max_datagram)
            .field("resolve_interval", &self.resolve_interval)
            .finish_non_exhaustive()
    }
}
