//! Limits of requests.

use std::time::Duration;

/// Limits of a client's requests.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes that a reply may have.
    pub max_reply_bytes: u64,
    /// Further attempts after one that failed for a reason that may pass.
    pub retries: u32,
    /// Connections that are kept open between requests.
    pub connections: usize,
    /// Wait before the first further attempt; it doubles with each.
    pub first_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_reply_bytes: 64 << 20, retries: 5, connections: 8, first_wait: Duration::from_millis(200) }
    }
}
