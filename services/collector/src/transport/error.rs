//! Why a query has no answer.

use crate::error::clean;
use std::error::Error as _;
use std::fmt;

/// Why a query has no answer. No text of it holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// The client cannot be made of such a configuration.
    Config(String),
    /// The server could not be reached, or the connection broke.
    Transport(String),
    /// The server does not show a certificate that is trusted, or does not trust this client's.
    Certificate(String),
    /// The server answered with a status and without an error of the API.
    Status {
        /// HTTP status.
        status: u16,
        /// Text that says more.
        message: String,
    },
    /// The server refused the query.
    Refused {
        /// HTTP status.
        status: u16,
        /// `errorType` of the reply, such as `bad_data`.
        kind: String,
        /// `error` of the reply.
        message: String,
    },
    /// The reply is not what the API answers.
    Unexpected(String),
    /// The reply is longer than allowed, in bytes.
    TooLarge(u64),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Config(message)
            | AskError::Transport(message)
            | AskError::Certificate(message)
            | AskError::Unexpected(message) => f.write_str(message),
            AskError::Status { status, message } => write!(f, "the server answered {status}: {message}"),
            AskError::Refused { status, kind, message } => {
                write!(f, "the server refused the query ({status} {kind}): {message}")
            }
            AskError::TooLarge(limit) => {
                write!(
                    f,
                    "the reply is longer than {limit} bytes; max_reply_bytes allows more, periods_per_query asks for less"
                )
            }
        }
    }
}

impl std::error::Error for AskError {}

impl AskError {
    /// Names the attempts that were made, where there was more than one.
    pub(super) fn after(self, attempts: u32) -> AskError {
        let more = |message: String| if attempts > 1 { format!("{message} ({attempts} attempts)") } else { message };
        match self {
            AskError::Transport(message) => AskError::Transport(more(message)),
            AskError::Status { status, message } => AskError::Status { status, message: more(message) },
            AskError::Refused { status, kind, message } => AskError::Refused { status, kind, message: more(message) },
            other => other,
        }
    }

    /// Makes an error of a status and a reply that is none of the API's.
    pub(super) fn status(status: u16, body: &[u8], location: Option<&str>) -> AskError {
        let message = match (status, location) {
            (300..=399, Some(to)) => {
                format!(
                    "it redirects to {}, which is not followed; prometheus_url has to name the server itself",
                    clean(to)
                )
            }
            (401, _) => "credentials are missing or wrong".into(),
            (403, _) => "these credentials may not ask".into(),
            (404, _) => "nothing is there; prometheus_url usually ends in /api/v1".into(),
            _ => start(body),
        };
        AskError::Status { status, message }
    }

    pub(crate) fn unexpected(message: &str, body: &[u8]) -> AskError {
        AskError::Unexpected(format!(
            "the reply is not one of Prometheus' API: {}; it begins with {}",
            clean(message),
            start(body)
        ))
    }

    /// Makes an error of what the transport says, and tells if it may pass.
    pub(super) fn transport(error: ureq::Error, base: &str) -> (AskError, bool) {
        let text = clean(&text_of(&error));
        if let Some(tls) = tls_of(&error) {
            let hint = match tls {
                rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
                    "; cafile names the authority to trust"
                }
                rustls::Error::AlertReceived(_) => "; client_cert and client_key are this client's",
                _ => "",
            };
            return (AskError::Certificate(format!("{base}: {}{hint}", clean(&tls.to_string()))), false);
        }
        let (message, may_pass) = match &error {
            ureq::Error::Timeout(_) => ("there was no whole reply within the timeout".to_owned(), true),
            ureq::Error::HostNotFound => ("the host is not found".to_owned(), true),
            ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => (text, true),
            _ => (text, false),
        };
        (AskError::Transport(format!("{base}: {message}")), may_pass)
    }
}

fn text_of(error: &ureq::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Finds the error of TLS inside of an error of the transport.
fn tls_of(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref::<rustls::Error>(),
        _ => None,
    }
}

/// Shows how a body begins.
fn start(body: &[u8]) -> String {
    if body.is_empty() {
        return "nothing".into();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    format!("\"{}\"", clean(text.split_whitespace().collect::<Vec<_>>().join(" ").as_str()))
}
