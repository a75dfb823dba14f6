//! Properties that all answers share.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// Answers with a body that no cache may keep and no browser may take for a page.
///
/// ```
/// use ferrometer_http::{StatusCode, respond};
/// let response = respond(StatusCode::OK, "text/plain; charset=utf-8", "hello");
/// assert_eq!(response.headers()["cache-control"], "no-store");
/// ```
pub fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        // Labels may hold anything.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.into()).into_response()
}

/// Serializes a value of the program's own types, which does not fail: an empty text stands for a fault in its `Serialize`.
#[must_use]
pub fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
