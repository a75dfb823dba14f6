//! Metrics kept for years: aggregated as they arrive by archive policies, at a cost that is known before it is paid.
//!
//! ```text
//!  measures ──► Incoming ──► windows of raw points ──► Storage          policies, rules, metrics,
//!               (the log:    (memory: what late         (aggregates      resources: Index
//!                acknowledged  points can change)        by granularity)
//!                = on disk)                                   │
//!                                  queries ◄──────────────────┘  (what is stored, under what the window says)
//! ```
//!
//! | file | idea |
//! |---|---|
//! | [`method`], [`policy`], [`rule`] | what is kept of a metric, and which metric gets what |
//! | [`window`](self), `aggregate` | raw points that can still change, and the numbers of a bucket |
//! | `object`, `column` | how aggregates become bytes |
//! | `incoming`, `storage`, `index` | the traits of the three places |
//! | `log`, `packs`, `sqlite` | their embedded implementations, one directory |
//! | `archive`, `options`, `catalog`, `known`, `engine` | what an archive does, whichever way it works |
//! | `local`, `shared`, `shards`, `metric_state`, `workers`, `backup` | the engine of one process with a directory |
//! | [`fsck`] | the check of everything that is kept, and its repair |
//! | `cluster`, `postgres`, `redis`, `s3` | the engine of one process of many, and its servers, by features |
//! | `across` | several series brought together: fill, overlap, operations |
//!
//! # Example
//! ```
//! use ferrometer_archive::{Archive, Metric, Options, Point, Range, time};
//!
//! let directory = std::env::temp_dir().join(format!("ferrometer-archive-doc-{}", std::process::id()));
//! let archive = Archive::open(&directory, Options::default())?;
//! let metric = Metric { policy: "high".into(), ..archive.new_metric("me", Some("cpu"))? };
//! archive.add_metrics(&[metric.clone()])?;
//! let at = |text| time::parse_timestamp(text).unwrap();
//! archive.append(vec![(metric.id, vec![
//!     Point { at: at("2014-10-06T14:33:57"), value: 43.1 },
//!     Point { at: at("2014-10-06T14:34:12"), value: 12.0 },
//!     Point { at: at("2014-10-06T14:34:20"), value: 2.0 },
//! ])])?;
//! let minutes = archive.measures(metric.id, "mean".parse()?, 60_000_000_000, Range::default())?;
//! assert_eq!(minutes.iter().map(|point| point.value).collect::<Vec<_>>(), [43.1, 7.0]);
//! # drop(archive);
//! # std::fs::remove_dir_all(&directory).unwrap();
//! # Ok::<(), ferrometer_archive::Error>(())
//! ```

pub mod across;
mod aggregate;
mod archive;
mod backup;
mod believed;
mod catalog;
mod cluster;
mod column;
mod condition;
mod directory_lock;
mod engine;
mod error;
mod files;
pub mod fsck;
mod incoming;
mod index;
mod known;
mod local;
mod log;
mod making;
pub mod method;
mod metric_state;
mod object;
mod options;
mod packs;
pub mod policy;
#[cfg(feature = "postgresql")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod resource;
mod resource_id;
pub mod rule;
#[cfg(feature = "s3")]
mod s3;
#[cfg(any(feature = "postgresql", feature = "redis", feature = "s3"))]
mod sealed;
pub mod search;
mod shards;
mod shared;
mod sqlite;
mod storage;
pub mod time;
mod window;
mod workers;

pub use aggregate::{aggregate, sum};
pub use archive::{Archive, Range, Removed, Repolicied};
pub use cluster::Cluster;
#[cfg(feature = "postgresql")]
pub use cluster::connect::{Servers, connect};
pub use cluster::places::{Entry, Found, Lease, Part, SharedIncoming, SharedIndex};
pub use engine::State;
pub use error::Error;
pub use incoming::{Batch, Incoming, Replayed, Sink};
pub use index::{Index, NewMetric, ResourceChange, ResourceQuery, TypeChange};
pub use log::{Log, Sync};
pub use making::Making;
pub use method::{Kind, Method};
pub use metric_state::Account;
pub use options::Options;
pub use packs::Packs;
pub use policy::{Cost, Definition, Policy};
#[cfg(feature = "postgresql")]
pub use postgres::Postgres;
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use resource::{Attribute, AttributeKind, Metric, Resource, ResourceType};
pub use resource_id::{RESOURCE_NAMESPACE, resource_id};
pub use rule::{Rule, matches};
#[cfg(feature = "s3")]
pub use s3::S3;
pub use sqlite::Sqlite;
pub use storage::{Key, Storage, Usage};

/// Nanoseconds: a time stamp since the epoch, or a length of time.
pub type Nanos = i64;

/// A second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Nanoseconds since the epoch.
    pub at: Nanos,
    /// The value; finite for a measure.
    pub value: f64,
}
