//! The process' own metrics, recorded like any program's: every backend delivers them, under the names that Prometheus' clients agree on.
//!
//! ```
//! use ferrometer_process::ProcessMetrics;
//! use std::time::Duration;
//!
//! // Records until it is dropped.
//! let process = ProcessMetrics::start(Duration::from_secs(10));
//! ```
//!
//! | metric | kind | | Linux | macOS, FreeBSD | Windows |
//! |---|---|---|---|---|---|
//! | `process.cpu_microseconds` | counter | CPU time, user and system, in microseconds | yes | yes, in steps of 1,000 | yes, in steps of 1,000 |
//! | `process.resident_memory_bytes` | gauge | memory that is in RAM | yes | yes | yes |
//! | `process.virtual_memory_bytes` | gauge | address space that is in use | yes | yes | yes |
//! | `process.virtual_memory_max_bytes` | gauge | its soft limit, where there is one | yes | | |
//! | `process.open_fds` | gauge | open file descriptors | yes | where the system tells | |
//! | `process.max_fds` | gauge | their soft limit, where there is one | yes | where the system tells | |
//! | `process.threads` | gauge | threads of the system | yes | | |
//! | `process.start_time_seconds` | gauge | start of the process, in seconds since 1970 | yes | yes | yes |
//!
//! A value that the system does not tell is not recorded. Linux is read through `/proc`, everything else through `sysinfo`; what stands there for
//! other systems is what that crate documents.
//!
//! To Prometheus these are `process_open_fds` and so on, with the prefix of all names where there is one. A counter here holds whole numbers, so CPU time is
//! `process_cpu_microseconds_total`; the exporter for Prometheus shows `process_cpu_seconds_total` by itself beside it, and leaves out what is recorded
//! under its own names.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod other;
mod reading;
mod source;

pub use source::ProcessMetrics;
