//! Settings of a collector, with their defaults.

use crate::definition::Definition;
use crate::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// A Prometheus, or whatever else answers its API, and how it is reached.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Server {
    /// Address of the API, without a slash at the end: `https://host:9090/api/v1`.
    pub url: String,
    /// User of basic authentication; sent if there is a password too.
    pub user: Option<String>,
    /// Password of basic authentication.
    pub password: Option<Secret>,
    /// Bearer token, in the place of basic authentication.
    pub bearer_token: Option<Secret>,
    /// File with a bearer token, read again once a minute.
    pub bearer_token_file: Option<PathBuf>,
    /// Certificates of the authorities to trust, in the place of the system's.
    pub cafile: Option<PathBuf>,
    /// Accepts every certificate. `cafile` wins.
    pub insecure: bool,
    /// Time that one request may take, its reply included.
    pub timeout: Duration,
    /// Certificate chain of this client.
    pub client_cert: Option<PathBuf>,
    /// Private key of this client.
    pub client_key: Option<PathBuf>,
}

impl Server {
    /// Returns a server without credentials, with CloudKitty's defaults.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Server {
            url: url.into(),
            user: None,
            password: None,
            bearer_token: None,
            bearer_token_file: None,
            cafile: None,
            insecure: false,
            timeout: Duration::from_secs(60),
            client_cert: None,
            client_key: None,
        }
    }
}

/// Where scopes come from that are not named.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fetcher {
    /// Values of a label, asked from a Prometheus.
    Prometheus {
        /// The server.
        server: Box<Server>,
        /// Metric whose series are looked at.
        metric: String,
        /// Label whose values are scopes.
        attribute: String,
        /// Labels and values that the series must have.
        filters: Vec<(String, String)>,
    },
    /// A list.
    Source(Vec<String>),
}

/// Order of the labels behind `by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ByOrder {
    /// The scope's key first.
    #[default]
    Document,
    /// The scope's key where `groupby` names it, else behind `groupby`, as CloudKitty writes it.
    Upstream,
}

/// Periods that a sample exactly on the boundary of two belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Boundaries {
    /// One, the period that ends there, on every server.
    #[default]
    Once,
    /// Those in which the server counts it: both on Prometheus 2, as with CloudKitty.
    AsServed,
}

/// Form of data points in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// JSON, one data point a line.
    #[default]
    Json,
    /// CSV with a header.
    Csv,
}

/// An archive that answers Gnocchi's API, and how data points are kept there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Archive {
    /// The server. Its address stands before `/v1`.
    pub server: Server,
    /// Archive policy of the metrics. `None`: one for the length of a period, which is created.
    pub policy: Option<String>,
    /// Type of the resources, which is created where it is not there.
    pub resource_type: String,
}

impl Archive {
    /// Returns an archive without credentials.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Archive { server: Server::new(url), policy: None, resource_type: "ferrometer_usage".into() }
    }
}

/// Keys of `[ferrometer]`, which CloudKitty does not read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Keeps all digits of a quantity, in the place of nine.
    pub precise: bool,
    /// Order of the labels behind `by`.
    pub by_order: ByOrder,
    /// Periods that a sample on a boundary belongs to.
    pub boundaries: Boundaries,
    /// Requests that are under way at once.
    pub concurrency: usize,
    /// Periods that one request asks for where several are due.
    pub periods_per_query: usize,
    /// Bytes that a reply may have.
    pub max_reply_bytes: u64,
    /// Further attempts after one that failed for a reason that may pass.
    pub retries: u32,
    /// Name of this processor.
    pub processor: String,
    /// Names of all processors, this one included. Empty: this one is alone.
    pub processors: Vec<String>,
    /// Folder of the checkpoints.
    pub state: Option<PathBuf>,
    /// Address of a database whose leases divide the scopes, in the place of `processors` and `state`.
    pub leases: Option<Secret>,
    /// Certificates of the authorities that the database's certificate may come from, in the place of the system's.
    pub leases_cafile: Option<PathBuf>,
    /// Time after which a claimed scope that was not committed is anybody's.
    pub lease: Duration,
    /// File of the data points.
    pub output: Option<PathBuf>,
    /// Form of the data points.
    pub format: Format,
    /// Archive that takes the data points, in the place of a file.
    pub archive: Option<Archive>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            precise: false,
            by_order: ByOrder::Document,
            boundaries: Boundaries::Once,
            concurrency: 8,
            periods_per_query: 168,
            max_reply_bytes: 64 << 20,
            retries: 5,
            processor: "main".into(),
            processors: Vec::new(),
            state: None,
            leases: None,
            leases_cafile: None,
            lease: Duration::from_secs(60),
            output: None,
            format: Format::Json,
            archive: None,
        }
    }
}

/// Everything that the files say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Length of a period in seconds.
    pub period: u32,
    /// Periods that are waited for after one has ended, before it is collected.
    pub wait_periods: u32,
    /// Label by whose values usage is divided.
    pub scope_key: String,
    /// The server that is asked.
    pub server: Server,
    /// Where scopes come from.
    pub fetcher: Option<Fetcher>,
    /// Keys of `[ferrometer]`.
    pub options: Options,
    /// Metrics that are collected.
    pub definitions: Vec<Definition>,
    /// Remarks that are no errors.
    pub warnings: Vec<String>,
}
