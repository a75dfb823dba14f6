//! The settings of the backends that push: plain typed fields, one per key.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::choices::named;
use super::value::Value;

/// The graphite backend.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Graphite {
    /// `metrics.graphite.server`; default `"localhost"`. Host name or IP address of the server.
    pub server: String,
    /// `metrics.graphite.port`; default `2003`. UDP or TCP port of the server.
    pub port: u16,
    /// `metrics.graphite.proto`; default `"udp"`. How lines travel.
    pub proto: Proto,
    /// `metrics.graphite.timeout`; default `"1s"`. How long a connection over TCP, or a write to it, may take.
    pub timeout: Duration,
    /// `metrics.graphite.mtu`; default `1500`. The largest packet of the network; datagrams have 50 bytes less.
    pub mtu: usize,
    /// `metrics.graphite.path`; default `"proxmox"`. What stands before each name: labels of letters, digits and `-`, joined with dots; empty for nothing.
    pub path: String,
    /// `metrics.graphite.tags`; default `false`. Whether labels travel as Graphite's tags, and not folded into the name.
    pub tags: bool,
    /// `metrics.graphite.interval`; default `"10s"`. Time between two deliveries.
    pub interval: Duration,
}

impl Graphite {
    /// Placeholders only; the defaults are the table's.
    pub(super) fn blank() -> Graphite {
        Graphite {
            server: String::new(),
            port: 0,
            proto: Proto::Udp,
            timeout: Duration::ZERO,
            mtu: 0,
            path: String::new(),
            tags: false,
            interval: Duration::ZERO,
        }
    }
}

/// The influxdb backend.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Influxdb {
    /// `metrics.influxdb.server`; default `"localhost"`. Host name or IP address of the server.
    pub server: String,
    /// `metrics.influxdb.port`; no default: 8089 for udp, 8086 for http and https. Port of the server.
    pub port: Option<u16>,
    /// `metrics.influxdb.proto`; default `"udp"`. How lines travel.
    pub proto: InfluxdbProto,
    /// `metrics.influxdb.api`; default `"v2"`. Which routes the server has: `/api/v2/write`, or `/write` of InfluxDB before 1.8.
    pub api: InfluxdbApi,
    /// `metrics.influxdb.organization`; default `"proxmox"`. The organization that the bucket belongs to.
    pub organization: String,
    /// `metrics.influxdb.bucket`; default `"proxmox"`. The bucket; with `v1` the database.
    pub bucket: String,
    /// `metrics.influxdb.token`; no default. The token that requests show.
    pub token: Option<Hidden>,
    /// `metrics.influxdb.api_path_prefix`; default `""`. What stands before the route in the path.
    pub api_path_prefix: String,
    /// `metrics.influxdb.timeout`; default `"1s"`. How long a request may take.
    pub timeout: Duration,
    /// `metrics.influxdb.mtu`; default `1500`. The largest packet of the network; datagrams have 50 bytes less.
    pub mtu: usize,
    /// `metrics.influxdb.max_body_size`; default `25000000`. The largest body of a request before it is compressed.
    pub max_body_size: usize,
    /// `metrics.influxdb.gzip`; default `true`. Whether bodies are compressed.
    pub gzip: bool,
    /// `metrics.influxdb.verify_certificate`; default `true`. Whether the server's certificate must be valid and its own.
    pub verify_certificate: bool,
    /// `metrics.influxdb.ca`; no default. PEM file of the authorities that the certificate may come from, instead of the system's.
    pub ca: Option<PathBuf>,
    /// `metrics.influxdb.spool`; no default. A directory for this backend alone, in which bodies are kept that a server missed; it gets them in order when it is back.
    pub spool: Option<PathBuf>,
    /// `metrics.influxdb.spool_max_bytes`; default `100000000`. The most that is kept there; beyond it the oldest go.
    pub spool_max_bytes: u64,
    /// `metrics.influxdb.interval`; default `"10s"`. Time between two deliveries.
    pub interval: Duration,
}

