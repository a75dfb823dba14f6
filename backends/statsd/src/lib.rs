//! The statsd backend: counters, gauges and timers as lines, over UDP, a Unix datagram socket, or TCP.
//!
//! ```no_run
//! # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_statsd as statsd; }
//! use ferrometer::statsd::{Settings, Statsd};
//! use std::time::Duration;
//!
//! let backend = Statsd::new(Settings::udp("localhost", 8125));
//! ferrometer::install("statsd", Box::new(backend), Duration::from_secs(1)).unwrap();
//! ```
//!
//! The path of a delivery, a file for each step: `backend` walks the deltas, `names` says whose they are, `encoder` writes their values in the `format`
//! of a [`Dialect`] (labels by `label_text`), `packer` packs lines into datagrams (in a buffer of `datagram`) and remembers what is in each, `connection` hands them to the kernel (many at once by
//! `udp_gso`) at the addresses that `resolver` finds. A datagram the kernel did not take leaves its values pending: they are in the next
//! interval's.

#![deny(missing_docs)]

mod backend;
mod connection;
mod datagram;
mod dialect;
mod encoder;
mod format;
mod label_text;
mod names;
mod number;
mod pacer;
mod packed;
mod packer;
mod refusal;
mod resolver;
mod settings;
mod socket;
mod state;
mod udp_gso;

use ferrometer_core::name::{MAX_LABELS, MAX_NAME_BYTES, MAX_RAW_BYTES};
use ferrometer_core::object::MAX_OBJECT_BYTES;

pub use backend::Statsd;
pub use dialect::Dialect;
pub use format::{Histograms, Labels, NegativeGauges, Rates, Timers, Values};
pub use settings::{Settings, Transport};

/// The most memory one backend keeps for itself, in bytes, when the program has `series` series: whose their names are, and the datagrams
/// of a burst.
#[must_use]
pub const fn max_bytes(series: usize) -> usize {
    // A key that must be unique: kind, name and tags; and its owner, in a table that doubles. The decision for each series, and how its
    // name is written.
    const UNIQUE: usize =
        MAX_NAME_BYTES + MAX_RAW_BYTES + (2 + label_text::MAX_GROWTH) * MAX_LABELS + MAX_OBJECT_BYTES + 64;
    // And if it is told.
    const NAMES: usize = UNIQUE + 4 * 32 + 2 * 2 + 1;
    // Datagrams one behind the other, in a buffer that doubles, an entry for each line, of at least eight bytes, and its receipt once more while
    // it is not confirmed; on a stream a receipt for each value, of at least two.
    const BURST: usize = 4 * 65_536 + 2 * (65_536 / 8) * 128 + 2 * (65_536 / 2) * 48;
    series.saturating_mul(NAMES).saturating_add(BURST)
}
