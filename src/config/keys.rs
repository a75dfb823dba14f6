//! The table of keys: the one place that knows them.
//!
//! Reading, checking, messages, names in the environment, defaults and the reference (`docs/configuration.md`) all come
//! from here. A new key is a row here, a field in [`super::settings`] and a setter in [`super::builder`].

use std::time::Duration;

use super::key::{Default, Key};
use super::kind::Kind;
use super::peer::Peer;
use super::rule::Rule;
use super::settings::{Config, Dialect, Scrape, Tokens, Transport};
use super::value::Value;

/// Bytes of a name; longer ones are never sent.
pub(super) const LONGEST_NAME: usize = 512;

const fn count(max: i128) -> Kind {
    Kind::Integer { min: 1, max }
}

/// The keys of the configuration, in the order of the reference.
pub(super) static KEYS: &[Key<Config>] = &[
    Key {
        path: "metrics.backend",
        alias: None,
        kind: Kind::Backends(&["noop", "statsd", "pull-cache"]),
        default: Default::Text("noop"),
        unit: "",
        doc: "Where recordings go. `noop` switches recording off and stands alone; in a list, no name comes twice.",
        example: r#"["statsd", "pull-cache"]"#,
        get: |c| Some(backend_value(&c.backend)),
        set: |c, value| c.backend = value.into_texts(),
    },
    Key {
        path: "metrics.statsd_host",
        alias: Some("metrics_statsd.statsd_host"),
        kind: Kind::Host,
        default: Default::Text("localhost"),
        unit: "",
        doc: "Host name or IP address of the statsd server.",
        example: r#""metrics.example.com""#,
        get: |c| Some(Value::text(&c.statsd_host)),
        set: |c, value| c.statsd_host = value.into_text(),
    },
    Key {
        path: "metrics.statsd_port",
        alias: Some("metrics_statsd.statsd_port"),
        kind: Kind::Integer { min: 1, max: 65535 },
        default: Default::Integer(8125),
        unit: "",
        doc: "UDP or TCP port of the statsd server.",
        example: "9125",
        get: |c| Some(Value::integer(c.statsd_port)),
        set: |c, value| c.statsd_port = value.into_integer(),
    },
    Key {
        path: "metrics.prepend_host",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether names carry the host, after the global prefix.",
        example: "true",
        get: |c| Some(Value::Bool(c.prepend_host)),
        set: |c, value| c.prepend_host = value.into_bool(),
    },
    Key {
        path: "metrics.prepend_host_reverse",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether that host is written with its parts reversed: `com.example.host`. IP addresses never are.",
        example: "true",
        get: |c| Some(Value::Bool(c.prepend_host_reverse)),
        set: |c, value| c.prepend_host_reverse = value.into_bool(),
    },
    Key {
        path: "metrics.global_prefix",
        alias: None,
        kind: Kind::Text { min: 0, max: 256 },
        default: Default::Text(""),
        unit: "",
        doc: "First part of every name; empty for none.",
        example: r#""prod""#,
        get: |c| Some(Value::text(&c.global_prefix)),
        set: |c, value| c.global_prefix = value.into_text(),
    },
    Key {
        path: "metrics.host",
        alias: None,
        kind: Kind::Text { min: 0, max: 253 },
        default: Default::Absent("the system's host name"),
        unit: "",
        doc: "The host that names carry with `prepend_host`; empty for the system's.",
        example: r#""web1.example.com""#,
        get: |c| c.host.as_deref().map(Value::text),
        set: |c, value| c.host = value.into_optional_text(),
    },
    Key {
        path: "metrics.shutdown_deadline",
        alias: None,
        kind: Kind::Duration { min: Duration::ZERO },
        default: Default::Text("2s"),
        unit: "seconds",
        doc: "How long the shutdown guard may deliver what is pending.",
        example: r#""500ms""#,
        get: |c| Some(Value::Duration(c.shutdown_deadline)),
        set: |c, value| c.shutdown_deadline = value.into_duration(),
    },
    Key {
        path: "metrics.statsd.dialect",
        alias: None,
        kind: Kind::Choice(Dialect::NAMES),
        default: Default::Text("etsy"),
        unit: "",
        doc: "What the statsd server understands beyond the common lines.",
        example: r#""dogstatsd""#,
        get: |c| Some(Value::text(c.statsd.dialect.as_str())),
        set: |c, value| c.statsd.dialect = Dialect::from_name(&value.into_text()).unwrap_or(Dialect::Etsy),
    },
    Key {
        path: "metrics.statsd.transport",
        alias: None,
        kind: Kind::Choice(Transport::NAMES),
        default: Default::Text("udp"),
        unit: "",
        doc: "How lines travel. `unix` (datagrams to a local socket) needs `path`.",
        example: r#""tcp""#,
        get: |c| Some(Value::text(c.statsd.transport.as_str())),
        set: |c, value| c.statsd.transport = Transport::from_name(&value.into_text()).unwrap_or(Transport::Udp),
    },
    Key {
        path: "metrics.statsd.path",
        alias: None,
        kind: Kind::Text { min: 0, max: 107 },
        default: Default::Absent("none"),
        unit: "",
        doc: "The socket of the transport `unix`; not looked at with another transport. Empty for none.",
        example: r#""/run/statsd.sock""#,
        get: |c| c.statsd.path.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |c, value| c.statsd.path = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "metrics.statsd.max_datagram",
        alias: None,
        kind: Kind::Integer { min: 64, max: 65507 },
        default: Default::Integer(1432),
        unit: "bytes",
        doc: "Payload of one datagram. 1432 fits any Ethernet, 8932 jumbo frames, 512 the open internet.",
        example: "8932",
        get: |c| Some(Value::integer(c.statsd.max_datagram)),
        set: |c, value| c.statsd.max_datagram = value.into_integer(),
    },
    Key {
        path: "metrics.statsd.interval",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("1s"),
        unit: "seconds",
        doc: "Time between two deliveries.",
        example: r#""10s""#,
        get: |c| Some(Value::Duration(c.statsd.interval)),
        set: |c, value| c.statsd.interval = value.into_duration(),
    },
    Key {
        path: "metrics.statsd.resolve_interval",
        alias: None,
        kind: Kind::Duration { min: Duration::from_secs(1) },
        default: Default::Text("30s"),
        unit: "seconds",
        doc: "Time after which the address of `statsd_host` is looked up again.",
        example: r#""5m""#,
        get: |c| Some(Value::Duration(c.statsd.resolve_interval)),
        set: |c, value| c.statsd.resolve_interval = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.interval",
        alias: None,
        kind: Kind::Duration { min: Duration::from_secs(1) },
        default: Default::Text("10s"),
        unit: "seconds",
        doc: "Time between two generations.",
        example: r#"30"#,
        get: |c| Some(Value::Duration(c.pull_cache.interval)),
        set: |c, value| c.pull_cache.interval = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.generations",
        alias: None,
        kind: count(100_000),
        default: Default::Integer(180),
        unit: "generations",
        doc: "Old generations kept.",
        example: "360",
        get: |c| Some(Value::integer(c.pull_cache.generations)),
        set: |c, value| c.pull_cache.generations = value.into_integer(),
    },
    Key {
        path: "metrics.pull_cache.window",
        alias: None,
        kind: Kind::Duration { min: Duration::from_secs(1) },
        default: Default::Text("30m"),
        unit: "seconds",
        doc: "How much older than the newest a generation may be; older ones fall out, whatever `generations` says.",
        example: r#""2h""#,
        get: |c| Some(Value::Duration(c.pull_cache.window)),
        set: |c, value| c.pull_cache.window = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.idle_after",
        alias: None,
        kind: Kind::Duration { min: Duration::ZERO },
        default: Default::Absent("the window"),
        unit: "seconds",
        doc: "Time without a recording after which a series is no longer in new generations, until its next recording; 0 for never.",
        example: r#""10m""#,
        get: |c| c.pull_cache.idle_after.map(Value::Duration),
        set: |c, value| c.pull_cache.idle_after = Some(value.into_duration()),
    },
    Key {
        path: "metrics.pull_cache.path",
        alias: None,
        kind: Kind::Text { min: 0, max: 4095 },
        default: Default::Absent("none"),
        unit: "",
        doc: "A directory in which generations are kept too: for other processes, and for after the end of this one. Empty for none.",
        example: r#""/var/lib/shop/metrics""#,
        get: |c| c.pull_cache.path.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |c, value| c.pull_cache.path = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "metrics.pull_cache.http",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether the cache is served over HTTP.",
        example: "true",
        get: |c| Some(Value::Bool(c.pull_cache.http)),
        set: |c, value| c.pull_cache.http = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.address",
        alias: None,
        kind: Kind::SocketAddress,
        default: Default::Text("127.0.0.1:9620"),
        unit: "",
        doc: "Where the cache is served; port 0 takes a free one.",
        example: r#""[::1]:9620""#,
        get: |c| Some(Value::text(c.pull_cache.address.to_string())),
        set: |c, value| {
            if let Ok(address) = value.into_text().parse() {
                c.pull_cache.address = address;
            }
        },
    },
    Key {
        path: "metrics.pull_cache.page",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(true),
        unit: "",
        doc: "Whether a browser that asks for `/` gets a page that shows every metric. Needs the cargo feature `page`; without it there is an index in text.",
        example: "false",
        get: |c| Some(Value::Bool(c.pull_cache.page)),
        set: |c, value| c.pull_cache.page = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.tls_cert",
        alias: None,
        kind: Kind::Text { min: 1, max: 4096 },
        default: Default::Absent("plain HTTP"),
        unit: "",
        doc: "PEM file with the certificate chain; read again when it changes. Needs `tls_key` and the cargo feature `tls`.",
        example: r#""/etc/shop/tls.crt""#,
        get: |c| c.pull_cache.tls_cert.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |c, value| c.pull_cache.tls_cert = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "metrics.pull_cache.tls_key",
        alias: None,
        kind: Kind::Text { min: 1, max: 4096 },
        default: Default::Absent("plain HTTP"),
        unit: "",
        doc: "PEM file with the key of `tls_cert`; read again when it changes.",
        example: r#""/etc/shop/tls.key""#,
        get: |c| c.pull_cache.tls_key.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |c, value| c.pull_cache.tls_key = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "metrics.pull_cache.tokens",
        alias: None,
        kind: Kind::Tokens,
        default: Default::Absent("no tokens are needed, on a loopback address"),
        unit: "",
        doc: "Who may read: names, each with the SHA-256 of a long random token. With tokens, every request but `/healthz` and `/readyz` needs one.",
        example: r#"["prometheus=sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"]"#,
        get: |c| c.pull_cache.tokens.value(),
        set: |c, value| c.pull_cache.tokens = Tokens::new(value.into_texts()),
    },
    Key {
        path: "metrics.pull_cache.tokens_file",
        alias: None,
        kind: Kind::Text { min: 1, max: 4096 },
        default: Default::Absent("none"),
        unit: "",
        doc: "File of further tokens, one a line: `name=sha256:<64 hex digits>` or `name=plain:<token>`; read again when it changes.",
        example: r#""/run/secrets/metrics-tokens""#,
        get: |c| c.pull_cache.tokens_file.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |c, value| c.pull_cache.tokens_file = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "metrics.pull_cache.allow_plaintext",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether an address that other machines can reach may be served without TLS.",
        example: "true",
        get: |c| Some(Value::Bool(c.pull_cache.allow_plaintext)),
        set: |c, value| c.pull_cache.allow_plaintext = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.allow_anonymous",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether an address that other machines can reach may be served without tokens.",
        example: "true",
        get: |c| Some(Value::Bool(c.pull_cache.allow_anonymous)),
        set: |c, value| c.pull_cache.allow_anonymous = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.allowed_hosts",
        alias: None,
        kind: Kind::Hosts,
        default: Default::Absent(
            "`localhost` and loopback addresses, on a loopback address without tokens; elsewhere any",
        ),
        unit: "",
        doc: "Further names or addresses, without port, by which the endpoint may be asked; others get 403.",
        example: r#"["metrics.example.com"]"#,
        get: |c| {
            (!c.pull_cache.allowed_hosts.is_empty())
                .then(|| Value::List(c.pull_cache.allowed_hosts.iter().map(Value::text).collect()))
        },
        set: |c, value| c.pull_cache.allowed_hosts = value.into_texts(),
    },
    Key {
        path: "metrics.pull_cache.max_connections",
        alias: None,
        kind: count(65_536),
        default: Default::Integer(256),
        unit: "connections",
        doc: "Connections at a time; further ones wait.",
        example: "64",
        get: |c| Some(Value::integer(c.pull_cache.max_connections)),
        set: |c, value| c.pull_cache.max_connections = value.into_integer(),
    },
    Key {
        path: "metrics.pull_cache.max_requests",
        alias: None,
        kind: count(65_536),
        default: Default::Integer(64),
        unit: "requests",
        doc: "Answers in progress at a time; further requests get 503.",
        example: "16",
        get: |c| Some(Value::integer(c.pull_cache.max_requests)),
        set: |c, value| c.pull_cache.max_requests = value.into_integer(),
    },
    Key {
        path: "metrics.pull_cache.max_query_bytes",
        alias: None,
        kind: Kind::Integer { min: 64, max: 65_536 },
        default: Default::Integer(4096),
        unit: "bytes",
        doc: "Longest query string; a longer one gets 414.",
        example: "1024",
        get: |c| Some(Value::integer(c.pull_cache.max_query_bytes)),
        set: |c, value| c.pull_cache.max_query_bytes = value.into_integer(),
    },
    Key {
        path: "metrics.pull_cache.max_header_bytes",
        alias: None,
        kind: Kind::Integer { min: 256, max: 1 << 20 },
        default: Default::Integer(16_384),
        unit: "bytes",
        doc: "Headers of a request, names and values together (the default is 16 KiB); more get 431.",
        example: "8192",
        get: |c| Some(Value::integer(c.pull_cache.max_header_bytes)),
        set: |c, value| c.pull_cache.max_header_bytes = value.into_integer(),
    },
    Key {
        path: "metrics.pull_cache.header_timeout",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("5s"),
        unit: "seconds",
        doc: "How long a client may take for the TLS handshake, and then again to send its request.",
        example: r#""2s""#,
        get: |c| Some(Value::Duration(c.pull_cache.header_timeout)),
        set: |c, value| c.pull_cache.header_timeout = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.write_timeout",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("10s"),
        unit: "seconds",
        doc: "How long a client may take to make room for more of its answer.",
        example: r#""3s""#,
        get: |c| Some(Value::Duration(c.pull_cache.write_timeout)),
        set: |c, value| c.pull_cache.write_timeout = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.answer_timeout",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("60s"),
        unit: "seconds",
        doc: "How long a connection may last in all.",
        example: r#""30s""#,
        get: |c| Some(Value::Duration(c.pull_cache.answer_timeout)),
        set: |c, value| c.pull_cache.answer_timeout = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.scrape",
        alias: None,
        kind: Kind::Choice(Scrape::NAMES),
        default: Default::Text("generation"),
        unit: "",
        doc: "What Prometheus gets: the totals of the newest generation, or those of the moment of the scrape.",
        example: r#""fresh""#,
        get: |c| Some(Value::text(c.pull_cache.scrape.as_str())),
        set: |c, value| c.pull_cache.scrape = Scrape::from_name(&value.into_text()).unwrap_or(Scrape::Generation),
    },
    Key {
        path: "metrics.pull_cache.process_metrics",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(true),
        unit: "",
        doc: "Whether Prometheus gets the process' own metrics too (`process_cpu_seconds_total`, …); on Linux.",
        example: "false",
        get: |c| Some(Value::Bool(c.pull_cache.process_metrics)),
        set: |c, value| c.pull_cache.process_metrics = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.host_metrics",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether the node's own metrics are recorded, under the names that Proxmox gives them (`cpu_current`, `mem_used`, …); on Linux. Needs the cargo feature `host-metrics`.",
        example: "true",
        get: |c| Some(Value::Bool(c.pull_cache.host_metrics)),
        set: |c, value| c.pull_cache.host_metrics = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.proxmox",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(false),
        unit: "",
        doc: "Whether the endpoint serves the routes of Proxmox VE and Proxmox Backup Server too. Needs the cargo feature `proxmox`.",
        example: "true",
        get: |c| Some(Value::Bool(c.pull_cache.proxmox)),
        set: |c, value| c.pull_cache.proxmox = value.into_bool(),
    },
    Key {
        path: "metrics.pull_cache.node",
        alias: None,
        kind: Kind::Text { min: 0, max: 63 },
        default: Default::Absent("the system's host name, up to its first dot"),
        unit: "",
        doc: "The name of this node on the routes of Proxmox: letters, digits and hyphens.",
        example: r#""node1""#,
        get: |c| c.pull_cache.node.as_deref().map(Value::text),
        set: |c, value| c.pull_cache.node = value.into_optional_text(),
    },
    Key {
        path: "metrics.pull_cache.peer_timeout",
        alias: None,
        kind: Kind::Duration { min: Duration::from_millis(10) },
        default: Default::Text("5s"),
        unit: "seconds",
        doc: "How long each of the `peers` may take to answer; at most a minute.",
        example: r#""20s""#,
        get: |c| Some(Value::Duration(c.pull_cache.peer_timeout)),
        set: |c, value| c.pull_cache.peer_timeout = value.into_duration(),
    },
    Key {
        path: "metrics.pull_cache.max_peer_bytes",
        alias: None,
        kind: Kind::Integer { min: 65_536, max: 4 << 30 },
        default: Default::Integer(64 << 20),
        unit: "bytes",
        doc: "How much all `peers` together may answer to one question (the default is 64 MiB), each an equal part; whoever goes beyond is left out.",
        example: "16777216",
        get: |c| Some(Value::integer(c.pull_cache.max_peer_bytes)),
        set: |c, value| c.pull_cache.max_peer_bytes = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_loggers",
        alias: None,
        kind: count(131_072),
        default: Default::Integer(4096),
        unit: "loggers",
        doc: "Loggers in all.",
        example: "100",
        get: |c| Some(Value::integer(c.limits.max_loggers)),
        set: |c, value| c.limits.max_loggers = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_instruments",
        alias: None,
        kind: count(131_072),
        default: Default::Integer(10_000),
        unit: "series",
        doc: "Series in all; past it, recordings go to one overflow series per kind.",
        example: "50000",
        get: |c| Some(Value::integer(c.limits.max_instruments)),
        set: |c, value| c.limits.max_instruments = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_label_sets",
        alias: None,
        kind: count(131_072),
        default: Default::Integer(8192),
        unit: "label sets",
        doc: "Distinct sets of labels in all.",
        example: "1000",
        get: |c| Some(Value::integer(c.limits.max_label_sets)),
        set: |c, value| c.limits.max_label_sets = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_threads",
        alias: None,
        kind: count(65_536),
        default: Default::Integer(512),
        unit: "threads",
        doc: "Threads with cells of their own; beyond it threads share.",
        example: "64",
        get: |c| Some(Value::integer(c.limits.max_threads)),
        set: |c, value| c.limits.max_threads = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_cell_bytes",
        alias: None,
        kind: Kind::Integer { min: 65_536, max: 1 << 40 },
        default: Default::Integer(64 << 20),
        unit: "bytes",
        doc: "Memory of the threads' own cells (the default is 64 MiB); beyond it threads share.",
        example: "16777216",
        get: |c| Some(Value::integer(c.limits.max_cell_bytes)),
        set: |c, value| c.limits.max_cell_bytes = value.into_integer(),
    },
    Key {
        path: "metrics.limits.timer_chunk",
        alias: None,
        kind: Kind::PowerOfTwo { min: 64, max: 65_536 },
        default: Default::Integer(8192),
        unit: "values",
        doc: "Single timer values that a thread holds between two collections, where a backend wants them singly.",
        example: "1024",
        get: |c| Some(Value::integer(c.limits.timer_chunk)),
        set: |c, value| c.limits.timer_chunk = value.into_integer(),
    },
    Key {
        path: "metrics.limits.max_held_values",
        alias: None,
        kind: Kind::Integer { min: 64, max: 1 << 26 },
        default: Default::Integer(262_144),
        unit: "values",
        doc: "Single timer values held for one backend.",
        example: "65536",
        get: |c| Some(Value::integer(c.limits.max_held_values)),
        set: |c, value| c.limits.max_held_values = value.into_integer(),
    },
];

