//! The node's own metrics, recorded like any program's: processors, memory, network and disks, under the names that Proxmox gives them.
//! On Linux; elsewhere the crate is empty.
//!
//! It is a producer: it records through the core, and whatever backends are installed deliver it.
//!
//! # Example
//! ```
//! # #[cfg(target_os = "linux")]
//! # {
//! use ferrometer_host::HostMetrics;
//! use std::time::Duration;
//!
//! let host = HostMetrics::start(Duration::from_secs(10));
//! // … whenever the backend has delivered:
//! host.published();
//! # }
//! ```

#![deny(missing_docs)]

#[cfg(target_os = "linux")]
mod host;

#[cfg(target_os = "linux")]
pub use host::HostMetrics;
