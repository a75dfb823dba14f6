//! The configuration itself: plain typed fields, one per key.
//!
//! Every doc line starts with key and default; a test holds them against the table in [`super::keys`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use super::choices::{
    Dialect, NegativeGauges, Scrape, StatsdHistograms, StatsdLabels, StatsdRates, StatsdValues, Transport,
};
use super::for_agents::ForAgents;
use super::origin::Origin;
use super::peer::Peer;
use super::push::{Graphite, Influxdb, Otlp, RemoteWrite};
use super::rule::Rule;
use super::value::Value;

/// How recordings are kept and where they go.
///
/// Made in code (below), from the environment ([`Config::from_env`]) or from a TOML file with the environment over it
/// (`Config::from_file`, with the cargo feature `config-file`). What comes from file and environment is checked; what is
/// made or changed in code is checked by [`Config::validate`], by the same rules.
///
/// ```
/// use std::time::Duration;
/// use ferrometer::config::{Config, Dialect, Rule};
///
/// let config = Config::new()
///     .backend("statsd")
///     .statsd_host("metrics.example.com")
///     .statsd_dialect(Dialect::Dogstatsd)
///     .statsd_interval(Duration::from_secs(10))
///     .global_prefix("prod")
///     .rule(Rule::new("nova.compute").sample_rate(0.1));
/// config.validate()?;
/// assert_eq!(config.statsd_port, 8125);
/// # Ok::<(), ferrometer::config::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// `metrics.backend`; default `"noop"`. The backends' names; see [`Config::backends`].
    pub backend: Vec<String>,
    /// `metrics.statsd_host`; default `"localhost"`. Host name or IP address of the statsd server.
    pub statsd_host: String,
    /// `metrics.statsd_port`; default `8125`. UDP or TCP port of the statsd server.
    pub statsd_port: u16,
    /// `metrics.prepend_host`; default `false`. Whether names carry the host, after the global prefix.
    pub prepend_host: bool,
    /// `metrics.prepend_host_reverse`; default `false`. Whether that host is written `com.example.host`.
    pub prepend_host_reverse: bool,
    /// `metrics.global_prefix`; default `""`. First part of every name.
    pub global_prefix: String,
    /// `metrics.host`; no default: the system's host name, which is not read here. The host that names carry; `Some("")` is
    /// the same as `None`.
    pub host: Option<String>,
    /// `metrics.prepend_uuid`; default `false`. Whether names carry the node's UUID, after the host.
    pub prepend_uuid: bool,
    /// `metrics.uuid`; no default. The UUID of the node that the program runs on; `Some("")` is the same as `None`.
    pub uuid: Option<String>,
    /// `metrics.lookup_interval`; default `"60s"`. How often an agent asks its conductor.
    pub lookup_interval: Duration,
    /// `metrics.shutdown_deadline`; default `"2s"`. How long the shutdown guard may deliver.
    pub shutdown_deadline: Duration,
    /// `[metrics.statsd]`.
    pub statsd: Statsd,
    /// `[metrics.pull_cache]`.
    pub pull_cache: PullCache,
    /// `[metrics.graphite]`.
    pub graphite: Graphite,
    /// `[metrics.influxdb]`.
    pub influxdb: Influxdb,
    /// `[metrics.otlp]`.
    pub otlp: Otlp,
    /// `[metrics.remote_write]`.
    pub remote_write: RemoteWrite,
    /// `[metrics.limits]`.
    pub limits: Limits,
    /// `[metrics.loggers]`, in the order they were given; see [`Config::rules`].
    pub rules: Vec<Rule>,
    /// Keys with the prefix `agent_`: what a conductor tells its agents.
    pub(super) agent: ForAgents,
    /// The sources; no key.
    pub(crate) origin: Origin,
}

