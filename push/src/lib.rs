//! Parts that all backends share that push: when a server is tried again, how a delivery is packed into bodies of a
//! bounded size, what became of each series in it, and the ways there: a blocking HTTP client, UDP, TCP.
//!
//! A backend is a [`Pusher`] of two parts: an [`Exporter`] writes the instruments of a snapshot as pieces, and a [`Carrier`] sends bodies of them. The path
//! of a delivery, a file for each step:
//!
//! | step | file |
//! |---|---|
//! | whether the server is to be tried now | `pusher`, `patience` |
//! | which series are one instrument, and what it has come to | `instruments`, `scaled`, `histogram` |
//! | writing it | the backend's own; `claims`, `parts`, `texts`, `number`, `protobuf`, `moment` |
//! | pieces into bodies, halved where need be | `packer`, `packed` |
//! | kept while a server is away | `spool` |
//! | on the way | `http` with `https` and `resolver`, or `socket`, each of which ends with a [`Verdict`]; to where a `destination` policy allows |
//! | what became of each series | `account` |
//!
//! Totals are cumulative, so an outage costs no memory: what a server missed is in the next delivery.

#![deny(missing_docs)]

mod account;
mod claims;
mod delegate;
mod destination;
mod directory_lock;
pub mod histogram;
mod http;
#[cfg(feature = "https")]
mod https;
mod instruments;
mod invalid;
pub mod memory_bound;
pub mod moment;
mod number;
mod packed;
mod packer;
pub mod parts;
mod patience;
pub mod protobuf;
mod pusher;
mod resolver;
mod scaled;
mod secret;
mod socket;
mod spool;
mod texts;
mod verdict;
pub mod words;

pub use account::Account;
pub use claims::Claims;
pub use destination::Destinations;
pub use ferrometer_core::Preview;
pub use http::{Http, HttpSettings, MOST_REPLY, Reply, gzip};
pub use instruments::{Instruments, Plain, Rates, Summary, ids, summary};
pub use invalid::Invalid;
pub use number::{push_float, push_plain, push_whole};
pub use packed::{Limit, Memory, Packed};
pub use packer::{Carrier, Packer};
pub use patience::Patience;
pub use pusher::{Exporter, Pusher};
pub use scaled::scaled;
pub use secret::Secret;
pub use socket::{Proto, Socket, SocketSettings};
pub use spool::Spool;
pub use texts::Texts;
pub use verdict::{Extent, Verdict};
