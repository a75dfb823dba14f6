//! Statsd lines that come: sockets that hear them, and a reader for every dialect.
//!
//! ```text
//!  sockets ──► listen: datagrams and lines ──► `Hears` ──► line: Line::parse
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `line` | a line taken apart, or the reason why it is none |
//! | `listen` | a thread for each socket, and one for each connection |
//! | `datagrams`, `streams` | how the two kinds of socket are read |
//! | `batch`, `hears` | datagrams with their senders; who hears them, and what the threads share |
//!
//! The archive's daemon, the server's recorder and `ferrometer tap` all hear and read with this crate. What a line means is theirs to say.

#![forbid(unsafe_code)]

mod batch;
mod datagrams;
mod hears;
mod line;
mod listen;
mod streams;

pub use batch::{Datagrams, Peer};
pub use hears::{Hears, Limits};
pub use line::{Fault, Kind, Line, Sample};
pub use listen::{Listening, Socket, listen};

#[cfg(test)]
#[path = "../../../tests/statsd-conformance/corpus.rs"]
mod corpus;
