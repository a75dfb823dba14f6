//! Refusals: a status and a message, which each service renders in its own way.

use crate::response::{JSON, json, respond};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;

/// An answer that says why there is no other. A handler can return it; the frame lets the
/// [service](crate::Service::refuse) render it.
///
/// ```
/// use ferrometer_http::{Refusal, StatusCode};
///
/// let refusal = Refusal::new(StatusCode::NOT_FOUND, "there is no such metric");
/// assert_eq!(refusal.json().status(), 404);
/// ```
#[derive(Clone, Debug)]
pub struct Refusal {
    status: StatusCode,
    message: Arc<str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    accept: Option<HeaderValue>,
}

impl Refusal {
    /// Refuses with a message in one sentence: what was found, and what is allowed.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<Arc<str>>) -> Refusal {
        Refusal { status, message: message.into(), headers: Vec::new(), accept: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Refusal {
        self.headers.push((name, value));
        self
    }

    /// Notes the `Accept` of the request.
    pub(crate) fn for_whom(mut self, accept: Option<HeaderValue>) -> Refusal {
        self.accept = accept;
        self
    }

    /// Returns the request's `Accept`, its first line, in a refusal that a [service](crate::Service::refuse) is to render; `None` when there
    /// was none. A service that has one form needs it not.
    #[must_use]
    pub fn accept(&self) -> Option<&HeaderValue> {
        self.accept.as_ref()
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Renders the refusal as `{"error":"…"}`, with its headers.
    #[must_use]
    pub fn json(&self) -> Response {
        let mut response = respond(self.status, JSON, error_json(&self.message));
        response.headers_mut().extend(self.headers.iter().cloned());
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.json();
        // For the service, which may say it in another form.
        response.extensions_mut().insert(self);
        response
    }
}

/// `{"error":"…"}`.
pub(crate) fn error_json(message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Error<'a> {
        error: &'a str,
    }
    json(&Error { error: message })
}