impl Influxdb {
    /// Placeholders only; the defaults are the table's.
    pub(super) fn blank() -> Influxdb {
        Influxdb {
            server: String::new(),
            port: None,
            proto: InfluxdbProto::Udp,
            api: InfluxdbApi::V2,
            organization: String::new(),
            bucket: String::new(),
            token: None,
            api_path_prefix: String::new(),
            timeout: Duration::ZERO,
            mtu: 0,
            max_body_size: 0,
            gzip: false,
            verify_certificate: false,
            ca: None,
            spool: None,
            spool_max_bytes: 0,
            interval: Duration::ZERO,
        }
    }
}

/// The otlp backend. What is not set comes from OpenTelemetry's own variables.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Otlp {
    /// `metrics.otlp.url`; no default: that of `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` or `_ENDPOINT`, else `http://localhost:4318/v1/metrics`. Where requests go.
    pub url: Option<String>,
    /// `metrics.otlp.encoding`; no default: that of `OTEL_EXPORTER_OTLP_PROTOCOL`, else `protobuf`. How requests are written.
    pub encoding: Option<OtlpEncoding>,
    /// `metrics.otlp.temporality`; no default: that of `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`, else `cumulative`. Whether counters and histograms say what they have come to, or what came since the last delivery.
    pub temporality: Option<Temporality>,
    /// `metrics.otlp.histograms`; no default: that of `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`, else `exponential`. How timers and histograms travel.
    pub histograms: Option<OtlpHistograms>,
    /// `metrics.otlp.timeout`; no default: that of `OTEL_EXPORTER_OTLP_TIMEOUT`, else 5 seconds. How long a request may take.
    pub timeout: Option<Duration>,
    /// `metrics.otlp.headers`; no default: those of `OTEL_EXPORTER_OTLP_HEADERS`. Further headers of requests.
    pub headers: Pairs,
    /// `metrics.otlp.resource_attributes`; no default. What describes this process, over what `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say.
    pub resource_attributes: Pairs,
    /// `metrics.otlp.verify_certificate`; default `true`. Whether the server's certificate must be valid and its own.
    pub verify_certificate: bool,
    /// `metrics.otlp.ca`; no default. PEM file of the authorities that the certificate may come from, instead of the system's.
    pub ca: Option<PathBuf>,
    /// `metrics.otlp.max_body_size`; default `10000000`. The largest body of a request before it is compressed.
    pub max_body_size: usize,
    /// `metrics.otlp.compression`; no default: that of `OTEL_EXPORTER_OTLP_COMPRESSION`, else `gzip`. Whether bodies are compressed.
    pub compression: Option<Compression>,
    /// `metrics.otlp.spool`; no default. A directory for this backend alone, in which bodies are kept that a server missed; it gets them in order when it is back.
    pub spool: Option<PathBuf>,
    /// `metrics.otlp.spool_max_bytes`; default `100000000`. The most that is kept there; beyond it the oldest go.
    pub spool_max_bytes: u64,
    /// `metrics.otlp.interval`; default `"10s"`. Time between two deliveries.
    pub interval: Duration,
}

impl Otlp {
    /// Placeholders only; the defaults are the table's.
    pub(super) fn blank() -> Otlp {
        Otlp {
            url: None,
            encoding: None,
            temporality: None,
            histograms: None,
            timeout: None,
            headers: Pairs::default(),
            resource_attributes: Pairs::default(),
            verify_certificate: false,
            ca: None,
            max_body_size: 0,
            compression: None,
            spool: None,
            spool_max_bytes: 0,
            interval: Duration::ZERO,
        }
    }
}

