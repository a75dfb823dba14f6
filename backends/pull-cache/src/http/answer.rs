//! What all answers have in common: their headers, and errors as JSON.

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
#[cfg(feature = "proxmox")]
use std::sync::Arc;

pub(super) const JSON: &str = "application/json";

/// An answer that nobody shall keep.
pub(super) fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        // Labels may hold anything; no browser shall take them for a page.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.into()).into_response()
}

pub(super) fn plain(text: impl AsRef<[u8]> + Send + 'static, content_type: &'static str) -> Response {
    respond(StatusCode::OK, content_type, Bytes::from_owner(text))
}

/// What an error says, for whoever has to say it in another form.
#[cfg(feature = "proxmox")]
#[derive(Clone, Debug)]
pub(super) struct Message(pub(super) Arc<str>);

/// `{"error":"…"}`.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let response = respond(status, JSON, error_json(message));
    #[cfg(feature = "proxmox")]
    let response = {
        let mut response = response;
        response.extensions_mut().insert(Message(message.into()));
        response
    };
    response
}

pub(super) fn error_json(message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Error<'a> {
        error: &'a str,
    }
    json(&Error { error: message })
}

/// Serialization of our own types into memory does not fail.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
