//! ferrometer instruments a Rust program once: named loggers record gauges, counters and sampled timers, and what becomes of
//! them (statsd, nothing, a cache that others pull from, Prometheus, or a server that takes pushes) is a matter of configuration, never
//! of the code that records.
//!
//! ```
//! use ferrometer::{Config, Logger, counter, logger, timer};
//! use std::time::Duration;
//!
//! static METRICS: Logger = logger!();             // named after this module
//!
//! #[counter]                                      // <module>.work.count
//! #[timer(sample_rate = 0.1)]                     // <module>.work.time
//! fn work() {
//!     METRICS.send_gauge("queue.depth", 12);
//!     METRICS.send_timer("parse", Duration::from_micros(125));
//! }
//!
//! fn main() -> Result<(), ferrometer::Error> {
//!     let _metrics = ferrometer::init(Config::from_env()?)?;    // or init("metrics.toml"); delivers on drop
//!     work();
//!     Ok(())
//! }
//! ```
//!
//! - What is recorded: [`Logger`] and the handles it gives ([`Counter`], [`Gauge`], [`Timer`], [`Histogram`], [`InFlight`]); the
//!   attributes `#[timer]`, `#[counter]`, `#[gauge]`, and `#[measured]`, which is all in one; the macros `count!`, `set_gauge!`, `record!`, `time!`, which evaluate nothing while recording is
//!   off.
//! - What it is called: `[global_prefix.][host.][uuid.]logger.metric`; see [`name`].
//! - Where it goes: [`init`] with a [`Config`]; or [`install`] for a [`Backend`](backend::Backend) of your own.
//! - What became of it: the [`Ledger`] of each backend.
//! - How to test it: [`testing::Capture`].
//!
//! # Cargo features
//! | feature | default | what it brings |
//! |---|---|---|
//! | `macros` | yes | the attributes and verb macros |
//! | `statsd` | yes | the statsd backend |
//! | `graphite`, `influxdb`, `otlp`, `remote-write` | no | the backends that push to these servers |
//! | `archive`, `archive-embedded` | no | the backend for a server that speaks Gnocchi's API; for an archive in this process too |
//! | `archive-api` | no | Gnocchi's API over that archive, at the endpoint |
//! | `config-file` | yes | configuration from a TOML file |
//! | `every-key` | | the keys of all backends, compiled in or not: they are checked, where they are passed over without it; `Config` has them as fields |
//! | `serde` | | a configuration from a value of the program's own; ledgers and snapshots that can be serialized |
//! | `pull-cache` | | the pull cache, in process |
//! | `prometheus` | | the Prometheus exporter, and its totals at `/metrics` |
//! | `http` | | the pull cache served over HTTP, `/metrics` included |
//! | `page` | | … with a page for browsers |
//! | `proxmox` | | … on the routes of Proxmox VE and Proxmox Backup Server too, and `tls` |
//! | `tls` | | what is served, over TLS |
//! | `compression` | | what is served, with gzip and zstd |
//! | `metric-servers` | | servers that an operator creates, tests, changes and removes over HTTP while the program runs; `graphite`, `influxdb`, `otlp` |
//! | `host-metrics` | | the node's own metrics, under the names that Proxmox gives them |
//! | `agent` | | a program whose metrics its conductor configures |
//! | `lookup` | | … the conductor's side of that: routes to mount |
//! | `tower` | | layers that count and time requests of servers and of clients, also under OpenTelemetry's names |
//! | `process-metrics` | | the process' own metrics, for every backend |
//! | `tokio` | | the health of tokio's runtimes and tasks |
//! | `tracing-layer` | | spans of `tracing` as timers, its events as counters |
//! | `opentelemetry-context` | | the trace of exemplars from OpenTelemetry's current context |
//! | `metrics-bridge` | | recordings of libraries that use the `metrics` crate, and a backend that feeds a recorder of it |
//!
//! # Not supported
//! Recording from a signal handler. After `fork`, recording in the child is off until it calls [`init`].

#![deny(missing_docs)]

