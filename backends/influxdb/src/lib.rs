//! The InfluxDB backend: every instrument as a line of the line protocol, over UDP or HTTP.
//!
//! ```no_run
//! # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_influxdb as influxdb; }
//! use ferrometer::influxdb::{InfluxDb, Protocol, Settings};
//! use std::time::Duration;
//!
//! let settings = Settings::new("localhost", 8086).protocol(Protocol::Http).bucket("org", "metrics").token("s3cr3t");
//! ferrometer::install("influxdb", Box::new(InfluxDb::new(settings)?), Duration::from_secs(10)).unwrap();
//! # Ok::<(), ferrometer_influxdb::Invalid>(())
//! ```
//!
//! The measurement is the instrument's full name, the tags are its labels, and the fields:
//!
//! | kind | fields |
//! |---|---|
//! | counter | `value` (an integer, which only grows), and `decrements` once there were any |
//! | gauge | `value` (a float) |
//! | in-flight count | `value` (an integer) |
//! | timer, histogram | `count` (an integer) and `sum`, which only grow; `p50`, `p95`, `p99` and `max` of what was recorded since they were last sent. Timers are in milliseconds |

#![deny(missing_docs)]

mod carrier;
mod lines;
mod settings;

pub use ferrometer_push::{Destinations, Invalid, Preview, Secret};
pub use settings::{Api, Protocol, Settings};

use carrier::Way;
use ferrometer_push::{Http, Limit, Pusher, Socket, Spool, moment};
use lines::Lines;
use std::fmt;

/// The InfluxDB backend.
pub struct InfluxDb(Pusher<Lines, Way>);

impl InfluxDb {
    /// Makes a backend. A server that is away is no error: it is tried again, and what it missed is in the next delivery.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: Settings) -> Result<InfluxDb, Invalid> {
        settings.check()?;
        let (way, bytes) = match settings.influxdbproto {
            Protocol::Udp => (Way::Udp(Socket::new(settings.socket())), settings.mtu - 50),
            Protocol::Http | Protocol::Https => {
                let http = Box::new(Http::new(&settings.http())?);
                (Way::Http { http, gzip: settings.gzip }, settings.max_body_size)
            }
        };
        let mut spool = None;
        if let Some(path) = &settings.spool {
            if settings.influxdbproto == Protocol::Udp {
                let found = path.display().to_string();
                return Err(Invalid::new("spool", found, "none over UDP, where nobody knows what a server missed"));
            }
            spool = Some(Spool::open(path, "influx", settings.spool_max_bytes)?);
        }
        Ok(InfluxDb(Pusher::new(Lines::new(Limit::bytes(bytes)), way).spool(spool)))
    }

    /// Tests whether the server can be reached: over HTTP by asking for its health with the token, over UDP by looking its name up, which is all
    /// that can be known.
    ///
    /// # Errors
    /// Why it cannot, with the server's status and words.
    pub fn test_connection(settings: &Settings) -> Result<(), String> {
        settings.check().map_err(|error| error.to_string())?;
        if settings.influxdbproto == Protocol::Udp {
            return Socket::new(settings.socket()).test();
        }
        let http = Http::new(&settings.http()).map_err(|error| error.to_string())?;
        let url = settings.health_url();
        let reply = http.get(&url, moment::within(settings.timeout))?;
        if (200..300).contains(&reply.status) {
            return Ok(());
        }
        Err(format!("{url} answers {}: {}", reply.status, http.words(&reply.body)))
    }
}

ferrometer_push::delegate!(InfluxDb);

impl fmt::Debug for InfluxDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InfluxDb").field(self.0.carrier()).finish()
    }
}
