//! Configuration: `cloudkitty.conf` and `metrics.yml` as CloudKitty has them, or the same keys in TOML.

mod definitions;
mod ini;
mod reader;
mod sections;
mod toml;
mod tree;
mod yaml;

#[cfg(feature = "command")]
pub(crate) use sections::check_processors;

use crate::definition::Definition;
use crate::error::{ConfigError, Problem, Problems};
use crate::secret::Secret;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::{MAX_BYTES, Node, SyntaxError};

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
    /// What the server makes of it. Prometheus 2 counts it in both periods, as with CloudKitty.
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
    /// File of the data points.
    pub output: Option<PathBuf>,
    /// Form of the data points.
    pub format: Format,
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
            output: None,
            format: Format::Json,
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
    /// What is measured.
    pub definitions: Vec<Definition>,
    /// Remarks that are no errors.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `cloudkitty.conf`, or a `.toml` file with the same keys, and the definitions it names in `collect.metrics_conf`.
    ///
    /// `metrics` takes the place of `collect.metrics_conf`. A relative path in a file is relative to the file. A TOML file may hold the
    /// definitions itself, below `[metrics]`.
    ///
    /// # Errors
    /// A file that cannot be read, or all problems of the file, each with line and key.
    pub fn load(path: &Path, metrics: Option<&Path>) -> Result<Config, ConfigError> {
        let root = parsed(path)?;
        let mut problems = Problems::new(path);
        let mut read = sections::read(&root, &mut problems);
        let folder = path.parent().unwrap_or(Path::new(""));
        read.config.resolve(folder);
        let mut found = problems.into_found();
        let inside = path.extension().is_some_and(|e| e == "toml") && has_metrics(&root);
        let metrics = match metrics {
            Some(metrics) => metrics.to_owned(),
            None if inside && !read.names_metrics => path.to_owned(),
            None => folder.join(&read.metrics_conf),
        };
        let definitions = match if metrics == *path { Ok(root) } else { parsed(&metrics) } {
            Ok(root) => {
                let mut problems = Problems::new(&metrics);
                let definitions = definitions::read(&root, &read.config.scope_key, read.skip.as_ref(), &mut problems);
                found.extend(problems.into_found());
                definitions
            }
            Err(ConfigError::Invalid(more)) => {
                found.extend(more);
                Vec::new()
            }
            Err(error) if found.is_empty() => return Err(error),
            Err(_) => Vec::new(),
        };
        if !found.is_empty() {
            return Err(ConfigError::Invalid(found));
        }
        Ok(Config { definitions, ..read.config })
    }

    /// Makes relative paths relative to the folder of the file that names them.
    fn resolve(&mut self, folder: &Path) {
        let fetcher = match &mut self.fetcher {
            Some(Fetcher::Prometheus { server, .. }) => Some(&mut **server),
            _ => None,
        };
        let servers = [Some(&mut self.server), fetcher].into_iter().flatten();
        let files =
            servers.flat_map(|s| [&mut s.bearer_token_file, &mut s.cafile, &mut s.client_cert, &mut s.client_key]);
        for file in files.chain([&mut self.options.state, &mut self.options.output]).flatten() {
            if *file != Path::new("-") {
                *file = folder.join(&*file);
            }
        }
    }
}

fn has_metrics(root: &Node) -> bool {
    matches!(&root.value, tree::Value::Map(entries) if entries.iter().any(|e| e.key == "metrics"))
}

fn parsed(path: &Path) -> Result<Node, ConfigError> {
    let text = text_of(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
    let tree = match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => toml::parse(&text),
        Some("yml" | "yaml" | "json") => yaml::parse(&text),
        _ => ini::parse(&text),
    };
    tree.map_err(|SyntaxError { line, message }| {
        ConfigError::Invalid(vec![Problem {
            file: path.to_owned(),
            line,
            key: String::new(),
            message: crate::error::clean(&message),
        }])
    })
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is no UTF-8"))
    })
}
