//! Answers of a server, or of the system, to something that was sent.

use std::time::Duration;

/// The fate of one body, datagram or piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it was taken.
    Accepted,
    /// Nothing of it can be counted on, but another attempt may succeed: what is in it stays pending, and nothing more is sent in this delivery.
    Later {
        /// Why, for the log.
        reason: String,
        /// How long the server asks to be left alone.
        after: Option<Duration>,
    },
    /// No further attempt changes the answer.
    Refused {
        /// Why, for the log: the server's own words.
        reason: String,
        /// How much of what is sent the answer is about.
        extent: Extent,
    },
    /// More than the server takes at once: its halves are sent.
    TooLarge {
        /// Why, for the log.
        reason: String,
    },
}

/// How much a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Perhaps a part of the body: its halves are sent, and theirs, until what is refused is alone.
    Part,
    /// This body.
    Body,
    /// Whatever is sent in this delivery: a wrong token, say.
    All,
}
