//! The pull cache: keeps the last generations of every metric in memory for readers to fetch, instead of sending them somewhere.
//!
//! At each interval the backend makes one [`Generation`]: a set of [`Record`]s with one timestamp. A reader in the same process asks a
//! [`PullCacheHandle`]; `ferrometer-cache-api` serves a handle over HTTP.
//!
//! The modules in the order in which data flows through them:
//!
//! | step | module |
//! |---|---|
//! | a snapshot arrives | `backend`: makes a generation of it, and closes the account |
//! | the names and values of an instrument in one generation | `record_values`: totals, and quantiles over the interval |
//! | where they are kept | `store`, read through [`PullCacheHandle`] as [`Record`]s; a few bits a value, see `coding` |
//! | for other processes, and for after the end | `files`, read with [`read`]; taken in beside the program by `restore` |
//! | what the names stand for | `catalog`: kinds, units and descriptions |
//!
//! # Example
//! ```
//! # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
//! use ferrometer::pull_cache::{PullCacheBackend, RecordType, Settings};
//! use std::time::Duration;
//!
//! let settings = Settings::default();
//! let backend = PullCacheBackend::new(settings.clone());
//! let cache = backend.handle();
//! ferrometer::install("pull-cache", Box::new(backend), settings.interval).unwrap();
//!
//! let logger = ferrometer::get_logger("shop").with("till", "3");
//! logger.send_counter("sales", 2);
//! logger.send_timer("checkout", Duration::from_millis(125));
//! assert!(ferrometer::flush(Duration::from_secs(2)).complete);
//!
//! let newest = cache.most_recent().unwrap();
//! let sales = newest.records().find(|r| r.metric == "shop.sales").unwrap();
//! assert_eq!((sales.value, sales.kind), (2.0, RecordType::Derive));
//! assert_eq!(sales.labels.get("till"), Some("3"));
//! # ferrometer_core::remove("pull-cache", Duration::from_secs(2));
//! ```

#![deny(missing_docs)]

mod backend;
mod catalog;
mod coding;
mod files;
mod generation;
mod handle;
mod record;
mod record_values;
mod restore;
mod settings;
mod store;

pub use backend::PullCacheBackend;
pub use catalog::Instrument;
pub use ferrometer_export::Labels;
#[doc(hidden)]
pub use files::walk as walk_segment;
pub use files::{Damage, DamageKind, OpenError, PersistedHistory, Persistence, ReadError, read};
pub use generation::{Columns, Generation};
pub use handle::{LeftOut, PullCacheHandle};
pub use record::{Identity, Record, RecordType};
pub use settings::Settings;
pub use store::History;