#[cfg(feature = "pull-cache")]
mod accompanied;
#[cfg(any(feature = "agent", feature = "lookup"))]
pub mod agent;
pub mod backend;
mod backends;
mod background;
mod built;
mod cardinality;
pub mod config;
pub mod dry_run;
mod error;
pub mod exemplars;
mod host;
mod init;
mod limits;
mod memory;
#[cfg(feature = "metric-servers")]
mod metric_servers;
mod push;
mod report;
#[cfg(feature = "prometheus")]
mod serve;
pub mod services;
pub mod testing;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "tower")]
pub mod tower_client;
#[cfg(feature = "tower")]
mod tower_measured;
#[cfg(feature = "tower")]
pub mod tower_semantics;

pub use cardinality::{Cardinality, LabelCount, NameCount, cardinality};
pub use config::Config;
pub use error::Error;
pub use ferrometer_core::{
    Amount, BusyFuture, CallSite, Cause, Counter, CounterValue, Distribution, Dropped, Dynamic, Entered, FlushReport,
    Gauge, GaugeReturn, GaugeValue, Histogram, InFlight, InFlightGuard, InstallError, Kind, LabelArgument, LabelValue,
    Ledger, Limits, Logger, MetricName, Observed, Preview, PreviewError, Refused, Sampled, Series, Snapshot,
    TimedFuture, Timer, TimerGuard, Total, Totals, Unit, Value, call_sites, describe, flush, get_logger, install,
    is_on, ledgers, logger, name, preview, refused, remove, replace, snapshot,
};
#[cfg(feature = "macros")]
pub use ferrometer_macros::{LabelValue, count, counter, gauge, measured, record, set_gauge, time, timer};
pub use init::{ConfigSource, Metrics, init};

/// The archive backend, for a program that installs it itself.
#[cfg(feature = "archive")]
pub use ferrometer_archive_backend as archive;
/// The graphite backend, for a program that installs it itself.
#[cfg(feature = "graphite")]
pub use ferrometer_graphite as graphite;
/// The HTTP frame, for services of your own beside those in [`services`].
#[cfg(any(feature = "prometheus", feature = "lookup"))]
pub use ferrometer_http as http;
/// The InfluxDB backend, for a program that installs it itself.
#[cfg(feature = "influxdb")]
pub use ferrometer_influxdb as influxdb;
/// The bridge from and to the `metrics` crate: what libraries record through it is recorded here.
#[cfg(feature = "metrics-bridge")]
pub use ferrometer_metrics_bridge as metrics_bridge;
/// The OTLP backend, for a program that installs it itself.
#[cfg(feature = "otlp")]
pub use ferrometer_otlp as otlp;
/// The source that records the process' own metrics.
#[cfg(feature = "process-metrics")]
pub use ferrometer_process as process;
/// The Prometheus exporter, for a program that installs it itself.
#[cfg(feature = "prometheus")]
pub use ferrometer_prometheus as prometheus;
/// The pull cache: generations of records in memory.
#[cfg(feature = "pull-cache")]
pub use ferrometer_pull_cache as pull_cache;
/// The remote write backend, for a program that installs it itself.
#[cfg(feature = "remote-write")]
pub use ferrometer_remote_write as remote_write;
/// The statsd backend, for a program that installs it itself.
#[cfg(feature = "statsd")]
pub use ferrometer_statsd as statsd;
/// The source that records the health of tokio's runtimes and tasks.
#[cfg(feature = "tokio")]
pub use ferrometer_tokio as tokio;
/// The layer that turns spans of `tracing` into timers, and its events into counters.
#[cfg(feature = "tracing-layer")]
pub use ferrometer_tracing_layer as tracing_layer;

/// Targets of the macros' expansions. Not public API.
#[doc(hidden)]
pub use ferrometer_core::__private;

/// The README's programs compile and run.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs of the page compile and run.
#[cfg(all(doctest, feature = "agent", feature = "lookup"))]
#[doc = include_str!("../docs/agent.md")]
struct AgentPage;

/// The program of the page compiles.
#[cfg(all(doctest, feature = "archive-embedded", feature = "config-file"))]
#[doc = include_str!("../docs/archive.md")]
struct ArchivePage;

/// The programs of the pages compile, and those that bind no port run.
#[cfg(all(doctest, feature = "http"))]
mod pages {
    #[doc = include_str!("../docs/pull-cache.md")]
    struct PullCache;
    #[doc = include_str!("../docs/proxmox.md")]
    struct Proxmox;
}
