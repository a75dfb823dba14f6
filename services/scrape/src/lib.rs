//! `GET /metrics` for Prometheus: the totals of an exporter in the format that the reader asks for.
//!
//! # Example
//! ```
//! use ferrometer_http::Frame;
//! use ferrometer_prometheus::{Prometheus, Settings};
//! use ferrometer_scrape::Scrape;
//! use std::sync::Arc;
//!
//! let exporter = Prometheus::new(Settings::default());
//! let scrape = Arc::new(Scrape::new(exporter.handle()));
//! let server = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", scrape).serve()?;
//! assert!(server.local_addr().ip().is_loopback());
//! # Ok::<(), ferrometer_http::ServeError>(())
//! ```
//!
//! A `Scrape` shows what its handle leads to: when `ferrometer::init` is called again, the new numbers; elsewhere,
//! [`PrometheusHandle::follow`](ferrometer_prometheus::PrometheusHandle::follow) turns it.

#![deny(missing_docs)]

mod metrics;

pub use metrics::{AUDIT, Scrape};
