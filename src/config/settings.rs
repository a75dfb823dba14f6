//! The table of the configuration: every key, in the order of the reference, as a row of the struct that holds its value.
//!
//! Reading, checking, messages, variables, defaults, setters, the reference (`docs/configuration.md`) and what a backend is told all come
//! from here; [`table`](super::table) explains a row. This is one file, longer than others, so that there is one place to look.

#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::choices::*;
use super::faults::{destination_fault, host_fault};
use super::for_agents::ForAgents;
use super::kind::Kind::{self, Host};
#[cfg_attr(not(feature = "every-key"), allow(unused_imports))]
use super::kind::{Texts, at_least_ms, between, bounds_above, file, headers, labels, length, pairs, path, up_to};
use super::origin::Origin;
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use super::peer::Peer;
use super::rule::Rule;
#[cfg_attr(not(feature = "every-key"), allow(unused_imports))]
use super::setting::{Field, FromGiven, Hidden, Pairs, Setting, Tokens};
use super::table::{Fallback, Fields, Key, settings};
use super::view::View;

/// The backends, as `metrics.backend` names them, the first for none; and other words for them.
const BACKENDS: Kind = Kind::Backends(
    &["noop", "statsd", "prometheus", "pull-cache", "graphite", "influxdb", "otlp", "remote-write", "archive"],
    &[
        ("none", "\"noop\""),
        ("off", "\"noop\""),
        ("disabled", "\"noop\""),
        ("datadog", "\"statsd\", with metrics.statsd.dialect = \"dogstatsd\""),
        ("dogstatsd", "\"statsd\", with metrics.statsd.dialect = \"dogstatsd\""),
        ("telegraf", "\"statsd\", with metrics.statsd.dialect = \"telegraf\""),
        ("collectd", "\"statsd\", with metrics.statsd.dialect = \"collectd\""),
        ("gnocchi", "\"statsd\", with metrics.statsd.dialect = \"gnocchi\""),
        ("vector", "\"statsd\", with metrics.statsd.dialect = \"tagged\""),
        ("netdata", "\"statsd\", with metrics.statsd.dialect = \"plain\""),
        ("carbon", "\"graphite\""),
        ("otel", "\"otlp\""),
        ("opentelemetry", "\"otlp\""),
        ("openmetrics", "\"prometheus\""),
        ("mimir", "\"remote-write\""),
        ("thanos", "\"remote-write\""),
        ("cortex", "\"remote-write\""),
        ("victoriametrics", "\"remote-write\""),
        ("prometheus-remote-write", "\"remote-write\""),
        ("proxmox", "\"pull-cache\", with metrics.pull_cache.proxmox = true"),
        ("http", "\"pull-cache\", with metrics.pull_cache.http = true"),
    ],
);

/// Servers that have no dialect of their own, and the one they read.
const DIALECTS: Kind = Kind::Server(
    Dialect::NAMES,
    &[
        ("statsd", "etsy"),
        ("datadog", "dogstatsd"),
        ("netdata", "plain"),
        ("statsdly", "plain"),
        ("navdoon", "plain"),
        ("vector", "tagged"),
        ("otel", "tagged"),
        ("opentelemetry", "tagged"),
    ],
);

/// A list of hosts, each as [`Kind::Host`] takes it.
#[cfg_attr(not(feature = "every-key"), allow(dead_code))]
const HOSTS: Kind = Kind::Texts(&Texts {
    expected: "a list of host names or IP addresses",
    fault: |text| host_fault(text).map(str::to_owned),
    secret: false,
});

/// A list of hosts, of names below one, and of networks.
#[cfg_attr(not(feature = "every-key"), allow(dead_code))]
const DESTINATIONS: Kind = Kind::Texts(&Texts {
    expected: "a list of host names, IP addresses, networks such as \"10.0.0.0/8\", and ends of names such as \"*.example.com\"",
    fault: |text| destination_fault(text).map(str::to_owned),
    secret: false,
});

