//! The archive backend: every instrument as measures of a metric, in an archive of this process or in a Gnocchi, ours or the real one.
//!
//! ```no_run
//! use ferrometer_archive_backend::{ArchiveBackend, Settings};
//! use std::time::Duration;
//!
//! let settings = Settings::remote("http://localhost:8041").resource("shop").policy("medium");
//! ferrometer_core::install("archive", Box::new(ArchiveBackend::new(settings)?), Duration::from_secs(10)).unwrap();
//! # Ok::<(), ferrometer_archive_backend::Invalid>(())
//! ```
//!
//! All metrics belong to one resource. Resource and metrics are made when they are needed first. A metric's name is the instrument's full name with its
//! labels folded in:
//!
//! | kind | metrics |
//! |---|---|
//! | counter | `name`: the increments less the decrements since the last delivery, or since the start ([`Counters`]) |
//! | gauge | `name` |
//! | in-flight count | `name` |
//! | timer, histogram | `name.count` and `name.sum`, as counters; `name.p50`, `.p95`, `.p99` and `.max` of the values since the last delivery. Timers are in milliseconds |
//!
//! | file | idea |
//! |---|---|
//! | `settings` | what a backend is made of |
//! | `measures` | instruments as measures |
//! | `remote`, `embedded` | the two ways |
//! | `opened` | archives that are open in this process |

#![deny(missing_docs)]

#[cfg(feature = "embedded")]
mod embedded;
mod measures;
#[cfg(feature = "embedded")]
mod opened;
mod remote;
mod settings;

/// The archive itself: what [`ArchiveBackend::archive`] gives, and the types by which it is asked.
#[cfg(feature = "embedded")]
pub use ferrometer_archive as engine;
pub use ferrometer_push::{Invalid, Preview, Secret};
pub use settings::{Auth, Counters, Settings, Target};

use ferrometer_push::{Carrier, Packed, Pusher, Spool, Verdict};
use measures::Measures;
use remote::Remote;
use std::fmt;
use std::time::Instant;

/// The way to an archive.
enum Way {
    Remote(Box<Remote>),
    #[cfg(feature = "embedded")]
    Embedded(Box<embedded::Embedded>),
}

impl Way {
    fn carrier(&mut self) -> &mut dyn Carrier {
        match self {
            Way::Remote(remote) => &mut **remote,
            #[cfg(feature = "embedded")]
            Way::Embedded(embedded) => &mut **embedded,
        }
    }
}

impl Carrier for Way {
    fn frame(&mut self, packed: &Packed<'_>, body: &mut Vec<u8>) -> bool {
        self.carrier().frame(packed, body)
    }

    fn compress(&mut self, body: &[u8], wire: &mut Vec<u8>) -> bool {
        self.carrier().compress(body, wire)
    }

    fn send(&mut self, body: &[u8], is_compressed: bool, points: usize, until: Instant) -> Verdict {
        self.carrier().send(body, is_compressed, points, until)
    }
}

/// The archive backend.
pub struct ArchiveBackend(Pusher<Measures, Way>);

impl ArchiveBackend {
    /// Makes a backend. A server that is away is no error: it is tried again, and what it missed is in the next delivery.
    ///
    /// # Errors
    /// When a setting is out of range, or the directory of an archive cannot be opened.
    pub fn new(settings: Settings) -> Result<ArchiveBackend, Invalid> {
        settings.check()?;
        let spool = match &settings.spool {
            None => None,
            Some(path) => Some(Spool::open(path, "gnocchi-json", settings.spool_max_bytes)?),
        };
        let measures = Measures::new(&settings);
        let way = match &settings.target {
            Target::Remote(url) => Way::Remote(Box::new(Remote::new(&settings, url)?)),
            #[cfg(feature = "embedded")]
            Target::Embedded(path) => Way::Embedded(Box::new(embedded::Embedded::open(&settings, path)?)),
        };
        Ok(ArchiveBackend(Pusher::new(measures, way).spool(spool)))
    }

    /// Returns the archive that is in this process, to be asked or served; `None` for a remote one.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn archive(&self) -> Option<std::sync::Arc<ferrometer_archive::Archive>> {
        match self.0.carrier() {
            Way::Embedded(embedded) => Some(embedded.archive()),
            Way::Remote(_) => None,
        }
    }

    /// Tests whether a remote archive can be reached and lets this program in, by asking for its policies; for one in this process, whether its
    /// directory can be opened.
    ///
    /// # Errors
    /// Why it cannot, with the server's status and words.
    pub fn test_connection(settings: &Settings) -> Result<(), String> {
        settings.check().map_err(|error| error.to_string())?;
        match &settings.target {
            Target::Remote(url) => {
                Remote::new(settings, url).map_err(|error| error.to_string())?.test(settings.timeout)
            }
            #[cfg(feature = "embedded")]
            Target::Embedded(path) => {
                embedded::Embedded::open(settings, path).map(drop).map_err(|error| error.to_string())
            }
        }
    }
}

ferrometer_push::delegate!(ArchiveBackend);

impl fmt::Debug for ArchiveBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveBackend").finish_non_exhaustive()
    }
}
