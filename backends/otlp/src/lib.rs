//! The OTLP backend: metrics as OpenTelemetry's messages, over HTTP, as protocol buffers or JSON.
//!
//! ```no_run
//! # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_otlp as otlp; }
//! use ferrometer::otlp::{Otlp, Settings};
//! use std::time::Duration;
//!
//! let settings = Settings::from_env()?.attribute("deployment.environment.name", "production");
//! ferrometer::install("otlp", Box::new(Otlp::new(settings)?), Duration::from_secs(10)).unwrap();
//! # Ok::<(), ferrometer_otlp::Invalid>(())
//! ```
//!
//! | kind | metric |
//! |---|---|
//! | counter `x` | a sum that only grows, of whole numbers; once there were decrements, another one, `x.decrements` |
//! | in-flight count | a sum that goes up and down |
//! | gauge | a gauge |
//! | timer, histogram | an exponential histogram, or one with explicit bounds; timers in seconds |
//!
//! The name is the instrument's full name, labels are attributes, descriptions travel, and units as OpenTelemetry writes them (`By` for `bytes`). The encoder is this crate's own: a delivery needs no
//! tree of messages, and no more memory than a body.

#![deny(missing_docs)]

mod base;
mod carrier;
mod environment;
mod exporter;
mod json;
mod point;
mod protobuf;
mod resource;
mod settings;
mod unit;

pub use ferrometer_push::{Destinations, Invalid, Preview, Secret};
pub use settings::{Encoding, Histograms, Settings, Temporality};

use carrier::Requests;
use exporter::{Headers, Points};
use ferrometer_push::{Pusher, Spool, moment};
use std::fmt;

/// The OTLP backend.
pub struct Otlp(Pusher<Points, Requests>);

impl Otlp {
    /// Makes a backend. A server that is away is no error: it is tried again, and what it missed is in the next delivery.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: Settings) -> Result<Otlp, Invalid> {
        let headers = Headers::default();
        let requests = Requests::new(&settings, headers.clone())?;
        let points = Points::new(&settings, headers, requests.frame_bytes());
        let mut spool = None;
        if let Some(path) = &settings.spool {
            if settings.temporality == Temporality::Delta {
                let found = path.display().to_string();
                return Err(Invalid::new("spool", found, "none with deltas, which would be kept and sent again"));
            }
            let kind = if settings.encoding == Encoding::Json { "otlp-json" } else { "otlp-protobuf" };
            spool = Some(Spool::open(path, kind, settings.spool_max_bytes)?);
        }
        Ok(Otlp(Pusher::new(points, requests).spool(spool)))
    }

    /// Tests whether the server can be reached and takes the headers, by a request without metrics.
    ///
    /// # Errors
    /// Why it cannot, with the server's status and words.
    pub fn test_connection(settings: &Settings) -> Result<(), String> {
        let mut requests = Requests::new(settings, Headers::default()).map_err(|error| error.to_string())?;
        requests.test(moment::within(settings.timeout))
    }
}

ferrometer_push::delegate!(Otlp);

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Otlp").field(self.0.carrier()).finish()
    }
}
