//! Setting every key in code.
//!
//! The setters only store; [`Config::validate`] checks, so that a chain is never interrupted. Units, ranges and defaults
//! are those of the fields.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::choices::{
    Dialect, NegativeGauges, Scrape, StatsdHistograms, StatsdLabels, StatsdRates, StatsdValues, Transport,
};
use super::peer::Peer;
use super::rule::Rule;
use super::settings::{Config, Tokens};

impl Config {
    /// The one backend: `"noop"`, `"statsd"`, `"prometheus"` or `"pull-cache"`. Replaces what was set before.
    #[must_use]
    pub fn backend(self, name: impl Into<String>) -> Self {
        self.backend_list([name])
    }

    /// Several backends at once. Replaces what was set before.
    ///
    /// ```
    /// let config = ferrometer::config::Config::new().backend_list(["statsd", "pull-cache"]);
    /// assert_eq!(config.backends(), ["statsd", "pull-cache"]);
    /// ```
    #[must_use]
    pub fn backend_list<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.backend = names.into_iter().map(Into::into).collect();
        self
    }

    /// Host name or IP address of the statsd server.
    #[must_use]
    pub fn statsd_host(mut self, statsd_host: impl Into<String>) -> Self {
        self.statsd_host = statsd_host.into();
        self
    }

    /// Port of the statsd server, from 1.
    #[must_use]
    pub fn statsd_port(mut self, statsd_port: u16) -> Self {
        self.statsd_port = statsd_port;
        self
    }

    /// Whether names carry the host, after the global prefix.
    #[must_use]
    pub fn prepend_host(mut self, prepend_host: bool) -> Self {
        self.prepend_host = prepend_host;
        self
    }

    /// Whether that host is written `com.example.host`.
    #[must_use]
    pub fn prepend_host_reverse(mut self, prepend_host_reverse: bool) -> Self {
        self.prepend_host_reverse = prepend_host_reverse;
        self
    }

    /// First part of every name; empty for none.
    #[must_use]
    pub fn global_prefix(mut self, global_prefix: impl Into<String>) -> Self {
        self.global_prefix = global_prefix.into();
        self
    }

    /// The host that names carry, in place of the system's host name; empty for the system's.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into()).filter(|host: &String| !host.is_empty());
        self
    }

    /// Whether names carry the node's UUID, after the host.
    #[must_use]
    pub fn prepend_uuid(mut self, prepend_uuid: bool) -> Self {
        self.prepend_uuid = prepend_uuid;
        self
    }

    /// The UUID of the node that the program runs on; empty for none.
    #[must_use]
    pub fn uuid(mut self, uuid: impl Into<String>) -> Self {
        self.uuid = Some(uuid.into()).filter(|uuid: &String| !uuid.is_empty());
        self
    }

    /// How often an agent asks its conductor whether its configuration has changed; at least 1 s.
    #[must_use]
    pub fn lookup_interval(mut self, lookup_interval: Duration) -> Self {
        self.lookup_interval = lookup_interval;
        self
    }

    /// How long the shutdown guard may deliver, up to a day.
    #[must_use]
    pub fn shutdown_deadline(mut self, shutdown_deadline: Duration) -> Self {
        self.shutdown_deadline = shutdown_deadline;
        self
    }

    /// What the statsd server understands.
    #[must_use]
    pub fn statsd_dialect(mut self, dialect: Dialect) -> Self {
        self.statsd.dialect = dialect;
        self
    }

    /// How statsd lines travel; [`Transport::Unix`] needs [`Config::statsd_path`].
    #[must_use]
    pub fn statsd_transport(mut self, transport: Transport) -> Self {
        self.statsd.transport = transport;
        self
    }

    /// The socket of [`Transport::Unix`].
    #[must_use]
    pub fn statsd_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.statsd.path = Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
        self
    }

    /// Payload of one statsd datagram in bytes, 64 to 65507.
    #[must_use]
    pub fn statsd_max_datagram(mut self, max_datagram: usize) -> Self {
        self.statsd.max_datagram = max_datagram;
        self
    }

    /// Time between two deliveries to statsd, at least 10 ms.
    #[must_use]
    pub fn statsd_interval(mut self, interval: Duration) -> Self {
        self.statsd.interval = interval;
        self
    }

    /// Time after which gauges and counts in flight that did not change are sent to statsd again; zero: only to a server that was away.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// // A server that forgets a gauge after ten seconds hears of each one three times in that time.
    /// let config = ferrometer::Config::new().statsd_state_interval(Duration::from_secs(3));
    /// assert!(config.validate().is_ok());
    /// ```
    #[must_use]
    pub fn statsd_state_interval(mut self, state_interval: Duration) -> Self {
        self.statsd.state_interval = Some(state_interval);
        self
    }

    /// Sets where labels stand on a statsd line, whatever the dialect says.
    #[must_use]
    pub fn statsd_labels(mut self, labels: StatsdLabels) -> Self {
        self.statsd.labels = Some(labels);
        self
    }

    /// Sets how several values share a statsd line, whatever the dialect says.
    #[must_use]
    pub fn statsd_values(mut self, values: StatsdValues) -> Self {
        self.statsd.values = Some(values);
        self
    }

    /// Sets how a negative gauge is written for statsd, whatever the dialect says.
    #[must_use]
    pub fn statsd_negative_gauges(mut self, negative_gauges: NegativeGauges) -> Self {
        self.statsd.negative_gauges = Some(negative_gauges);
        self
    }

    /// Sets which kinds carry their sample rate to statsd, whatever the dialect says.
    #[must_use]
    pub fn statsd_rates(mut self, rates: StatsdRates) -> Self {
        self.statsd.rates = Some(rates);
        self
    }

    /// Sets the type behind a histogram's values for statsd, whatever the dialect says.
    #[must_use]
    pub fn statsd_histograms(mut self, histograms: StatsdHistograms) -> Self {
        self.statsd.histograms = Some(histograms);
        self
    }

    /// Time after which the statsd host is looked up again, at least 1 s.
    #[must_use]
    pub fn statsd_resolve_interval(mut self, resolve_interval: Duration) -> Self {
        self.statsd.resolve_interval = resolve_interval;
        self
    }

    /// Time between two generations of the pull cache, at least 1 s.
    #[must_use]
    pub fn pull_cache_interval(mut self, interval: Duration) -> Self {
        self.pull_cache.interval = interval;
        self
    }

    /// Old generations that the pull cache keeps, 1 to 100000.
    #[must_use]
    pub fn pull_cache_generations(mut self, generations: usize) -> Self {
        self.pull_cache.generations = generations;
        self
    }

    /// How much older than the newest a generation of the pull cache may be, 1 s to 24 h.
    #[must_use]
    pub fn pull_cache_window(mut self, window: Duration) -> Self {
        self.pull_cache.window = window;
        self
    }

    /// Time without a recording after which the pull cache does not show a series with labels, until its next recording; zero, the default,
    /// for never.
    #[must_use]
    pub fn pull_cache_idle_after(mut self, idle_after: Duration) -> Self {
        self.pull_cache.idle_after = Some(idle_after);
        self
    }

    /// A directory in which the pull cache keeps its generations too, for other processes and for after the end of this one.
    #[must_use]
    pub fn pull_cache_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.pull_cache.path = Some(path.into());
        self
    }

    /// Whether the pull cache is served over HTTP.
    #[must_use]
    pub fn pull_cache_http(mut self, http: bool) -> Self {
        self.pull_cache.http = http;
        self
    }

    /// Where the pull cache is served; port 0 takes a free one.
    #[must_use]
    pub fn pull_cache_address(mut self, address: SocketAddr) -> Self {
        self.pull_cache.address = address;
        self
    }

    /// Whether a browser that asks the pull cache's endpoint for `/` gets the page; needs the cargo feature `page`.
    #[must_use]
    pub fn pull_cache_page(mut self, page: bool) -> Self {
        self.pull_cache.page = page;
        self
    }

    /// PEM file with the certificate chain of the pull cache's endpoint; needs [`Config::pull_cache_tls_key`].
    #[must_use]
    pub fn pull_cache_tls_cert(mut self, path: impl Into<PathBuf>) -> Self {
        self.pull_cache.tls_cert = Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
        self
    }

    /// PEM file with the key of [`Config::pull_cache_tls_cert`].
    #[must_use]
    pub fn pull_cache_tls_key(mut self, path: impl Into<PathBuf>) -> Self {
        self.pull_cache.tls_key = Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
        self
    }

    /// Who may read the pull cache: each `name=sha256:<64 hex digits>`. Replaces what was set before.
    #[must_use]
    pub fn pull_cache_tokens<I>(mut self, texts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.pull_cache.tokens = Tokens::new(texts.into_iter().map(Into::into).collect());
        self
    }

    /// File of further tokens, read again when it changes.
    #[must_use]
    pub fn pull_cache_tokens_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pull_cache.tokens_file = Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
        self
    }

    /// Whether an address that other machines can reach may be served without TLS.
    #[must_use]
    pub fn pull_cache_allow_plaintext(mut self, allow: bool) -> Self {
        self.pull_cache.allow_plaintext = allow;
        self
    }

    /// Whether an address that other machines can reach may be served without tokens.
    #[must_use]
    pub fn pull_cache_allow_anonymous(mut self, allow: bool) -> Self {
        self.pull_cache.allow_anonymous = allow;
        self
    }

    /// Further names or addresses by which the endpoint may be asked. Replaces what was set before.
    #[must_use]
    pub fn pull_cache_allowed_hosts<I>(mut self, texts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.pull_cache.allowed_hosts = texts.into_iter().map(Into::into).collect();
        self
    }

    /// Connections to the endpoint at a time, 1 to 65536.
    #[must_use]
    pub fn pull_cache_max_connections(mut self, most: usize) -> Self {
        self.pull_cache.max_connections = most;
        self
    }

    /// Answers of the endpoint in progress at a time, 1 to 65536.
    #[must_use]
    pub fn pull_cache_max_requests(mut self, most: usize) -> Self {
        self.pull_cache.max_requests = most;
        self
    }

    /// Longest query string in bytes, 64 to 65536.
    #[must_use]
    pub fn pull_cache_max_query_bytes(mut self, most: usize) -> Self {
        self.pull_cache.max_query_bytes = most;
        self
    }

    /// Headers of a request in bytes, 256 to 1048576.
    #[must_use]
    pub fn pull_cache_max_header_bytes(mut self, most: usize) -> Self {
        self.pull_cache.max_header_bytes = most;
        self
    }

    /// How long a client may take to send its request, at least 10 ms.
    #[must_use]
    pub fn pull_cache_header_timeout(mut self, most: Duration) -> Self {
        self.pull_cache.header_timeout = most;
        self
    }

    /// How long a client may take to make room for more of its answer, at least 10 ms.
    #[must_use]
    pub fn pull_cache_write_timeout(mut self, most: Duration) -> Self {
        self.pull_cache.write_timeout = most;
        self
    }

    /// How long an answer of the endpoint may take, at least 10 ms.
    #[must_use]
    pub fn pull_cache_answer_timeout(mut self, most: Duration) -> Self {
        self.pull_cache.answer_timeout = most;
        self
    }

    /// How long a connection to the endpoint may wait for its next request, at least 10 ms.
    #[must_use]
    pub fn pull_cache_idle_timeout(mut self, most: Duration) -> Self {
        self.pull_cache.idle_timeout = most;
        self
    }

    /// Which totals the pull cache serves for Prometheus: those of the newest generation, or of the moment of the scrape.
    #[must_use]
    pub fn pull_cache_scrape(mut self, scrape: Scrape) -> Self {
        self.pull_cache.scrape = scrape;
        self
    }

    /// Whether the pull cache shows Prometheus the process' own metrics too.
    #[must_use]
    pub fn pull_cache_process_metrics(mut self, process_metrics: bool) -> Self {
        self.pull_cache.process_metrics = process_metrics;
        self
    }

    /// Whether the pull cache records the node's own metrics.
    #[must_use]
    pub fn pull_cache_host_metrics(mut self, host_metrics: bool) -> Self {
        self.pull_cache.host_metrics = host_metrics;
        self
    }

    /// Whether the endpoint serves the routes of Proxmox too.
    #[must_use]
    pub fn pull_cache_proxmox(mut self, proxmox: bool) -> Self {
        self.pull_cache.proxmox = proxmox;
        self
    }

    /// The name of this node on the routes of Proxmox.
    #[must_use]
    pub fn pull_cache_node(mut self, node: impl Into<String>) -> Self {
        self.pull_cache.node = Some(node.into());
        self
    }

    /// How long each other node may take to answer, 10 ms to a minute.
    #[must_use]
    pub fn pull_cache_peer_timeout(mut self, most: Duration) -> Self {
        self.pull_cache.peer_timeout = most;
        self
    }

    /// How much all other nodes together may answer to one question in bytes, 65536 to 4294967296.
    #[must_use]
    pub fn pull_cache_max_peer_bytes(mut self, most: usize) -> Self {
        self.pull_cache.max_peer_bytes = most;
        self
    }

    /// One more node whose rows the pull cache shows too.
    #[must_use]
    pub fn peer(mut self, peer: Peer) -> Self {
        self.pull_cache.peers.push(peer);
        self
    }

    /// Loggers in all, 1 to 131072.
    #[must_use]
    pub fn max_loggers(mut self, max_loggers: usize) -> Self {
        self.limits.max_loggers = max_loggers;
        self
    }

    /// Series in all, 1 to 131072.
    #[must_use]
    pub fn max_instruments(mut self, max_instruments: usize) -> Self {
        self.limits.max_instruments = max_instruments;
        self
    }

    /// Distinct sets of labels in all, 1 to 131072.
    #[must_use]
    pub fn max_label_sets(mut self, max_label_sets: usize) -> Self {
        self.limits.max_label_sets = max_label_sets;
        self
    }

    /// Threads with cells of their own, 1 to 65536.
    #[must_use]
    pub fn max_threads(mut self, max_threads: usize) -> Self {
        self.limits.max_threads = max_threads;
        self
    }

    /// Memory of the threads' own cells in bytes, from 65536; beyond it threads share.
    #[must_use]
    pub fn max_cell_bytes(mut self, max_cell_bytes: usize) -> Self {
        self.limits.max_cell_bytes = max_cell_bytes;
        self
    }

    /// Timer values that a thread holds between two collections: a power of two, 64 to 65536.
    #[must_use]
    pub fn timer_chunk(mut self, timer_chunk: usize) -> Self {
        self.limits.timer_chunk = timer_chunk;
        self
    }

    /// Single timer values held for one backend, 64 to 67108864.
    #[must_use]
    pub fn max_held_values(mut self, max_held_values: usize) -> Self {
        self.limits.max_held_values = max_held_values;
        self
    }

    /// One more rule for a logger and those below it.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}
