//! Services that mount into the HTTP frame, each behind the cargo feature that brings it. [`init`](crate::init()) mounts them as
//! configured; a program can mount them into a frame of its own, beside services of its own.

#[cfg(feature = "http")]
pub use ferrometer_cache_api as cache_api;
#[cfg(feature = "metric-servers")]
pub use ferrometer_metric_servers as metric_servers;
#[cfg(feature = "page")]
pub use ferrometer_page as page;
#[cfg(feature = "proxmox")]
pub use ferrometer_proxmox as proxmox;
#[cfg(feature = "prometheus")]
pub use ferrometer_scrape as scrape;
