//! What a backend for OTLP is made of.

use crate::resource;
use ferrometer_push::memory_bound::{self, DISTRIBUTION, NAME_AND_LABELS};
use ferrometer_push::{Destinations, HttpSettings, Invalid, Secret};
use std::path::PathBuf;
use std::time::Duration;

/// How requests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Protocol buffers.
    #[default]
    Protobuf,
    /// JSON.
    Json,
}

/// What counters and histograms say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Temporality {
    /// What they have come to since they began. A request that is sent twice does no harm.
    #[default]
    Cumulative,
    /// What came since the last delivery. A request whose answer was lost is sent again, and then counts twice.
    Delta,
}

/// How timers and histograms travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Histograms {
    /// In buckets of equal ratio, sixteen to each power of two.
    #[default]
    Exponential,
    /// In buckets with explicit bounds: from 100 µs to 10 s for timers, powers of four for histograms.
    Explicit,
}

/// Configuration of the [`Otlp`](crate::Otlp) backend.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where requests go. Default `http://localhost:4318/v1/metrics`.
    pub url: String,
    /// How requests are written. Default protocol buffers.
    pub encoding: Encoding,
    /// What counters and histograms say. Default cumulative. What is in progress is cumulative always.
    pub temporality: Temporality,
    /// How timers and histograms travel. Default exponential.
    pub histograms: Histograms,
    /// How long a request may take. Default 5 s.
    pub timeout: Duration,
    /// Further headers. Their values count as secrets.
    pub headers: Vec<(String, Secret)>,
    /// Attributes of the resource. [`Settings::new`] gives `service.name`, `service.instance.id` and `telemetry.sdk.*`; later ones of a name count.
    pub resource_attributes: Vec<(String, String)>,
    /// Whether the server's certificate must be valid and its own. Default: yes.
    pub verify_ssl: bool,
    /// Certificates, as PEM, of authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// A directory in which bodies are kept that a server missed, for this process or a later one. The server gets them in order, with their own time
    /// stamps, when it is back. It is made where it is missing, and is for one backend of one process at a time. Default none.
    pub spool: Option<PathBuf>,
    /// The most bytes that are kept there; beyond them the oldest go. Default 100,000,000.
    pub spool_max_bytes: u64,
    /// The largest body of a request before it is compressed, in bytes: at least 1024. Default 10,000,000.
    pub max_body_size: usize,
    /// Whether bodies are compressed with gzip. Default: yes.
    pub gzip: bool,
    /// Where metrics may be sent. Default: everywhere.
    pub destinations: Option<Destinations>,
}

impl Settings {
    /// The defaults, for an address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Settings {
        Settings {
            url: url.into(),
            encoding: Encoding::default(),
            temporality: Temporality::default(),
            histograms: Histograms::default(),
            timeout: Duration::from_secs(5),
            headers: Vec::new(),
            resource_attributes: resource::defaults(),
            verify_ssl: true,
            ca: None,
            spool: None,
            spool_max_bytes: 100_000_000,
            max_body_size: 10_000_000,
            gzip: true,
            destinations: None,
        }
    }

    /// The defaults, for a server as Proxmox VE describes one: `scheme` is `http` or `https`, `path` for example `/v1/metrics`.
    #[must_use]
    pub fn server(scheme: &str, server: &str, port: u16, path: &str) -> Settings {
        let bare = server.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        Settings::new(format!("{scheme}://{host}:{port}/{}", path.trim_start_matches('/')))
    }

    /// Sets an attribute of the resource.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Settings {
        self.resource_attributes.push((key.into(), value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Settings {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets how requests are written.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Settings {
        self.encoding = encoding;
        self
    }

    /// Sets what counters and histograms say.
    #[must_use]
    pub fn temporality(mut self, temporality: Temporality) -> Settings {
        self.temporality = temporality;
        self
    }

    /// Sets how timers and histograms travel.
    #[must_use]
    pub fn histograms(mut self, histograms: Histograms) -> Settings {
        self.histograms = histograms;
        self
    }

    /// Returns the most memory that a backend of these settings takes, in bytes, in a program with `series` series.
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        // In JSON each character may become an escape of six.
        let text = if self.encoding == Encoding::Json { 6 * NAME_AND_LABELS + 2048 } else { NAME_AND_LABELS + 512 };
        let kept = if self.temporality == Temporality::Delta { DISTRIBUTION + 128 } else { 0 };
        memory_bound::max_bytes(series, self.max_body_size, text).saturating_add(series.saturating_mul(kept + 16))
    }

    pub(crate) fn http(&self) -> Result<HttpSettings, Invalid> {
        if self.max_body_size < 1024 {
            return Err(Invalid::new("max_body_size", self.max_body_size.to_string(), "at least 1024 bytes"));
        }
        if let Some((key, _)) = self.resource_attributes.iter().find(|(key, _)| key.is_empty()) {
            return Err(Invalid::new("resource_attributes", key, "keys that are not empty"));
        }
        let mut http = HttpSettings::new(&self.url);
        http.headers.clone_from(&self.headers);
        http.timeout = self.timeout;
        http.verify_certificate = self.verify_ssl;
        http.ca.clone_from(&self.ca);
        http.destinations.clone_from(&self.destinations);
        Ok(http)
    }
}