/// The keys of another node, under `[[metrics.pull_cache.peers]]`.
pub(super) static PEER_KEYS: &[Key<Peer>] = &[
    Key {
        path: "name",
        alias: None,
        kind: Kind::Text { min: 1, max: 63 },
        default: Default::Absent("none; it is needed"),
        unit: "",
        doc: "The node's name, as `node-list` calls it: letters, digits and hyphens.",
        example: r#""node2""#,
        get: |p| Some(Value::text(&p.name)).filter(|_| !p.name.is_empty()),
        set: |p, value| p.name = value.into_text(),
    },
    Key {
        path: "url",
        alias: None,
        kind: Kind::Text { min: 1, max: 1024 },
        default: Default::Absent("none; it is needed"),
        unit: "",
        doc: "Where it is: `https://<host>:<port>`, or `http://` for an address of this machine.",
        example: r#""https://10.0.0.2:9620""#,
        get: |p| Some(Value::text(&p.url)).filter(|_| !p.url.is_empty()),
        set: |p, value| p.url = value.into_text(),
    },
    Key {
        path: "fingerprint",
        alias: None,
        kind: Kind::Text { min: 64, max: 95 },
        default: Default::Absent("`ca` is needed"),
        unit: "",
        doc: "The SHA-256 of the only certificate it may show: 64 hex digits, with or without colons.",
        example: r#""2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae""#,
        get: |p| p.fingerprint.as_deref().map(Value::text),
        set: |p, value| p.fingerprint = value.into_optional_text(),
    },
    Key {
        path: "ca",
        alias: None,
        kind: Kind::Text { min: 1, max: 4096 },
        default: Default::Absent("`fingerprint` is needed"),
        unit: "",
        doc: "PEM file of the authorities that its certificate may come from; read again when it changes.",
        example: r#""/etc/shop/ca.pem""#,
        get: |p| p.ca.as_ref().map(|path| Value::text(path.to_string_lossy())),
        set: |p, value| p.ca = value.into_optional_text().map(Into::into),
    },
    Key {
        path: "token",
        alias: None,
        kind: Kind::Secret,
        default: Default::Absent("that of the caller"),
        unit: "",
        doc: "The token it is asked with: `PVEAPIToken=…` and `PBSAPIToken=…` as they are, anything else as `Bearer`.",
        example: r#""a-long-random-token""#,
        get: |p| p.token.as_deref().map(Value::text),
        set: |p, value| p.token = value.into_optional_text(),
    },
];

