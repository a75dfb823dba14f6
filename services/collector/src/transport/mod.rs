//! Requests to a server: connections, credentials, certificates, attempts and limits.
//!
//! Data go from the caller through `auth` and `tls` to the wire, and come back capped. `patiently` repeats what may pass.

mod auth;
mod backoff;
mod error;
mod failure;
mod limits;
mod names;
mod tls;
mod userinfo;

pub use error::AskError;
pub(crate) use failure::Failure;
pub use limits::Limits;

use crate::config::settings::Server;
use auth::Auth;
use backoff::Backoff;
use names::Names;
use std::time::Duration;
use ureq::unversioned::transport::DefaultConnector;

/// Bytes that the header of a reply may have.
const MAX_HEADER: usize = 64 << 10;

/// Body of a request.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    None,
    /// Parameters, encoded as in an address.
    Form(&'a str),
    Json(&'a [u8]),
    JsonPatch(&'a [u8]),
}

/// A reply, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
    /// Seconds since 1970 on the server's clock, from `Date`.
    pub server_time: Option<i64>,
    retry_after: Option<Duration>,
    location: Option<String>,
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns a failure of this reply, which may pass if its status says so.
    pub fn refused(&self, error: AskError) -> Failure {
        Failure { error, may_pass: matches!(self.status, 429 | 500..=599), retry_after: self.retry_after }
    }
}

/// Connections to one server.
#[derive(Debug)]
pub(crate) struct Transport {
    agent: ureq::Agent,
    base: String,
    auth: Auth,
    limits: Limits,
}

impl Transport {
    /// Prepares connections; makes none. Warns, through `tracing`, of `insecure` and of credentials without HTTPS.
    pub fn new(server: &Server, limits: Limits) -> Result<Transport, AskError> {
        let (base, user) = userinfo::without_user(&server.url);
        let auth = Auth::new(server, user)?;
        let https = base.starts_with("https:");
        if !https && auth.is_some() {
            tracing::warn!(url = %base, "credentials are sent without encryption: the address is not https");
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
        let agent = ureq::Agent::with_parts(config.build(), DefaultConnector::default(), Names::default());
        Ok(Transport { agent, base, auth, limits })
    }

    /// Returns the address without credentials, and without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Makes attempts until one succeeds, one fails for a reason that will not pass, or they are used up.
    pub fn patiently<T>(&self, mut once: impl FnMut() -> Result<T, Failure>) -> Result<T, AskError> {
        let mut backoff = Backoff::new(self.limits.retries, self.limits.first_wait);
        loop {
            let failure = match once() {
                Ok(done) => return Ok(done),
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

    /// Makes one attempt. A reply of any status is one.
    pub fn send(&self, method: &str, url: &str, body: Body<'_>) -> Result<Reply, Failure> {
        let auth = self.auth.header().map_err(Failure::lasting)?;
        let failed = |error| {
            let (error, may_pass) = AskError::transport(error, &self.base);
            Failure { error, may_pass, retry_after: None }
        };
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(value) = &auth {
            request = request.header("authorization", value);
        }
        let built = |e: ureq::http::Error| failed(ureq::Error::Http(e));
        let sent = match body {
            Body::None => self.agent.run(request.body(()).map_err(built)?),
            Body::Form(parameters) => {
                let request = request.header("content-type", "application/x-www-form-urlencoded");
                self.agent.run(request.body(parameters).map_err(built)?)
            }
            Body::Json(bytes) | Body::JsonPatch(bytes) => {
                let kind =
                    if matches!(body, Body::Json(_)) { "application/json" } else { "application/json-patch+json" };
                let request = request.header("content-type", kind);
                self.agent.run(request.body(bytes).map_err(built)?)
            }
        };
        let mut response = sent.map_err(failed)?;
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (date, retry_after, location) = (header("date"), header("retry-after"), header("location"));
        let server_time = date.as_deref().and_then(backoff::http_date);
        let status = response.status().as_u16();
        let body = match response.body_mut().with_config().limit(self.limits.max_reply_bytes).read_to_vec() {
            Ok(body) => body,
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                return Err(Failure::lasting(AskError::TooLarge(self.limits.max_reply_bytes)));
            }
            Err(error) => return Err(failed(error)),
        };
        let retry_after = retry_after.as_deref().and_then(|text| backoff::retry_after(text, server_time));
        Ok(Reply { status, body, server_time, retry_after, location })
    }

    /// Returns a body without the credentials that a server sent back in it.
    pub fn scrubbed(&self, body: &[u8]) -> Vec<u8> {
        self.auth.scrubbed(body)
    }

    /// Makes an error of a reply's status.
    pub fn status(&self, reply: &Reply) -> AskError {
        AskError::status(reply.status, &self.scrubbed(&reply.body), reply.location.as_deref())
    }
}