settings! {
    /// The configuration: how recordings are kept and where they go.
    ///
    /// Made in code (below), from the environment ([`Config::from_env`]) or from a TOML file with the environment over it
    /// (`Config::from_file`, with the cargo feature `config-file`). Values from file and environment are checked when they are read; those
    /// made or changed in code are checked by [`Config::validate`], by the same rules.
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
    ["metrics."] Config of Config at () fills () {
        /// Destinations of recordings. `noop` switches recording off and stands alone; in a list, no name comes twice.
        backend: Vec<String> = "noop" in BACKENDS, eg ["statsd", "pull-cache"], set backend_list(list);
        /// Host name or IP address of the statsd server.
        statsd_host: String = "localhost" in Host, eg "metrics.example.com", also "metrics_statsd", set statsd_host(into String);
        /// UDP or TCP port of the statsd server.
        statsd_port: u16 = 8125 in between(1, 65535), eg 9125, also "metrics_statsd", set statsd_port(u16);
        /// Makes names carry the host, after the global prefix.
        prepend_host: bool = false, eg true, set prepend_host(bool);
        /// Writes that host with its parts reversed: `com.example.host`. An IP address is never reversed.
        prepend_host_reverse: bool = false, eg true, set prepend_host_reverse(bool);
        /// First part of every name; empty for none.
        global_prefix: String = "" in length(0, 256), eg "prod", set global_prefix(into String);
        /// The host that names carry with `prepend_host`; empty for the system's.
        host: Option<String> = unset "the system's host name" in length(0, 253), eg "web1.example.com", set host(into String);
        /// Labels of the whole process, which every series has unless it has one of that name itself; in a file also a table:
        /// `labels = { zone = "b" }`.
        labels: Pairs = unset "none" in labels(), eg ["service=shop", "zone=b"], set labels(list);
        /// Makes names carry the node's UUID, after the host. Needs `uuid`, but in an agent, which is told it.
        prepend_uuid: bool = false, eg true, set prepend_uuid(bool);
        /// The UUID of the node that the program runs on, which names carry with `prepend_uuid`; empty for none.
        uuid: Option<String> = unset "none" in Kind::Uuid, eg "1be26c0b-03f2-4d2e-ae87-c02d7f33c123", set uuid(into String);
        /// Time after which an agent asks its conductor whether its configuration has changed; a tenth more or less.
        lookup_interval: Duration = "60s" in at_least_ms(1_000), eg "5m", set lookup_interval(Duration);
        /// Time after which the metrics of the process itself (CPU time, memory, file descriptors, threads) are recorded again, for every backend. Needs the
        /// cargo feature `process-metrics`.
        process_interval: Option<Duration> = unset "they are not recorded" in at_least_ms(100), eg "10s", set process_interval(Duration);
        /// Offers exemplars for counters, timers and histograms where no view says otherwise: with their totals, the trace of one recording. Needs something that
        /// tells the trace: the cargo feature `opentelemetry-context`, or a function of the program's.
        exemplars: bool = false, eg true, set exemplars(bool);
        /// Time in which the shutdown guard may deliver what is pending.
        shutdown_deadline: Duration = "2s" in at_least_ms(0), eg "500ms", set shutdown_deadline(Duration);
    }
    and {
        /// `[metrics.statsd]`.
        pub statsd: Statsd = Statsd::bare();
        /// `[metrics.pull_cache]`.
        #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
        pub pull_cache: PullCache = PullCache::bare();
        /// `[metrics.graphite]`.
        #[cfg(any(feature = "graphite", feature = "every-key"))]
        pub graphite: Graphite = Graphite::bare();
        /// `[metrics.influxdb]`.
        #[cfg(any(feature = "influxdb", feature = "every-key"))]
        pub influxdb: Influxdb = Influxdb::bare();
        /// `[metrics.otlp]`.
        #[cfg(any(feature = "otlp", feature = "every-key"))]
        pub otlp: Otlp = Otlp::bare();
        /// `[metrics.remote_write]`.
        #[cfg(any(feature = "remote-write", feature = "every-key"))]
        pub remote_write: RemoteWrite = RemoteWrite::bare();
        /// `[metrics.archive]`.
        #[cfg(any(feature = "archive", feature = "every-key"))]
        pub archive: Archive = Archive::bare();
        /// `[metrics.prometheus]`: what of it is not `[metrics.pull_cache]`'s too.
        #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
        pub prometheus: Prometheus = Prometheus::bare();
        /// `[metrics.metric_servers]`.
        #[cfg(any(feature = "metric-servers", feature = "every-key"))]
        pub metric_servers: MetricServers = MetricServers::bare();
        /// `[metrics.limits]`.
        pub limits: Limits = Limits::bare();
        /// `[metrics.loggers]`, in the order they were given; see [`Config::rules`].
        pub rules: Vec<Rule> = Vec::new();
        /// `[[metrics.views]]`, in the order they were given, in which they are applied; see [`Config::views`].
        pub views: Vec<View> = Vec::new();
        /// Keys with the prefix `agent_`: what a conductor tells its agents.
        pub(crate) agent: ForAgents = ForAgents::default();
        /// The sources; no key.
        pub(crate) origin: Origin = Origin::default();
    }
}

