//! The pull cache over HTTP.
//!
//! | route | answer |
//! |---|---|
//! | `GET /v1/metrics` | the newest generation as JSON; `history=1` for all, `start-time=<seconds>` for what is strictly newer |
//! | `GET /v1/cardinality` | the names with the most series, the labels with the most values |
//! | `GET /v1/instruments` | kinds, units and descriptions; how often and how many generations are made |
//! | `GET /v1/nodes` | no nodes, unless another service knows them |
//!
//! It is ready, at `/readyz`, when the newest generation is there and not old.
//!
//! | step | module |
//! |---|---|
//! | the routes | `api` |
//! | what is asked | `query`, with the `cursor` of a limited answer |
//! | what is answered | `records` and their `stream`, `instruments`, `health`; `unwritable` counts what cannot be written |
//!
//! # Example
//! ```
//! use ferrometer_cache_api::CacheApi;
//! use ferrometer_http::Frame;
//! use ferrometer_pull_cache::{PullCacheBackend, Settings};
//! use std::sync::Arc;
//!
//! let backend = PullCacheBackend::new(Settings::default());
//! let api = Arc::new(CacheApi::new(backend.handle()));
//! let server = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", api).serve()?;
//! assert!(server.local_addr().ip().is_loopback());
//! # Ok::<(), ferrometer_http::ServeError>(())
//! ```

#![deny(missing_docs)]

mod api;
mod cardinality;
mod cursor;
mod health;
mod instruments;
mod query;
mod records;
mod stream;
mod unwritable;

pub use api::{AUDIT, CacheApi, DATASTORE_AUDIT};
pub use cursor::Cursor;
pub use query::Query;
pub use records::passed;
pub use stream::Source;
pub use unwritable::Unwritable;
