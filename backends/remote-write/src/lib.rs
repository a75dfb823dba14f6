//! The remote write backend: Prometheus' remote write 1.0, which Prometheus, Mimir, Thanos, Cortex and VictoriaMetrics take.
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
//! series of a program that ended end too. What families are (type, help, unit) is told once a minute.

#![deny(missing_docs)]

mod carrier;
mod exporter;
mod message;
mod names;
mod settings;

pub use ferrometer_push::{Invalid, Preview, Secret};
pub use settings::{Auth, Histograms, Settings};

use carrier::Requests;
use exporter::SeriesWriter;
use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView};
use ferrometer_push::{Carrier, Http, Pusher, Spool, Verdict};
use std::fmt;
use std::time::Instant;

/// The remote write backend.
pub struct RemoteWrite(Pusher<SeriesWriter, Requests>);

impl RemoteWrite {
    /// Makes a backend. A server that is away is no error: it is tried again, and gets the totals of then.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: Settings) -> Result<RemoteWrite, Invalid> {
        let http = Http::new(&settings.http()?)?;
        let open = |path| Spool::open(path, "remote-write-1", settings.spool_max_bytes);
        let spool = settings.spool.as_deref().map(open).transpose()?;
        Ok(RemoteWrite(Pusher::new(SeriesWriter::new(&settings), Requests::new(http)).spool(spool)))
    }

    /// Tests whether the server can be reached and takes the headers, by a request without series.
    ///
    /// # Errors
    /// Why it cannot, with the server's status and words.
    pub fn test_connection(settings: &Settings) -> Result<(), String> {
        let http = settings.http().and_then(|http| Http::new(&http)).map_err(|error| error.to_string())?;
        let mut requests = Requests::new(http);
        let mut body = Vec::new();
        requests.compress(&[], &mut body);
        match requests.send(&body, true, 0, Instant::now() + settings.timeout) {
            Verdict::Accepted => Ok(()),
            Verdict::Later { reason, .. } | Verdict::Refused { reason, .. } | Verdict::TooLarge { reason } => {
                Err(reason)
            }
        }
    }

    /// Returns the bodies that the next delivery would send, byte for byte, without sending anything.
    pub fn preview(&mut self, view: &SnapshotView<'_>) -> Vec<Preview> {
        self.0.preview(view)
    }
}

impl Backend for RemoteWrite {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.0.publish(view)
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        self.0.flush(view, deadline)
    }

    fn preview(&mut self, view: &SnapshotView<'_>) -> Option<Vec<Preview>> {
        Some(self.0.preview(view))
    }
}

impl fmt::Debug for RemoteWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteWrite").field(self.0.carrier().http()).finish()
    }
}