settings! {
    /// The statsd backend, but for host and port, which are [`Config`]'s own.
    #[derive(Debug, Clone, PartialEq)]
    ["metrics.statsd."] Statsd of Config at (statsd) fills (ferrometer_statsd::Settings, feature = "statsd") {
        /// Extensions that the statsd server understands beyond the common lines; see [statsd.md](statsd.md) for which server takes which.
        /// Each part of a dialect is a key of its own below.
        dialect: Dialect = "etsy" in DIALECTS, eg "dogstatsd", set statsd_dialect(Dialect), to dialect (always);
        /// Follows Datadog's variables, for the dialect `dogstatsd`: host and port are those of `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT`, and
        /// every series has the labels `env`, `service` and `version` of `DD_ENV`, `DD_SERVICE` and `DD_VERSION`, unless a key here says otherwise.
        datadog_variables: bool = false, eg true, set statsd_datadog_variables(bool);
        /// The way on which lines travel. `unix` (datagrams to a local socket) needs `path`.
        transport: Transport = "udp", eg "tcp", set statsd_transport(Transport);
        /// The socket of the transport `unix`; not looked at with another transport. Empty for none.
        path: Option<PathBuf> = unset "none" in path(107), eg "/run/statsd.sock", set statsd_path(into PathBuf);
        /// Payload of one datagram. 1432 fits any Ethernet, 8932 jumbo frames, 512 the open internet.
        max_datagram: usize = 1432 in between(64, 65507), eg 8932, unit "bytes", set statsd_max_datagram(usize), to max_datagram (always);
        /// Time between two deliveries.
        interval: Duration = "1s" in at_least_ms(10), eg "10s", set statsd_interval(Duration);
        /// Time after which gauges and counts in flight that did not change are sent again, for servers that forget; 0: only to a server
        /// that was away.
        state_interval: Option<Duration> = unset "five intervals, but at most 5 s; each interval where one is longer" in at_least_ms(0),
            eg "3s", set statsd_state_interval(Duration);
        /// Place of labels: within the name, behind the line as `|#key:value`, or behind the name as `,key=value`.
        labels: Option<StatsdLabels> = unset "that of the dialect", eg "dogstatsd", set statsd_labels(StatsdLabels), to labels (mapped);
        /// Several values of a timer or histogram in one line: not at all, as `n:1|ms:2|ms`, or as `n:1:2|ms`.
        values: Option<StatsdValues> = unset "that of the dialect", eg "single", set statsd_values(StatsdValues), to values (mapped);
        /// Form of a negative gauge: as it is, or behind a line that sets it to 0, for servers to which a sign is a change.
        negative_gauges: Option<NegativeGauges> = unset "that of the dialect", eg "zero-first",
            set statsd_negative_gauges(NegativeGauges), to negative_gauges (mapped);
        /// Kinds that carry their sample rate.
        rates: Option<StatsdRates> = unset "that of the dialect", eg "counters", set statsd_rates(StatsdRates), to rates (mapped);
        /// The type behind a histogram's values; `d` is a distribution, whose percentiles Datadog computes over all hosts.
        histograms: Option<StatsdHistograms> = unset "that of the dialect", eg "ms",
            set statsd_histograms(StatsdHistograms), to histograms (mapped);
        /// The type behind a timer's values; `d` is a distribution, whose percentiles Datadog computes over all hosts.
        timers: Option<StatsdTimers> = unset "that of the dialect", eg "d", set statsd_timers(StatsdTimers), to timers (mapped);
        /// Time after which the address of `statsd_host` is looked up again.
        resolve_interval: Duration = "30s" in at_least_ms(1_000), eg "5m", set statsd_resolve_interval(Duration), to resolve_interval (always);
    }
}

#[cfg(any(feature = "graphite", feature = "every-key"))]
settings! {
    /// The graphite backend.
    #[derive(Debug, Clone, PartialEq)]
    ["metrics.graphite."] Graphite of Config at (graphite) fills (ferrometer_graphite::Settings, feature = "graphite") {
        /// Host name or IP address of the server.
        server: String = "localhost" in Host, eg "metrics.example.com", to server (always);
        /// UDP or TCP port of the server.
        port: u16 = 2003 in between(1, 65535), eg 2004, to port (always);
        /// The way on which lines travel.
        proto: Proto = "udp", eg "tcp", to proto (always);
        /// Time that a connection over TCP, or a write to it, may take.
        timeout: Duration = "1s" in at_least_ms(10), eg "7s", to timeout (always);
        /// The largest packet of the network; datagrams have 50 bytes less.
        mtu: usize = 1500 in between(512, 65536), eg 9000, unit "bytes", to mtu (always);
        /// First part of each name: labels of letters, digits and `-`, joined with dots; empty for none.
        path: String = "proxmox" in length(0, 256), eg "prod.web", to path (always);
        /// Sends labels as Graphite's tags, and not folded into the name.
        tags: bool = false, eg true, to tags (always);
        /// Time between two deliveries.
        interval: Duration = "10s" in at_least_ms(10), eg "30s";
    }
}

