//! The remote write backend: Prometheus' remote write, which Prometheus, Mimir, Thanos, Cortex and VictoriaMetrics take: 2.0 where the
//! receiver takes it, and else 1.0.
//!
//! ```no_run
//! # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_remote_write as remote_write; }
//! use ferrometer::remote_write::{Auth, RemoteWrite, Settings};
//! use std::time::Duration;
//!
//! let settings = Settings::new("https://mimir.example/api/v1/push").auth(Auth::Bearer("s3cr3t".into()));
//! ferrometer::install("remote-write", Box::new(RemoteWrite::new(settings)?), Duration::from_secs(15)).unwrap();
//! # Ok::<(), ferrometer_remote_write::Invalid>(())
//! ```
//!
//! Series have the names that a scrape of this program shows: a counter `x` is `x_total`, and `x_decrements_total` once there were any; a timer is `x_seconds`,
//! as `_bucket`, `_sum` and `_count` or as a native histogram. Every series is sent at each interval, as a scrape would see it, so an interval should be
//! shorter than the five minutes after which Prometheus takes a series for gone. The last delivery ends with stale markers, so that
//! series of a program that ended end too. What families are (type, help, unit) is told once a minute in 1.0; in 2.0 it is part of each series, with
//! the moment since when it counts.

#![deny(missing_docs)]

mod carrier;
mod convert;
mod exporter;
mod families;
mod fields;
mod labels;
mod message;
mod names;
mod request_v2;
mod settings;
mod symbols;
mod writer;

pub use ferrometer_push::{Invalid, Preview, Secret};
pub use settings::{Auth, Histograms, Settings, Version};

use carrier::Requests;
use exporter::SeriesWriter;
use families::Families;
use ferrometer_push::{Http, Pusher, Spool, Verdict, moment};
use std::fmt;

/// The remote write backend.
pub struct RemoteWrite(Pusher<SeriesWriter, Requests>);

impl RemoteWrite {
    /// Makes a backend. A server that is away is no error: it is tried again, and gets the totals of then.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: Settings) -> Result<RemoteWrite, Invalid> {
        let http = Http::new(&settings.http()?)?;
        let open = |path| Spool::open(path, "remote-write", settings.spool_max_bytes);
        let spool = settings.spool.as_deref().map(open).transpose()?;
        let families = Families::default();
        let requests = Requests::new(http, settings.version, families.clone());
        Ok(RemoteWrite(Pusher::new(SeriesWriter::new(&settings, families), requests).spool(spool)))
    }

    /// Tests whether the server can be reached and takes the headers, by a request without series.
    ///
    /// # Errors
    /// Why it cannot, with the server's status and words.
    pub fn test_connection(settings: &Settings) -> Result<(), String> {
        let http = settings.http().and_then(|http| Http::new(&http)).map_err(|error| error.to_string())?;
        let mut requests = Requests::new(http, settings.version, Families::default());
        match requests.try_empty(moment::within(settings.timeout)) {
            Verdict::Accepted => Ok(()),
            Verdict::Later { reason, .. } | Verdict::Refused { reason, .. } | Verdict::TooLarge { reason } => {
                Err(reason)
            }
        }
    }
}

ferrometer_push::delegate!(RemoteWrite);

impl fmt::Debug for RemoteWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteWrite").field(self.0.carrier().http()).finish()
    }
}