/// The statsd backend, but for host and port, which are [`Config`]'s own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Statsd {
    /// `metrics.statsd.dialect`; default `"etsy"`. What the server understands beyond the common lines.
    pub dialect: Dialect,
    /// `metrics.statsd.transport`; default `"udp"`. How lines travel.
    pub transport: Transport,
    /// `metrics.statsd.path`; no default. The socket of the transport `"unix"`.
    pub path: Option<PathBuf>,
    /// `metrics.statsd.max_datagram`; default `1432`. Payload of one datagram, in bytes.
    pub max_datagram: usize,
    /// `metrics.statsd.interval`; default `"1s"`. Time between two deliveries.
    pub interval: Duration,
    /// `metrics.statsd.state_interval`; no default: five intervals, but at most 5 s, or each interval where one is longer. Time after which
    /// gauges and counts in flight that did not change are sent again; zero: only to a server that was away.
    pub state_interval: Option<Duration>,
    /// `metrics.statsd.labels`; no default: the dialect's. Where labels stand.
    pub labels: Option<StatsdLabels>,
    /// `metrics.statsd.values`; no default: the dialect's. How several values of a timer share a line.
    pub values: Option<StatsdValues>,
    /// `metrics.statsd.negative_gauges`; no default: the dialect's. How a negative gauge is written.
    pub negative_gauges: Option<NegativeGauges>,
    /// `metrics.statsd.rates`; no default: the dialect's. Which kinds carry their sample rate.
    pub rates: Option<StatsdRates>,
    /// `metrics.statsd.histograms`; no default: the dialect's. The type behind a histogram's values.
    pub histograms: Option<StatsdHistograms>,
    /// `metrics.statsd.resolve_interval`; default `"30s"`. Time after which the host's address is looked up again.
    pub resolve_interval: Duration,
}

/// The pull cache.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PullCache {
    /// `metrics.pull_cache.interval`; default `"10s"`. Time between two generations.
    pub interval: Duration,
    /// `metrics.pull_cache.generations`; default `180`. Old generations kept.
    pub generations: usize,
    /// `metrics.pull_cache.window`; default `"30m"`. How much older than the newest a generation may be.
    pub window: Duration,
    /// `metrics.pull_cache.idle_after`; no default: never. Time without a recording after which a series with labels is not shown.
    pub idle_after: Option<Duration>,
    /// `metrics.pull_cache.path`; no default. A directory in which generations are kept too.
    pub path: Option<PathBuf>,
    /// `metrics.pull_cache.http`; default `false`. Whether the cache is served over HTTP.
    pub http: bool,
    /// `metrics.pull_cache.address`; default `"127.0.0.1:9620"`. Where it is served; port 0 takes a free one.
    pub address: SocketAddr,
    /// `metrics.pull_cache.page`; default `true`. Whether a browser gets a page at `/`, with the cargo feature `page`.
    pub page: bool,
    /// `metrics.pull_cache.tls_cert`; no default. PEM file with the certificate chain.
    pub tls_cert: Option<PathBuf>,
    /// `metrics.pull_cache.tls_key`; no default. PEM file with its key.
    pub tls_key: Option<PathBuf>,
    /// `metrics.pull_cache.tokens`; no default. Who may read.
    pub tokens: Tokens,
    /// `metrics.pull_cache.tokens_file`; no default. File of further tokens.
    pub tokens_file: Option<PathBuf>,
    /// `metrics.pull_cache.allow_plaintext`; default `false`. Whether other machines may be served without TLS.
    pub allow_plaintext: bool,
    /// `metrics.pull_cache.allow_anonymous`; default `false`. Whether other machines may be served without tokens.
    pub allow_anonymous: bool,
    /// `metrics.pull_cache.allowed_hosts`; no default. Further names by which the endpoint may be asked.
    pub allowed_hosts: Vec<String>,
    /// `metrics.pull_cache.max_connections`; default `256`. Connections at a time.
    pub max_connections: usize,
    /// `metrics.pull_cache.max_requests`; default `64`. Answers in progress at a time.
    pub max_requests: usize,
    /// `metrics.pull_cache.max_query_bytes`; default `4096`. Longest query string, in bytes.
    pub max_query_bytes: usize,
    /// `metrics.pull_cache.max_header_bytes`; default `16384`. Headers of a request, in bytes.
    pub max_header_bytes: usize,
    /// `metrics.pull_cache.header_timeout`; default `"5s"`. Time to send a request.
    pub header_timeout: Duration,
    /// `metrics.pull_cache.write_timeout`; default `"10s"`. Time to make room for more of an answer.
    pub write_timeout: Duration,
    /// `metrics.pull_cache.answer_timeout`; default `"60s"`. Time of an answer.
    pub answer_timeout: Duration,
    /// `metrics.pull_cache.idle_timeout`; default `"15s"`. Time that a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// `metrics.pull_cache.scrape`; default `"generation"`. Which totals Prometheus gets.
    pub scrape: Scrape,
    /// `metrics.pull_cache.process_metrics`; default `true`. Whether Prometheus gets the process' own metrics too.
    pub process_metrics: bool,
    /// `metrics.pull_cache.host_metrics`; default `false`. Whether the node's own metrics are recorded.
    pub host_metrics: bool,
    /// `metrics.pull_cache.proxmox`; default `false`. Whether the routes of Proxmox are served.
    pub proxmox: bool,
    /// `metrics.pull_cache.node`; no default: the system's host name, up to its first dot. The name of this node there.
    pub node: Option<String>,
    /// `metrics.pull_cache.peer_timeout`; default `"5s"`. How long each peer may take.
    pub peer_timeout: Duration,
    /// `metrics.pull_cache.max_peer_bytes`; default `67108864`. How much all peers together may answer, in bytes.
    pub max_peer_bytes: usize,
    /// `[[metrics.pull_cache.peers]]`, in the order they were given.
    pub peers: Vec<Peer>,
}