/// A backend that posts bodies over HTTP: its own rows, and those that all of these share.
#[cfg_attr(not(feature = "every-key"), allow(unused_macros))]
macro_rules! posting {
    (
        $(#[$meta:meta])*
        [$table:literal] $name:ident at $at:tt fills $fills:tt {
            body $body_default:literal in $body_kind:expr, verify $verify:ident, every $interval:literal;
            $($rows:tt)*
        }
    ) => {
        settings! {
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq)]
            [$table] $name of Config at $at fills $fills {
                $($rows)*
                /// The largest body of a request before it is compressed.
                max_body_size: usize = $body_default in $body_kind, eg 5000000, unit "bytes", to max_body_size (always);
                /// Refuses a server whose certificate is not valid or not its own.
                verify_certificate: bool = true, eg false, to $verify (always);
                /// PEM file of the authorities that the certificate may come from, instead of the system's.
                ca: Option<PathBuf> = unset "none" in file(0, 4096), eg "/etc/shop/ca.pem", to ca (if set);
                /// A directory for this backend alone, in which bodies are kept that a server missed; it gets them in order when it is back.
                spool: Option<PathBuf> = unset "none" in file(0, 4096), eg "/var/spool/shop", to spool (if set);
                /// The most that is kept there; beyond it the oldest go.
                spool_max_bytes: u64 = 100000000 in between(1, 1_000_000_000_000), eg 1000000, unit "bytes", to spool_max_bytes (always);
                /// Time between two deliveries.
                interval: Duration = $interval in at_least_ms(10), eg "30s";
            }
        }
    };
}

#[cfg(any(feature = "influxdb", feature = "every-key"))]
posting! {
    /// The influxdb backend.
    ["metrics.influxdb."] Influxdb at (influxdb) fills (ferrometer_influxdb::Settings, feature = "influxdb") {
        body 25000000 in between(1, 1_000_000_000), verify verify_certificate, every "10s";
        /// Host name or IP address of the server.
        server: String = "localhost" in Host, eg "metrics.example.com", to server (always);
        /// Port of the server.
        port: Option<u16> = unset "8089 for udp, 8086 for http and https" in between(1, 65535), eg 9089;
        /// The way on which lines travel.
        proto: InfluxdbProto = "udp", eg "https", to influxdbproto (always);
        /// Routes that the server has: `/api/v2/write`, or `/write` of InfluxDB before 1.8.
        api: InfluxdbApi = "v2", eg "v1", to api (always);
        /// The organization that the bucket belongs to.
        organization: String = "proxmox" in length(1, 256), eg "shop", to organization (always);
        /// The bucket; with `v1` the database.
        bucket: String = "proxmox" in length(1, 256), eg "metrics", to bucket (always);
        /// The token that requests show.
        token: Option<Hidden> = unset "none", eg "s3cr3t";
        /// The part of the path before the route.
        api_path_prefix: String = "" in length(0, 256), eg "/influx", to api_path_prefix (always);
        /// Time that a request may take.
        timeout: Duration = "1s" in at_least_ms(10), eg "7s", to timeout (always);
        /// The largest packet of the network; datagrams have 50 bytes less.
        mtu: usize = 1500 in between(512, 65536), eg 9000, unit "bytes", to mtu (always);
        /// Compresses bodies.
        gzip: bool = true, eg false, to gzip (always);
    }
}

#[cfg(any(feature = "otlp", feature = "every-key"))]
posting! {
    /// The otlp backend. A key that is not set has the value of OpenTelemetry's own variable.
    ["metrics.otlp."] Otlp at (otlp) fills (ferrometer_otlp::Settings, feature = "otlp") {
        body 10000000 in between(1024, 1_000_000_000), verify verify_ssl, every "10s";
        /// Address of the collector.
        url: Option<String> = unset "that of `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` or `_ENDPOINT`, else `http://localhost:4318/v1/metrics`" in length(0, 2048),
            eg "https://collector.example.com:4318/v1/metrics", to url (if set);
        /// Encoding of requests.
        encoding: Option<OtlpEncoding> = unset "that of `OTEL_EXPORTER_OTLP_PROTOCOL`, else `protobuf`", eg "json", to encoding (if set);
        /// Time that counters and histograms cover: all since the start, or since the last delivery.
        temporality: Option<Temporality> = unset "that of `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`, else `cumulative`",
            eg "delta", to temporality (if set);
        /// Form of timers and histograms.
        histograms: Option<OtlpHistograms> = unset "that of `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`, else `exponential`",
            eg "explicit", to histograms (if set);
        /// Time that a request may take.
        timeout: Option<Duration> = unset "that of `OTEL_EXPORTER_OTLP_TIMEOUT`, else 5 seconds" in at_least_ms(10), eg "7s", to timeout (if set);
        /// Further headers of requests.
        headers: Pairs = unset "those of `OTEL_EXPORTER_OTLP_HEADERS`" in headers(), eg ["Authorization=Bearer-x", "X-Shop=1"];
        /// Attributes that describe this process, over those of `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`.
        resource_attributes: Pairs = unset "none" in pairs(), eg ["service.name=shop", "host.name=web1"];
        /// Compression of bodies.
        compression: Option<Compression> = unset "that of `OTEL_EXPORTER_OTLP_COMPRESSION`, else `gzip`", eg "none";
    }
}

