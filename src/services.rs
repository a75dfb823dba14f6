//! Services that mount into the HTTP frame, each behind the cargo feature that brings it. [`init`](crate::init()) mounts them as
//! configured; a program can mount them into a frame of its own, beside services of its own.

/// The pull cache over HTTP: records, the newest and their history, instruments, readiness.
#[cfg(feature = "http")]
pub use ferrometer_cache_api as cache_api;
/// Gnocchi's API over an archive.
#[cfg(feature = "archive-api")]
pub use ferrometer_gnocchi as gnocchi;
/// The management of metric servers, by the routes of Proxmox VE and Proxmox Backup Server.
#[cfg(feature = "metric-servers")]
pub use ferrometer_metric_servers as metric_servers;
/// The page for people: curves, the ledger, metric servers, archives.
#[cfg(feature = "page")]
pub use ferrometer_page as page;
/// A node as Proxmox' clients read it: its status and the records of its last half hour.
#[cfg(feature = "proxmox")]
pub use ferrometer_proxmox as proxmox;
/// `GET /metrics` for Prometheus.
#[cfg(feature = "prometheus")]
pub use ferrometer_scrape as scrape;
