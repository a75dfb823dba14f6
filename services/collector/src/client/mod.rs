//! A client of Prometheus' HTTP API: queries at a moment and at many moments, over HTTP and HTTPS.
//!
//! Blocking, on the threads of whoever asks: a collector has a few requests under way at once and nothing else to do meanwhile.

mod auth;
mod backoff;
mod error;
mod reply;
mod tls;
mod url;

pub use crate::address::url_problem;
pub use error::AskError;
pub use reply::{Answer, Series};

use crate::config::settings::Server;
use crate::query::{PROBE, Ranges};
use auth::Auth;
use backoff::Backoff;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Length of an address beyond which a query is posted: servers and proxies refuse lines of more than 8 KiB.
const LONGEST_URL: usize = 4096;

/// Bytes that the header of a reply may have.
const MAX_HEADER: usize = 64 << 10;

/// Limits of a [`Client`].
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

/// Moments at which a query is evaluated, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// One moment.
    At(i64),
    /// Every `step` seconds from `start` to `end`, both included.
    Every {
        /// First moment.
        start: i64,
        /// Last moment.
        end: i64,
        /// Distance in seconds.
        step: u32,
    },
}

/// A connection to one server.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    auth: Auth,
    limits: Limits,
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
        let (base, user) = url::without_user(&server.url);
        let auth = Auth::new(server, user)?;
        let https = base.starts_with("https:");
        if !https && auth.is_some() {
            tracing::warn!(url = %base, "credentials are sent without encryption: prometheus_url is not https");
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(server.timeout))
            .max_response_header_size(MAX_HEADER)
            .max_idle_connections(limits.connections)
            .max_idle_connections_per_host(limits.connections)
            .accept("application/json")
            .user_agent(concat!("ferrometer-collector/", env!("CARGO_PKG_VERSION")));
        if https {
            config = config.tls_config(tls::config(server)?);
        }
        Ok(Client { agent: config.build().new_agent(), base, auth, limits, ranges: Mutex::new(None) })
    }

    /// Returns the address that a query is asked at, as `--explain` shows it. It holds no credentials.
    #[must_use]
    pub fn url(&self, query: &str, when: When) -> String {
        url::full(&self.base, query, when)
    }

    /// Asks a query. Tries again what may pass: 429, 5xx, connections that are refused, cut or too slow.
    ///
    /// # Errors
    /// The last failure, when attempts are used up, or the first that will not pass.
    pub fn ask(&self, query: &str, when: When) -> Result<Answer, AskError> {
        let mut backoff = Backoff::new(self.limits.retries, self.limits.first_wait);
        loop {
            let failure = match self.ask_once(query, when) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let error = failure.error;
            match backoff.next(failure.may_pass, failure.retry_after) {
                Some(wait) => {
                    tracing::debug!(%error, wait_ms = wait.as_millis() as u64, "trying again");
                    std::thread::sleep(wait);
                }
                None => return Err(error.after(backoff.attempts())),
            }
        }
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

    fn ask_once(&self, query: &str, when: When) -> Result<Answer, Failure> {
        let url = url::full(&self.base, query, when);
        let auth = self.auth.header().map_err(Failure::lasting)?;
        let sent = if url.len() <= LONGEST_URL {
            let mut request = self.agent.get(&url);
            if let Some(value) = &auth {
                request = request.header("authorization", value);
            }
            request.call()
        } else {
            let mut request = self.agent.post(url::endpoint(&self.base, when));
            if let Some(value) = &auth {
                request = request.header("authorization", value);
            }
            request.send_form(url::parameters(query, when))
        };
        let mut response = sent.map_err(|e| Failure::transport(e, &self.base))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (date, retry_after, location) = (header("date"), header("retry-after"), header("location"));
        let server_time = date.as_deref().and_then(backoff::http_date);
        let read = response.body_mut().with_config().limit(self.limits.max_reply_bytes).read_to_vec();
        let failed = |error: AskError| Failure {
            may_pass: matches!(status, 429 | 500..=599),
            retry_after: retry_after.as_deref().and_then(|text| backoff::retry_after(text, server_time)),
            error,
        };
        let body = match read {
            Ok(body) => body,
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                return Err(Failure::lasting(AskError::TooLarge(self.limits.max_reply_bytes)));
            }
            Err(error) => return Err(Failure::transport(error, &self.base)),
        };
        let parsed = reply::parse(&body);
        let (parsed, body) = match parsed {
            Err(_) => {
                let body = self.auth.scrubbed(&body);
                (reply::parse(&body), body)
            }
            Ok(answer) => (Ok(answer), body),
        };
        match parsed {
            Ok(mut answer) if (200..300).contains(&status) => {
                answer.server_time = server_time;
                Ok(answer)
            }
            Ok(_) => Err(failed(AskError::status(status, &self.auth.scrubbed(&body), location.as_deref()))),
            Err(reply::Malformed::Refused(kind, message)) => Err(failed(AskError::Refused { status, kind, message })),
            Err(_) if !(200..300).contains(&status) => {
                Err(failed(AskError::status(status, &body, location.as_deref())))
            }
            Err(reply::Malformed::Unexpected(message)) => Err(Failure::lasting(AskError::unexpected(&message, &body))),
        }
    }
}

/// An attempt that failed.
struct Failure {
    error: AskError,
    may_pass: bool,
    retry_after: Option<Duration>,
}

impl Failure {
    fn lasting(error: AskError) -> Failure {
        Failure { error, may_pass: false, retry_after: None }
    }

    fn transport(error: ureq::Error, base: &str) -> Failure {
        let (error, may_pass) = AskError::transport(error, base);
        Failure { error, may_pass, retry_after: None }
    }
}