#[cfg(any(feature = "remote-write", feature = "every-key"))]
posting! {
    /// The remote-write backend.
    ["metrics.remote_write."] RemoteWrite at (remote_write) fills (ferrometer_remote_write::Settings, feature = "remote-write") {
        body 4000000 in between(8192, 100_000_000), verify verify_certificate, every "15s";
        /// Address of the receiver.
        url: String = "http://localhost:9090/api/v1/write" in length(1, 2048), eg "https://mimir.example.com/api/v1/push", to url (always);
        /// The token that requests show; not beside `user`.
        bearer: Option<Hidden> = unset "none", eg "s3cr3t";
        /// The user that requests show; needs `password`.
        user: Option<String> = unset "none" in length(0, 256), eg "shop";
        /// That user's password.
        password: Option<Hidden> = unset "none", eg "pa55word";
        /// Further headers of requests.
        headers: Pairs = unset "none" in headers(), eg ["X-Scope-OrgID=shop", "X-Shop=1"];
        /// Labels of all series, beside `job`, the program's name, and `instance`, the host's, unless they are given here.
        labels: Pairs = unset "none" in pairs(), eg ["job=shop", "zone=b"];
        /// Form of timers and histograms.
        histograms: PrometheusHistograms = "classic", eg "native", to histograms (always);
        /// Version of requests: the newest that the server takes, or 1.0.
        version: RemoteWriteVersion = "auto", eg "1.0", to version (always);
        /// Time that a request may take.
        timeout: Duration = "5s" in at_least_ms(10), eg "7s", to timeout (always);
        /// The most samples in a request.
        max_samples: usize = 2000 in up_to(1_000_000), eg 2001, to max_samples (always);
    }
}

#[cfg(any(feature = "archive", feature = "every-key"))]
posting! {
    /// The archive backend: an archive in this process, or a server that speaks Gnocchi's API.
    ["metrics.archive."] Archive at (archive) fills (ferrometer_archive_backend::Settings, feature = "archive") {
        body 1000000 in between(8192, 100_000_000), verify verify_certificate, every "10s";
        /// Address of a server: everything before `/v1`. Not beside `path`.
        url: Option<String> = unset "`http://localhost:8041`, unless there is a `path`" in length(0, 2048), eg "https://gnocchi.example.com/gnocchi";
        /// Directory of an archive in this process; it is made where it is missing. Needs the cargo feature `archive-embedded`.
        path: Option<PathBuf> = unset "none: a server" in length(0, 4095), eg "/var/lib/shop/archive";
        /// Serves Gnocchi's API over the archive of `path` below `/gnocchi`, at the endpoint of `[metrics.pull_cache]`. Needs the cargo feature `archive-api`.
        api: bool = false, eg true;
        /// The resource that has the metrics: a UUID, or a text without `/`.
        resource: Option<String> = unset "the program's name, `@` and the host's" in length(0, 255), eg "shop", to resource (if set);
        /// The type of that resource, where it has to be made.
        resource_type: String = "generic" in length(1, 255), eg "service", to resource_type (always);
        /// The archive policy of metrics that are made.
        policy: Option<String> = unset "the one that the rules of the archive choose" in length(0, 255), eg "medium", to policy (always);
        /// Measures of counters: what came since the last delivery, or since the start.
        counters: ArchiveCounters = "delta", eg "total", to counters (always);
        /// The user that requests show.
        user: String = "admin" in length(1, 256), eg "shop";
        /// That user's password, or the token of its name.
        password: Option<Hidden> = unset "none", eg "pa55word";
        /// The token that requests show, in place of the user.
        bearer: Option<Hidden> = unset "none", eg "s3cr3t";
        /// Further headers of requests.
        headers: Pairs = unset "none" in headers(), eg ["X-Remote-User=shop", "X-Shop=1"];
        /// Time that a request may take.
        timeout: Duration = "5s" in at_least_ms(10), eg "7s", to timeout (always);
        /// Compresses bodies: Ferrometer's archive takes them, Gnocchi does not.
        gzip: bool = false, eg true, to gzip (always);
        /// Memory of an archive in this process for raw points.
        memory: usize = 67108864 in between(1 << 20, 1 << 40), eg 16777216, unit "bytes", to memory (always);
    }
}

