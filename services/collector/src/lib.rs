//! Usage per scope and period from a Prometheus, by the metric definitions of CloudKitty.
//!
//! A [`Config`] is read from `cloudkitty.conf` and `metrics.yml`; a [`Collector`] writes the PromQL of each [`Definition`], asks a
//! Prometheus through its [`Client`](client::Client), and makes [`DataPoint`]s of the answers, in exact decimals; [`run`](run::run)
//! does this for many scopes and periods at once and hands them to a [`Sink`](sink::Sink), each period exactly once, with the
//! checkpoints of a [`Journal`](journal::Journal).
//!
//! ```no_run
//! use ferrometer_collector::{Collector, Config, client::{Client, Limits}};
//!
//! let config = Config::load("cloudkitty.conf".as_ref(), None)?;
//! let client = Client::new(&config.server, Limits::default())?;
//! let usage = Collector::new(client, config).collect(&"foobar".into(), 1548853200, 1)?;
//! for point in usage.points {
//!     println!("{} {} {}", point.metric, point.qty, point.unit);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod collect;
mod config;
mod definition;
mod error;
mod expression;
mod label;
mod point;
mod secret;
#[cfg(feature = "command")]
mod stderr_log;
mod transport;

pub mod checkpoints;
pub mod client;
#[cfg(feature = "command")]
pub mod command;
pub mod journal;
#[cfg(feature = "leases")]
pub mod leases;
pub mod number;
pub mod period;
pub mod query;
pub mod run;
pub mod scope;
pub mod sink;

pub use collect::{Cause, CollectError, Collector, Notice, Reason, Usage};
pub use config::{Archive, Boundaries, ByOrder, Config, Fetcher, Format, Options, Server};
pub use definition::{Definition, Method, QUERY_FUNCTIONS, RANGE_FUNCTIONS};
pub use error::{ConfigError, Problem};
pub use expression::Expression;
pub use point::DataPoint;
pub use secret::Secret;

/// The program of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/collector.md")]
struct Page;
