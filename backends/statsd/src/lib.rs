//! The statsd backend: counters, gauges and timers as lines, over UDP, a Unix datagram socket, or TCP.
//!
//! ```no_run
//! use ferrometer_statsd::{Settings, Statsd};
//! use std::time::Duration;
//!
//! let backend = Statsd::new(Settings::udp("localhost", 8125));
//! ferrometer_core::install("statsd", Box::new(backend), Duration::from_secs(1)).unwrap();
//! ```
//!
//! The path of a delivery, a file for each step: `backend` walks the deltas, `encoder` writes their values in the words
//! of a [`Dialect`], `batch` packs lines into datagrams (each a `packet`) and remembers what is in each, `transport` hands them to the kernel (many at once by
//! `segments`) at the addresses that `resolver` finds. A datagram the kernel did not take leaves its values pending: they are in the next
//! interval's.

#![deny(missing_docs)]

mod backend;
mod batch;
mod dialect;
mod encoder;
mod number;
mod packet;
mod resolver;
mod segments;
mod transport;

pub use backend::{Settings, Statsd, Transport};
pub use dialect::Dialect;