#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
settings! {
    /// The pull cache, and the endpoint that serves it and the Prometheus exporter.
    #[derive(Debug, Clone, PartialEq)]
    ["metrics.pull_cache."] PullCache of Config at (pull_cache) fills (ferrometer_http::Limits, feature = "prometheus") {
        /// Time between two generations.
        interval: Duration = "10s" in at_least_ms(1_000), eg 30, also "metrics.prometheus", set pull_cache_interval(Duration);
        /// Old generations kept.
        generations: usize = 180 in up_to(100_000), eg 360, unit "generations", set pull_cache_generations(usize);
        /// Age of a generation, counted from the newest, at which it falls out, whatever `generations` says.
        window: Duration = "30m" in at_least_ms(1_000), eg "2h", set pull_cache_window(Duration);
        /// Time without a recording after which a series with labels is no longer in new generations, until its next recording; 0 for never.
        /// Series without labels stay, and for Prometheus all that counts.
        idle_after: Option<Duration> = unset "never" in at_least_ms(0), eg "10m", also "metrics.prometheus", set pull_cache_idle_after(Duration);
        /// A directory in which generations are kept too: for other processes, and for after the end of this one. Empty for none.
        path: Option<PathBuf> = unset "none" in file(0, 4095), eg "/var/lib/shop/metrics", set pull_cache_path(into PathBuf);
        /// Serves the cache over HTTP.
        http: bool = false, eg true, set pull_cache_http(bool);
        /// Address where the cache, or the Prometheus exporter, is served; port 0 takes a free one.
        address: SocketAddr = "127.0.0.1:9620", eg "[::1]:9620", also "metrics.prometheus", set pull_cache_address(SocketAddr);
        /// Shows a browser that asks for `/` a page with every metric. Needs the cargo feature `page`; without it there is an index in text.
        page: bool = true, eg false, set pull_cache_page(bool);
        /// PEM file with the certificate chain; read again when it changes. Needs `tls_key` and the cargo feature `tls`.
        tls_cert: Option<PathBuf> = unset "plain HTTP" in file(1, 4096), eg "/etc/shop/tls.crt", also "metrics.prometheus",
            set pull_cache_tls_cert(into PathBuf);
        /// PEM file with the key of `tls_cert`; read again when it changes.
        tls_key: Option<PathBuf> = unset "plain HTTP" in file(1, 4096), eg "/etc/shop/tls.key", also "metrics.prometheus",
            set pull_cache_tls_key(into PathBuf);
        /// Clients that may read: names, each with the SHA-256 of a long random token. With tokens, every request but `/healthz` and
        /// `/readyz` needs one.
        tokens: Tokens = unset "no tokens are needed, on a loopback address",
            eg ["prometheus=sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"], also "metrics.prometheus",
            set pull_cache_tokens(list);
        /// File of further tokens, one a line: `name=sha256:<64 hex digits>` or `name=plain:<token>`; read again when it changes.
        tokens_file: Option<PathBuf> = unset "none" in file(1, 4096), eg "/run/secrets/metrics-tokens", also "metrics.prometheus",
            set pull_cache_tokens_file(into PathBuf);
        /// Allows an address that other machines can reach to be served without TLS.
        allow_plaintext: bool = false, eg true, also "metrics.prometheus", set pull_cache_allow_plaintext(bool);
        /// Allows an address that other machines can reach to be served without tokens.
        allow_anonymous: bool = false, eg true, also "metrics.prometheus", set pull_cache_allow_anonymous(bool);
        /// Further names or addresses, without port, by which the endpoint may be asked; others get 403.
        allowed_hosts: Vec<String> = unset "`localhost` and loopback addresses, on a loopback address without tokens; elsewhere any" in HOSTS,
            eg ["metrics.example.com"], also "metrics.prometheus", set pull_cache_allowed_hosts(list);
        /// Connections at a time; further ones wait.
        max_connections: usize = 256 in up_to(65_536), eg 64, unit "connections", also "metrics.prometheus",
            set pull_cache_max_connections(usize), to max_connections (always);
        /// Answers in progress at a time; further requests get 503.
        max_requests: usize = 64 in up_to(65_536), eg 16, unit "requests", also "metrics.prometheus",
            set pull_cache_max_requests(usize), to max_requests (always);
        /// Longest query string; a longer one gets 414.
        max_query_bytes: usize = 4096 in between(64, 65536), eg 1024, unit "bytes", also "metrics.prometheus",
            set pull_cache_max_query_bytes(usize), to max_query_bytes (always);
        /// Headers of a request, names and values together (the default is 16 KiB); more get 431.
        max_header_bytes: usize = 16384 in between(256, 1 << 20), eg 8192, unit "bytes", also "metrics.prometheus",
            set pull_cache_max_header_bytes(usize), to max_header_bytes (always);
        /// Time that a client may take for the TLS handshake, and then again to send its request.
        header_timeout: Duration = "5s" in at_least_ms(10), eg "2s", also "metrics.prometheus",
            set pull_cache_header_timeout(Duration), to header_timeout (always);
        /// Time that a client may take to make room for more of its answer.
        write_timeout: Duration = "10s" in at_least_ms(10), eg "3s", also "metrics.prometheus",
            set pull_cache_write_timeout(Duration), to write_timeout (always);
        /// Time that an answer may take, from the whole request to its last byte.
        answer_timeout: Duration = "60s" in at_least_ms(10), eg "30s", also "metrics.prometheus",
            set pull_cache_answer_timeout(Duration), to answer_timeout (always);
        /// Time that a connection may wait for its next request; while others wait for a connection, it is closed at once.
        idle_timeout: Duration = "15s" in at_least_ms(10), eg "5s", also "metrics.prometheus",
            set pull_cache_idle_timeout(Duration), to idle_timeout (always);
        /// Totals that Prometheus gets: those of the newest generation, or those of the moment of the scrape.
        scrape: Scrape = "generation", eg "fresh", also "metrics.prometheus", set pull_cache_scrape(Scrape);
        /// Upper bounds of the buckets of timers at `/metrics`, in seconds. A value up to 12.5 % below a bound may be counted at the next one.
        timer_buckets: Vec<f64> = unset "100 µs to 10 s, three to a power of ten" in bounds_above(Some(0.0)), eg [0.005, 0.05, 0.5, 5.0],
            unit "seconds", also "metrics.prometheus", set pull_cache_timer_buckets(into Vec<f64>);
        /// Upper bounds of the buckets of histograms at `/metrics`, in the unit of what is recorded.
        histogram_buckets: Vec<f64> = unset "the powers of two over the range that occurs" in bounds_above(None), eg [100.0, 1000.0, 10000.0],
            also "metrics.prometheus", set pull_cache_histogram_buckets(into Vec<f64>);
        /// Gives Prometheus the process' own metrics too (`process_cpu_seconds_total`, …); on Linux.
        process_metrics: bool = true, eg false, also "metrics.prometheus", set pull_cache_process_metrics(bool);
        /// Records the node's own metrics, under the names that Proxmox gives them (`cpu_current`, `mem_used`, …); on Linux. Needs the cargo
        /// feature `host-metrics`.
        host_metrics: bool = false, eg true, set pull_cache_host_metrics(bool);
        /// Serves the routes of Proxmox VE and Proxmox Backup Server too. Needs the cargo feature `proxmox`.
        proxmox: bool = false, eg true, set pull_cache_proxmox(bool);
        /// The name of this node on the routes of Proxmox: letters, digits and hyphens.
        node: Option<String> = unset "the system's host name, up to its first dot" in length(0, 63), eg "node1", set pull_cache_node(into String);
        /// Time that each of the `peers` may take to answer; at most a minute.
        peer_timeout: Duration = "5s" in at_least_ms(10), eg "20s", set pull_cache_peer_timeout(Duration);
        /// Bytes that all `peers` together may answer to one question (the default is 64 MiB), each an equal part; a peer that goes beyond is
        /// left out.
        max_peer_bytes: usize = 67108864 in between(65_536, 4 << 30), eg 16777216, unit "bytes", set pull_cache_max_peer_bytes(usize);
    }
    and {
        /// `[[metrics.pull_cache.peers]]`, in the order they were given.
        pub peers: Vec<Peer> = Vec::new();
    }
}

