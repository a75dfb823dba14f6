//! Metric servers that an operator creates, tests, changes and removes while the program runs, on the routes of Proxmox VE and Proxmox Backup Server.
//!
//! A server is a section of a file in the format of Proxmox VE's `status.cfg`. [`MetricServers::start`] installs a backend for each that is enabled;
//! creating one installs its backend at once, a change replaces it, and `disable` and DELETE remove it. The ledger balances across all of that.
//!
//! | step | module |
//! |---|---|
//! | what may be said of a server | `kind`, `rule` |
//! | where it is written down | `section_file`, `secrets`, `store`; `steps` for the test that kills |
//! | from there to a backend | `plan`, `pipeline`, `running` |
//! | a change, from the lock to the backend | `manage`, with `settings` |
//! | requests and answers | `params`, `pve`, `pbs`, `status`, `reply`, `routes` |
//!
//! ```
//! use ferrometer_http::Frame;
//! use ferrometer_metric_servers::{Core, Management, MetricServers, Settings, Status};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! # let directory = std::env::temp_dir().join(format!("metric-servers-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! let settings = Settings::new(directory.join("status.cfg"));
//! let core = Core::new(settings.interval, settings.deadline);
//! let servers = MetricServers::open(&settings, Arc::new(core))?;
//! servers.start();
//! let server = Frame::new()
//!     .address("127.0.0.1:0".parse()?)
//!     .mount("/api2", Arc::new(Management::new(Arc::clone(&servers))))
//!     .mount("/", Arc::new(Status::new(Arc::clone(&servers))))
//!     .serve()?;
//! // … until the program ends:
//! servers.stop();
//! # drop(server);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A client without privileges reads nothing; `Sys.Audit` on `/` reads, and `Sys.Modify` changes. Secrets (`token`, `otel-headers`) are kept in
//! files of their own and never returned. Link-local addresses and those of metadata services are never connected to.

#![deny(missing_docs)]

#[cfg(test)]
mod kill;
mod kind;
mod manage;
mod params;
mod pbs;
mod pipeline;
mod plan;
mod pve;
mod reply;
mod routes;
mod rule;
mod running;
mod secrets;
mod section_file;
mod settings;
mod status;
mod steps;
mod store;

pub use manage::MetricServers;
pub use pipeline::{Core, Pipeline};
pub use reply::{AUDIT, MODIFY};
pub use routes::{Management, Status};
pub use settings::{OpenError, Settings};
