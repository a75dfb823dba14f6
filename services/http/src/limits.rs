//! Limits on what clients may take.

use crate::error::ServeError;
use std::time::Duration;

/// Resources that one frame gives to all its clients, and to each.
///
/// ```
/// use ferrometer_http::Limits;
/// use std::time::Duration;
///
/// let limits = Limits { max_connections: 16, write_timeout: Duration::from_secs(3), ..Limits::default() };
/// assert_eq!(limits.max_requests, 64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, 1 to 65536; further ones wait in the system's queue. Default 256.
    pub max_connections: usize,
    /// Answers in progress at a time, 1 to 65536; further requests get 503 with `Retry-After`. `/healthz` and `/readyz` do not count.
    /// Default 64.
    pub max_requests: usize,
    /// Bytes of a query string, 64 to 65536; a longer one gets 414. Default 4096.
    pub max_query_bytes: usize,
    /// Bytes of all headers, names and values, 256 to 1 MiB; more get 431, and so do more than 64 headers. Default 16 KiB.
    pub max_header_bytes: usize,
    /// Bytes of all bodies of requests in memory at a time, 64 KiB to 64 GiB; a request whose body would be beyond gets 503 with
    /// `Retry-After`. Default 256 MiB.
    pub max_bodies_bytes: usize,
    /// Threads for work that takes long ([`offload`](crate::offload), and what else blocks), 2 to 256. Default 2: one of them at most does work
    /// in steps, so another is there for what takes a moment. They are started when
    /// there is work for them. A mounted router has those of its server.
    pub offload_threads: usize,
    /// How long a client may take for the TLS handshake, then again for the head of its request; at least 10 ms. Default 5 s.
    pub header_timeout: Duration,
    /// How long a client may take for the body of its request; at least 10 ms. Default `None`: as long as for its head.
    pub body_timeout: Option<Duration>,
    /// How long a client may take to make room for more of its answer; at least 10 ms. Default 10 s.
    pub write_timeout: Duration,
    /// How long an answer may take, from the whole head of the request to its last byte; at least 10 ms. Default 60 s.
    pub answer_timeout: Duration,
    /// How long a connection may wait for its next request; at least 10 ms. Default 15 s. It is closed at once while others wait for a
    /// connection.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 256,
            max_requests: 64,
            max_query_bytes: 4096,
            max_header_bytes: 16 << 10,
            max_bodies_bytes: 256 << 20,
            offload_threads: 2,
            header_timeout: Duration::from_secs(5),
            body_timeout: None,
            write_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(15),
        }
    }
}

impl Limits {
    pub(crate) fn body_timeout(&self) -> Duration {
        self.body_timeout.unwrap_or(self.header_timeout)
    }

    pub(crate) fn check(&self) -> Result<(), ServeError> {
        for (name, found, least, most) in [
            ("max_connections", self.max_connections, 1, 65_536),
            ("max_requests", self.max_requests, 1, 65_536),
            ("max_query_bytes", self.max_query_bytes, 64, 65_536),
            ("max_header_bytes", self.max_header_bytes, 256, 1 << 20),
            ("max_bodies_bytes", self.max_bodies_bytes, 64 << 10, usize::try_from(64_u64 << 30).unwrap_or(usize::MAX)),
            ("offload_threads", self.offload_threads, 2, 256),
        ] {
            if !(least..=most).contains(&found) {
                return Err(ServeError::Setting {
                    setting: name,
                    why: format!(" = {found}: allowed is {least} to {most}"),
                });
            }
        }
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(86_400));
        for (name, found) in [
            ("header_timeout", self.header_timeout),
            ("body_timeout", self.body_timeout()),
            ("write_timeout", self.write_timeout),
            ("answer_timeout", self.answer_timeout),
            ("idle_timeout", self.idle_timeout),
        ] {
            if !(least..=most).contains(&found) {
                return Err(ServeError::Setting {
                    setting: name,
                    why: format!(" = {found:?}: allowed is 10ms to 24h"),
                });
            }
        }
        Ok(())
    }
}