#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
settings! {
    /// The Prometheus exporter, but for what it shares with the pull cache.
    #[derive(Debug, Clone, PartialEq)]
    ["metrics.prometheus."] Prometheus of Config at (prometheus) fills () {
        /// Opens an endpoint for the backend `prometheus`. With `false` the program serves `/metrics` itself, from `Metrics::prometheus`.
        http: bool = true, eg false, set prometheus_http(bool);
    }
}

#[cfg(any(feature = "metric-servers", feature = "every-key"))]
settings! {
    /// The servers that an operator manages while the program runs; see [metric-servers.md](metric-servers.md).
    #[derive(Debug, Clone, PartialEq)]
    ["metrics.metric_servers."] MetricServers of Config at (metric_servers) fills () {
        /// The section file of the servers, in the format of Proxmox VE's `status.cfg`. With it, they are managed over HTTP, at the endpoint
        /// whose keys stand in `[metrics.pull_cache]`. Needs the cargo feature `metric-servers`.
        path: Option<PathBuf> = unset "no servers are managed" in file(1, 4096), eg "/var/lib/shop/status.cfg", set metric_servers_path(into PathBuf);
        /// The directory of their secrets.
        secrets: Option<PathBuf> = unset "`priv/metricserver` beside `path`" in file(1, 4096), eg "/var/lib/shop/secrets",
            set metric_servers_secrets(into PathBuf);
        /// Time between two deliveries to each.
        interval: Duration = "10s" in at_least_ms(10), eg "30s", set metric_servers_interval(Duration);
        /// Destinations that servers may have. Link-local addresses and those of metadata services are never among them.
        allowed_destinations: Vec<String> = unset "all but those that never are" in DESTINATIONS, eg ["10.0.0.0/8", "*.example.com"],
            set metric_servers_allowed_destinations(list);
        /// The most servers.
        max_servers: usize = 32 in up_to(256), eg 8, unit "servers", set metric_servers_max_servers(usize);
    }
}