/// The remote-write backend.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RemoteWrite {
    /// `metrics.remote_write.url`; default `"http://localhost:9090/api/v1/write"`. Where requests go.
    pub url: String,
    /// `metrics.remote_write.bearer`; no default. The token that requests show; not beside `user`.
    pub bearer: Option<Hidden>,
    /// `metrics.remote_write.user`; no default. The user that requests show; needs `password`.
    pub user: Option<String>,
    /// `metrics.remote_write.password`; no default. That user's password.
    pub password: Option<Hidden>,
    /// `metrics.remote_write.headers`; no default. Further headers of requests.
    pub headers: Pairs,
    /// `metrics.remote_write.labels`; no default. Labels of all series, beside `job`, the program's name, and `instance`, the host's, unless they are given here.
    pub labels: Pairs,
    /// `metrics.remote_write.histograms`; default `"classic"`. How timers and histograms travel.
    pub histograms: PrometheusHistograms,
    /// `metrics.remote_write.timeout`; default `"5s"`. How long a request may take.
    pub timeout: Duration,
    /// `metrics.remote_write.max_samples`; default `2000`. The most samples in a request.
    pub max_samples: usize,
    /// `metrics.remote_write.max_body_size`; default `4000000`. The largest body of a request before it is compressed.
    pub max_body_size: usize,
    /// `metrics.remote_write.verify_certificate`; default `true`. Whether the server's certificate must be valid and its own.
    pub verify_certificate: bool,
    /// `metrics.remote_write.ca`; no default. PEM file of the authorities that the certificate may come from, instead of the system's.
    pub ca: Option<PathBuf>,
    /// `metrics.remote_write.spool`; no default. A directory for this backend alone, in which bodies are kept that a server missed; it gets them in order when it is back.
    pub spool: Option<PathBuf>,
    /// `metrics.remote_write.spool_max_bytes`; default `100000000`. The most that is kept there; beyond it the oldest go.
    pub spool_max_bytes: u64,
    /// `metrics.remote_write.interval`; default `"15s"`. Time between two deliveries.
    pub interval: Duration,
}

impl RemoteWrite {
    /// Placeholders only; the defaults are the table's.
    pub(super) fn blank() -> RemoteWrite {
        RemoteWrite {
            url: String::new(),
            bearer: None,
            user: None,
            password: None,
            headers: Pairs::default(),
            labels: Pairs::default(),
            histograms: PrometheusHistograms::Classic,
            timeout: Duration::ZERO,
            max_samples: 0,
            max_body_size: 0,
            verify_certificate: false,
            ca: None,
            spool: None,
            spool_max_bytes: 0,
            interval: Duration::ZERO,
        }
    }
}

/// How Graphite's lines travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proto {
    /// In datagrams.
    Udp,
    /// In a stream.
    Tcp,
}

/// How InfluxDB's lines travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InfluxdbProto {
    /// In datagrams.
    Udp,
    /// In requests.
    Http,
    /// In requests over TLS.
    Https,
}

/// Which routes an InfluxDB has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InfluxdbApi {
    /// `/api/v2/write` and `/health`.
    V2,
    /// `/write` and `/ping`.
    V1,
}

/// How OTLP's requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OtlpEncoding {
    /// As protocol buffers.
    Protobuf,
    /// As JSON.
    Json,
}

/// What OTLP's counters and histograms say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Temporality {
    /// What they have come to.
    Cumulative,
    /// What came since the last delivery.
    Delta,
}

/// How timers and histograms travel to OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OtlpHistograms {
    /// In buckets of equal ratio.
    Exponential,
    /// In buckets with explicit bounds.
    Explicit,
}

/// Whether bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// With gzip.
    Gzip,
    /// Not at all.
    None,
}

/// How timers and histograms travel to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrometheusHistograms {
    /// As `_bucket`, `_sum` and `_count`.
    Classic,
    /// As native histograms.
    Native,
}

named!(Proto: Udp = "udp", Tcp = "tcp");
named!(InfluxdbProto: Udp = "udp", Http = "http", Https = "https");
named!(InfluxdbApi: V2 = "v2", V1 = "v1");
named!(OtlpEncoding: Protobuf = "protobuf", Json = "json");
named!(Temporality: Cumulative = "cumulative", Delta = "delta");
named!(OtlpHistograms: Exponential = "exponential", Explicit = "explicit");
named!(Compression: Gzip = "gzip", None = "none");
named!(PrometheusHistograms: Classic = "classic", Native = "native");

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Hidden {
        Hidden(text.into())
    }

    /// The text itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A list of `name=value`. `Debug` shows the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<String>);

impl Pairs {
    /// Each of the form `name=value`.
    pub fn new<I>(texts: I) -> Pairs
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Pairs(texts.into_iter().map(Into::into).collect())
    }

    /// Names and values. A text without `=` is a name without a value; the check refuses it.
    #[cfg_attr(not(any(feature = "otlp", feature = "remote-write")), allow(dead_code))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|text| text.split_once('=').unwrap_or((text, "")))
    }

    pub(super) fn value(&self) -> Option<Value> {
        (!self.0.is_empty()).then(|| Value::texts(&self.0))
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|text| text.split_once('=').map_or("?", |(name, _)| name));
        f.debug_list().entries(names).finish()
    }
}
