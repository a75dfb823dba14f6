//! Properties that all answers share.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
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
    respond_with(status, content_type, body.into())
}

fn respond_with(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    match HeaderValue::from_str(content_type) {
        Ok(value) => drop(response.headers_mut().insert(header::CONTENT_TYPE, value)),
        // A mistake of the service's.
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Labels may hold anything.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Serializes a value of the program's own types, which does not fail: an empty text stands for a fault in its `Serialize`.
#[must_use]
pub fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