settings! {
    /// The numbers that bound the memory used.
    #[derive(Debug, Clone, PartialEq)]
    ["metrics.limits."] Limits of Config at (limits) fills (ferrometer_core::Limits, all()) {
        /// Loggers in all.
        max_loggers: usize = 4096 in up_to(1_048_576), eg 100, unit "loggers", set max_loggers(usize), to max_loggers (always);
        /// Series in all, at most 15,232 of them timers and histograms; past it, recordings go to one overflow series per kind.
        max_instruments: usize = 10000 in up_to(1_048_576), eg 50000, unit "series", set max_instruments(usize), to max_instruments (always);
        /// Distinct sets of labels in all.
        max_label_sets: usize = 8192 in up_to(1_048_576), eg 1000, unit "label sets", set max_label_sets(usize), to max_label_sets (always);
        /// Threads with cells of their own; beyond it threads share.
        max_threads: usize = 512 in up_to(65_536), eg 64, unit "threads", set max_threads(usize), to max_threads (always);
        /// Memory of the threads' own cells (the default is 64 MiB); beyond it threads share.
        max_cell_bytes: usize = 67108864 in between(65_536, 1 << 40), eg 16777216, unit "bytes", set max_cell_bytes(usize), to max_cell_bytes (always);
        /// Single timer values that a thread holds between two collections, where a backend wants them singly.
        timer_chunk: usize = 8192 in Kind::PowerOfTwo { min: 64, max: 65_536 }, eg 1024, unit "values", set timer_chunk(usize), to timer_chunk (always);
        /// Single timer values held for one backend.
        max_held_values: usize = 262144 in between(64, 1 << 26), eg 65536, unit "values", set max_held_values(usize), to max_held_values (always);
        /// Places for exemplars: a counter that has them takes one, a timer or histogram 16; past it, series have none.
        max_exemplars: usize = 8192 in up_to(65_536), eg 1024, unit "places", set max_exemplars(usize), to max_exemplars (always);
    }
}

/// The tables, in the order of the reference.
static TABLES: &[&[Key<Config>]] = &[
    Config::KEYS,
    Statsd::KEYS,
    #[cfg(any(feature = "graphite", feature = "every-key"))]
    Graphite::KEYS,
    #[cfg(any(feature = "influxdb", feature = "every-key"))]
    Influxdb::KEYS,
    #[cfg(any(feature = "otlp", feature = "every-key"))]
    Otlp::KEYS,
    #[cfg(any(feature = "remote-write", feature = "every-key"))]
    RemoteWrite::KEYS,
    #[cfg(any(feature = "archive", feature = "every-key"))]
    Archive::KEYS,
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    PullCache::KEYS,
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    Prometheus::KEYS,
    #[cfg(any(feature = "metric-servers", feature = "every-key"))]
    MetricServers::KEYS,
    Limits::KEYS,
];

/// The keys of the configuration, in the order of the reference.
pub(super) fn keys() -> impl Iterator<Item = &'static Key<Config>> {
    // As one list, so that each of many searches is one over a list.
    let mut keys = Vec::with_capacity(TABLES.iter().map(|table| table.len()).sum());
    TABLES.iter().for_each(|table| keys.extend(*table));
    keys.into_iter()
}
