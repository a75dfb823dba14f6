//! The Graphite backend: every instrument as lines `name value seconds`, over UDP or TCP.
//!
//! ```no_run
//! # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_graphite as graphite; }
//! use ferrometer::graphite::{Graphite, Settings};
//! use std::time::Duration;
//!
//! let backend = Graphite::new(Settings::new("localhost").path("prod.web"))?;
//! ferrometer::install("graphite", Box::new(backend), Duration::from_secs(10)).unwrap();
//! # Ok::<(), ferrometer_graphite::Invalid>(())
//! ```
//!
//! Totals travel at each interval: a counter as what it has come to (its decrements, once there are any, as `name.decrements`), a gauge as its value, a timer
//! or histogram as `name.count` and `name.sum`, which only grow, and `name.p50`, `.p95`, `.p99` and `.max` of what was recorded since. Timers are in milliseconds.
//! Neither UDP nor Graphite's TCP answers, so *sent* is what the system took.

#![deny(missing_docs)]

mod lines;
mod settings;

pub use ferrometer_push::{Destinations, Invalid, Preview, Proto};
pub use settings::Settings;

use ferrometer_push::{Limit, Pusher, Socket};
use lines::Lines;
use std::fmt;

/// How much is written to a stream at once.
const TCP_BYTES: usize = 56_000;

/// The Graphite backend.
pub struct Graphite(Pusher<Lines, Socket>);

impl Graphite {
    /// Makes a backend. A server that is away, or whose name is not known, is no error: it is tried again, and what it missed is in the next
    /// delivery.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: Settings) -> Result<Graphite, Invalid> {
        let socket = settings.check()?;
        let bytes = if settings.proto == Proto::Udp { settings.mtu - 50 } else { TCP_BYTES };
        let lines = Lines::new(settings.path, settings.tags, Limit::bytes(bytes));
        Ok(Graphite(Pusher::new(lines, Socket::new(socket))))
    }

    /// Tests whether the server can be reached: over TCP by a connection, over UDP by looking its name up, which is all that can be known.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn test_connection(settings: &Settings) -> Result<(), String> {
        let socket = settings.check().map_err(|error| error.to_string())?;
        Socket::new(socket).test()
    }
}

ferrometer_push::delegate!(Graphite);

impl fmt::Debug for Graphite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Graphite").field(self.0.carrier()).finish()
    }
}