/// The keys of a rule, under `[metrics.loggers."<name>"]`.
pub(super) static RULE_KEYS: &[Key<Rule>] = &[
    Key {
        path: "enabled",
        alias: None,
        kind: Kind::Bool,
        default: Default::Bool(true),
        unit: "",
        doc: "Whether these loggers record.",
        example: "false",
        get: |r| Some(Value::Bool(r.enabled)),
        set: |r, value| r.enabled = value.into_bool(),
    },
    Key {
        path: "sample_rate",
        alias: None,
        kind: Kind::Rate,
        default: Default::Absent("1"),
        unit: "",
        doc: "The rate for calls that give none of their own.",
        example: "0.1",
        get: |r| r.sample_rate.map(Value::Float),
        set: |r, value| r.sample_rate = Some(value.into_float()),
    },
];

/// One name is shown as it is, several as a list.
fn backend_value(names: &[String]) -> Value {
    match names {
        [name] => Value::text(name),
        names => Value::List(names.iter().map(Value::text).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound<T>(key: &Key<T>, make: fn() -> T) {
        let path = key.path;
        let mut target = make();
        match key.default_value() {
            Some(value) => {
                (key.set)(&mut target, value.clone());
                let back = (key.get)(&target).expect("a key with a default has a value");
                assert_eq!(key.kind.check(&back).unwrap(), value, "{path}: default");
            }
            None => {
                assert!(matches!(key.default, Default::Absent(_)), "{path}: its default is refused");
                assert_eq!((key.get)(&target), None, "{path}: default");
            }
        }
        assert!(key.kind.check(&Value::Other("date")).is_err(), "{path}");
    }

    #[test]
    fn kinds_readers_and_defaults_belong_together() {
        KEYS.iter().for_each(|key| sound(key, Config::new));
        RULE_KEYS.iter().for_each(|key| sound(key, || Rule::new("a")));
        PEER_KEYS.iter().for_each(|key| sound(key, Peer::default));
    }

    /// Sets each key to its example through the environment and looks that this key alone has changed.
    #[test]
    fn each_key_sets_its_own_field() {
        for key in KEYS {
            let text = key.example.trim_matches(['[', ']', '"']).replace("\", \"", ",");
            let text = if key.path == "metrics.pull_cache.address" { "[::1]:9620".to_owned() } else { text };
            let value = key.kind.check(&key.kind.read(&text)).unwrap_or_else(|why| panic!("{}: {why:?}", key.path));
            let mut config = Config::new();
            (key.set)(&mut config, value);
            for other in KEYS {
                let changed = (other.get)(&config) != (other.get)(&Config::new());
                assert_eq!(changed, other.path == key.path, "{} set, {} looked at", key.path, other.path);
            }
            assert!(config.validate().is_ok(), "{}", key.path);
        }
    }

    /// The fields' documentation repeats key and default; it cannot go stale.
    #[test]
    fn fields_are_documented_with_key_and_default() {
        let (fields, rule) = (include_str!("settings.rs"), include_str!("rule.rs"));
        let begins = |path: &str, default: Default| match default {
            Default::Bool(value) => format!("/// `{path}`; default `{value}`."),
            Default::Integer(value) => format!("/// `{path}`; default `{value}`."),
            Default::Text(value) => format!("/// `{path}`; default `{value:?}`."),
            Default::Absent(_) => format!("/// `{path}`; no default"),
        };
        for key in KEYS {
            let line = begins(key.path, key.default);
            assert!(fields.contains(&line), "settings.rs lacks {line:?}");
        }
        for key in RULE_KEYS {
            let line = begins(&format!("metrics.loggers.*.{}", key.path), key.default);
            assert!(rule.contains(&line), "rule.rs lacks {line:?}");
        }
        for key in PEER_KEYS {
            let line = begins(&format!("metrics.pull_cache.peers.*.{}", key.path), key.default);
            assert!(include_str!("peer.rs").contains(&line), "peer.rs lacks {line:?}");
        }
    }
}