/// Who may read the pull cache: each `name=sha256:<64 hex digits>`. Shown as a number only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tokens(Vec<String>);

impl Tokens {
    pub(super) fn new(texts: Vec<String>) -> Tokens {
        Tokens(texts)
    }

    /// As the endpoint takes them.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fn texts(&self) -> &[String] {
        &self.0
    }

    pub(super) fn value(&self) -> Option<Value> {
        (!self.0.is_empty()).then(|| Value::texts(&self.0))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

/// The numbers that bound the memory used.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// `metrics.limits.max_loggers`; default `4096`. Loggers in all.
    pub max_loggers: usize,
    /// `metrics.limits.max_instruments`; default `10000`. Series in all, at most 15,232 of them timers and histograms.
    pub max_instruments: usize,
    /// `metrics.limits.max_label_sets`; default `8192`. Distinct sets of labels in all.
    pub max_label_sets: usize,
    /// `metrics.limits.max_threads`; default `512`. Threads with cells of their own.
    pub max_threads: usize,
    /// `metrics.limits.max_cell_bytes`; default `67108864`. Memory of those cells, in bytes.
    pub max_cell_bytes: usize,
    /// `metrics.limits.timer_chunk`; default `8192`. Timer values that a thread holds between two collections.
    pub timer_chunk: usize,
    /// `metrics.limits.max_held_values`; default `262144`. Single timer values held for one backend.
    pub max_held_values: usize,
}

impl Config {
    /// The names of the configured backends, without repetition: `["noop"]` alone, or others without it.
    pub fn backends(&self) -> &[String] {
        &self.backend
    }

    /// The rules for loggers, in the order they were given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule that holds for `logger`: of those that reach it the longest.
    ///
    /// ```
    /// use ferrometer::config::{Config, Rule};
    ///
    /// let config = Config::new()
    ///     .rule(Rule::new("nova").enabled(false))
    ///     .rule(Rule::new("nova.compute").sample_rate(0.5));
    /// assert_eq!(config.rule_for("nova.compute.driver").unwrap().logger, "nova.compute");
    /// assert_eq!(config.rule_for("nova.api").unwrap().logger, "nova");
    /// assert!(config.rule_for("novation").is_none());
    /// ```
    pub fn rule_for(&self, logger: &str) -> Option<&Rule> {
        let mut longest: Option<&Rule> = None;
        for rule in &self.rules {
            let is_longer = longest.is_none_or(|longest| rule.logger.len() >= longest.logger.len());
            if is_longer && rule.reaches(logger) {
                longest = Some(rule);
            }
        }
        longest
    }
}
