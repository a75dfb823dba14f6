//! A client of Prometheus' HTTP API: queries at a moment and at many moments, over HTTP and HTTPS.
//!
//! Blocking, on the threads of the caller: a collector has a few requests under way at once and nothing else to do meanwhile.

mod reply;
mod url;
mod when;

pub use crate::address::url_problem;
pub use crate::transport::{AskError, Limits};
pub use reply::{Answer, Series};
pub use when::When;

use crate::config::settings::Server;
use crate::query::{PROBE, Ranges};
use crate::transport::{Body, Failure, Transport};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Length of an address beyond which a query is posted: servers and proxies refuse lines of more than 8 KiB.
const LONGEST_URL: usize = 4096;

/// A connection to one server.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    ranges: Mutex<Option<Ranges>>,
}

impl Client {
    /// Prepares a client; connects to nothing. Warns, through `tracing`, of `insecure` and of credentials without HTTPS.
    ///
    /// # Errors
    /// An address that is none, or a file of certificates, keys or tokens that cannot be used: it is named.
    pub fn new(server: &Server, limits: Limits) -> Result<Client, AskError> {
        if let Some(message) = url_problem(&server.url) {
            return Err(AskError::Config(format!("prometheus_url: {message}")));
        }
        Ok(Client { transport: Transport::new(server, limits)?, ranges: Mutex::new(None) })
    }

    /// Returns the address that a query is asked at, as `--explain` shows it. It holds no credentials.
    #[must_use]
    pub fn url(&self, query: &str, when: When) -> String {
        url::full(self.transport.base(), query, when)
    }

    /// Asks a query. Tries again what may pass: 429, 5xx, connections that are refused, cut or too slow.
    ///
    /// # Errors
    /// The last failure, when attempts are used up, or the first that will not pass.
    pub fn ask(&self, query: &str, when: When) -> Result<Answer, AskError> {
        let url = self.url(query, when);
        self.transport.patiently(|| self.ask_once(&url, query, when))
    }

    /// Returns how the server's ranges treat their old end, which is asked once.
    ///
    /// A server that does not understand the question is taken to have closed ranges: then at most one millisecond is missed, and
    /// nothing is counted twice.
    ///
    /// # Errors
    /// A server that cannot be asked.
    pub fn ranges(&self) -> Result<Ranges, AskError> {
        let mut known = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ranges) = *known {
            return Ok(ranges);
        }
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        let ranges = match self.ask(PROBE, When::At(seconds - seconds % 60 - 3600)) {
            Ok(answer) => match answer.series.first().and_then(|s| s.samples.first()) {
                Some((_, text)) if text == "1" => Ranges::LeftOpen,
                _ => Ranges::Closed,
            },
            Err(AskError::Refused { .. }) => Ranges::Closed,
            Err(error) => return Err(error),
        };
        *known = Some(ranges);
        Ok(ranges)
    }

    fn ask_once(&self, url: &str, query: &str, when: When) -> Result<Answer, Failure> {
        let sent = if url.len() <= LONGEST_URL {
            self.transport.send("GET", url, Body::None)?
        } else {
            let form = url::parameters(query, when);
            self.transport.send("POST", &url::endpoint(self.transport.base(), when), Body::Form(&form))?
        };
        match reply::parse(&sent.body) {
            Ok(mut answer) if sent.is_success() => {
                answer.server_time = sent.server_time;
                Ok(answer)
            }
            Ok(_) => Err(sent.refused(self.transport.status(&sent))),
            // No message repeats a credential that the server sent back.
            Err(_) => match reply::parse(&self.transport.scrubbed(&sent.body)) {
                Err(reply::Malformed::Refused(kind, message)) => {
                    Err(sent.refused(AskError::Refused { status: sent.status, kind, message }))
                }
                Err(reply::Malformed::Unexpected(message)) if sent.is_success() => {
                    Err(Failure::lasting(AskError::unexpected(&message, &self.transport.scrubbed(&sent.body))))
                }
                _ => Err(sent.refused(self.transport.status(&sent))),
            },
        }
    }
}
