//! The Prometheus exporter: a backend that keeps the totals of the newest snapshot, and renders them in three [formats](Format) when
//! somebody scrapes.
//!
//! It listens nowhere: `ferrometer-scrape` serves a [`PrometheusHandle`] over HTTP, and so can a server of your own.
//!
//! | step | module |
//! |---|---|
//! | a snapshot arrives; readers come | `exporter`: [`Prometheus`], [`PrometheusHandle`] |
//! | names are decided, the first instrument keeps its own | `exposer`, `families`, `names` |
//! | the place of each line, and its beginning; kept until series come | `layout` |
//! | the numbers | `totals`, with `le_buckets` and `native_buckets`; of the process, `process` |
//! | how they are written | `text`, `protobuf`, `number` |
//! | which of them, and in which format | `filter`, `format` |
//! | rendered a [`Piece`] at a time, and shared | `render` |
//!
//! # Example
//! ```
//! # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
//! use ferrometer::prometheus::{Prometheus, Settings};
//! use std::time::Duration;
//!
//! let exporter = Prometheus::new(Settings::default());
//! let totals = exporter.handle();
//! ferrometer::install("prometheus", Box::new(exporter), Duration::from_secs(10)).unwrap();
//!
//! ferrometer::get_logger("shop").with("till", "3").send_timer("checkout", Duration::from_millis(125));
//! assert!(ferrometer::flush(Duration::from_secs(2)).complete);
//! assert!(totals.text().contains("shop_checkout_seconds_count{till=\"3\"} 1\n"));
//! # ferrometer_core::remove("prometheus", Duration::from_secs(2));
//! ```

#![deny(missing_docs)]

mod buckets;
mod exemplars;
mod exporter;
mod exposer;
mod families;
mod filter;
mod format;
mod layout;
mod le_buckets;
mod names;
mod native_buckets;
mod number;
mod order;
mod piece;
mod process;
mod protobuf;
mod render;
mod settings;
mod text;
mod totals;

pub use buckets::{Buckets, InvalidBuckets};
pub use exporter::{LeftOut, Prometheus, PrometheusHandle};
pub use filter::Filter;
pub use format::Format;
pub use piece::Piece;
pub use render::Pieces;
pub use settings::{Scrape, Settings};
