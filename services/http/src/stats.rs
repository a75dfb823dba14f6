//! Numbers of connections and requests, by what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Connections and requests that a server has seen so far. Every refusal is counted with its cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCounts {
    /// Connections taken.
    pub connections: u64,
    /// The most connections at a time.
    pub most_connections: u64,
    /// Requests with a whole head.
    pub requests: u64,
    /// The most answers in progress at a time.
    pub most_requests: u64,
    /// Requests refused with 503, because too many answers were in progress.
    pub busy: u64,
    /// Requests refused with 401, or with 403 for want of a privilege.
    pub denied: u64,
    /// Requests refused for their `Host`.
    pub wrong_host: u64,
    /// Requests refused for their size, a body, or because they are no HTTP.
    pub malformed: u64,
    /// Requests of the right shape for what there is not: a parameter, path, method, form or page (400, 404, 405, 406, 410).
    pub mistaken: u64,
    /// Connections that ended in the TLS handshake, its time limit included.
    pub handshakes: u64,
    /// Requests and connections ended because the client was too slow, in asking or in reading. Idle connections are not among them.
    pub too_slow: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) connections: AtomicU64,
    pub(crate) most_connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    in_flight: AtomicU64,
    most_requests: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) wrong_host: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) mistaken: AtomicU64,
    pub(crate) handshakes: AtomicU64,
    pub(crate) too_slow: AtomicU64,
}

impl Stats {
    pub(crate) fn add(count: &AtomicU64) {
        count.fetch_add(1, Relaxed);
    }

    /// Stats an answer in progress until it is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.most_requests.fetch_max(now, Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn read(&self) -> ServerCounts {
        let of = |count: &AtomicU64| count.load(Relaxed);
        ServerCounts {
            connections: of(&self.connections),
            most_connections: of(&self.most_connections),
            requests: of(&self.requests),
            most_requests: of(&self.most_requests),
            busy: of(&self.busy),
            denied: of(&self.denied),
            wrong_host: of(&self.wrong_host),
            malformed: of(&self.malformed),
            mistaken: of(&self.mistaken),
            handshakes: of(&self.handshakes),
            too_slow: of(&self.too_slow),
        }
    }
}

pub(crate) struct InFlight(Arc<Stats>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
