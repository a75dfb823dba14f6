//! The pull cache: keeps the last generations of every metric in memory for whoever comes to fetch them, instead of sending
//! them somewhere.
//!
//! At each interval the backend makes one [`Generation`]: a set of [`Record`]s with one timestamp. A reader in the same
//! process asks a [`PullCacheHandle`]; with the feature `http` a reader elsewhere asks an endpoint, for JSON or in the formats of
//! Prometheus.
//!
//! The modules in the order in which data flows through them:
//!
//! | step | module |
//! |---|---|
//! | a snapshot arrives | `backend`: makes a generation of it, and closes the account |
//! | which series are one instrument | `instruments`: the sample rates of one instrument are one record; they age by `steady` |
//! | what they are called | `labels`, `names`: each name belongs to one instrument |
//! | what they say | `points`: totals, and quantiles over the interval |
//! | where they are kept | `store`, read through [`PullCacheHandle`] as [`Record`]s; a few bits a value, see `coding` |
//! | for other processes, and for after the end | `files`, read with [`read`] |
//! | what the names stand for | `catalog`: kinds, units and descriptions |
//! | Prometheus | `prometheus`: totals as text, OpenMetrics and protobuf |
//! | the node's own metrics, when they are wanted | `host_metrics` |
//! | HTTP | `http`: the routes, and a small server |
//!
//! # Example
//! ```
//! use ferrometer_pull_cache::{PullCacheBackend, RecordType, Settings};
//! use std::time::Duration;
//!
//! let settings = Settings::default();
//! let backend = PullCacheBackend::new(settings.clone());
//! let cache = backend.handle();
//! ferrometer_core::install("pull-cache", Box::new(backend), settings.interval).unwrap();
//!
//! let logger = ferrometer_core::get_logger("shop").with("till", "3");
//! logger.send_counter("sales", 2);
//! logger.send_timer("checkout", Duration::from_millis(125));
//! assert!(ferrometer_core::flush(Duration::from_secs(2)).complete);
//!
//! let newest = cache.most_recent().unwrap();
//! let sales = newest.records().find(|r| r.metric == "shop.sales").unwrap();
//! assert_eq!((sales.value, sales.kind), (2.0, RecordType::Derive));
//! assert_eq!(sales.labels.get("till"), Some("3"));
//! assert!(cache.prometheus().contains("shop_checkout_seconds_count{till=\"3\"} 1\n"));
//! # ferrometer_core::remove("pull-cache", Duration::from_secs(2));
//! ```

#![deny(missing_docs)]

mod backend;
mod catalog;
mod coding;
mod files;
mod generation;
mod handle;
#[cfg(all(feature = "host-metrics", target_os = "linux"))]
mod host_metrics;
#[cfg(feature = "http")]
mod http;
mod points;
mod prometheus;
mod record;
mod settings;
mod store;

pub use backend::PullCacheBackend;
pub use catalog::Instrument;
pub use ferrometer_export::Labels;
#[doc(hidden)]
pub use files::walk as walk_segment;
pub use files::{Damage, DamageKind, OpenError, PersistedHistory, Persistence, ReadError, read};
pub use generation::Generation;
pub use handle::{LeftOut, PullCacheHandle};
#[cfg(feature = "http")]
pub use http::{DEFAULT_ADDRESS, Endpoint, Limits, ServeError, Server, ServerCounts, router, serve};
#[cfg(feature = "proxmox")]
pub use http::{Peer, Proxmox};
pub use prometheus::{Filter, Format, Piece, Pieces};
pub use record::{Record, RecordType};
pub use settings::{Scrape, Settings};
pub use store::History;
