//! Joins ferrometer and the [`metrics`] crate, in both directions.
//!
//! | direction | type | for |
//! |---|---|---|
//! | `metrics` → ferrometer | [`Bridge`] | a program whose libraries record through `metrics::counter!` and the like |
//! | ferrometer → `metrics` | [`RecorderBackend`] | a program that has an exporter of `metrics` already |
//!
//! A program of ferrometer's installs the bridge once, before or after `init`. Handles that libraries made before `init` count after it.
//!
//! ```
//! ferrometer_metrics_bridge::Bridge::new().install()?;
//!
//! // In any library:
//! metrics::counter!("pool.connections.opened", "db" => "orders").increment(1);
//! metrics::gauge!("pool.connections.idle").set(4.0);
//! metrics::histogram!("pool.wait", "db" => "orders").record(0.0031);
//! # Ok::<(), ferrometer_metrics_bridge::AlreadyInstalled>(())
//! ```
//!
//! Read in this order: `bridge` (the recorder), `near` (handles that each thread remembers), `unit`;
//! `backend` (the other direction).

mod backend;
mod bridge;
mod near;
mod unit;

pub use backend::RecorderBackend;
pub use bridge::{AlreadyInstalled, Bridge};
