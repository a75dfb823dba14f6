//! Answers. Records are written a generation at a time as the client takes them, so that a large history is never in memory as
//! text.

use super::query::Query;
use crate::handle::PullCacheHandle;
use crate::store::History;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

const JSON: &str = "application/json";

/// Text that is shared, not copied.
pub(super) struct Shared(pub(super) Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        // Labels may hold anything; no browser shall take them for a page.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

pub(super) fn plain(text: impl AsRef<[u8]> + Send + 'static, content_type: &'static str) -> Response {
    respond(StatusCode::OK, content_type, Body::from(Bytes::from_owner(text)))
}

pub(super) fn error(status: StatusCode, message: &str) -> Response {
    #[derive(Serialize)]
    struct Error<'a> {
        error: &'a str,
    }
    respond(status, JSON, Body::from(json(&Error { error: message })))
}

/// Serialization of our own types into memory does not fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The first and last timestamp of what the cache holds.
#[derive(Serialize)]
struct Window {
    from: Option<i64>,
    to: Option<i64>,
}

/// `{"data":[…],"window":{"from":…,"to":…}}`, in pieces.
pub(super) struct Json {
    generations: History,
    window: Window,
    written: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Head,
    Records,
    All,
}

impl Json {
    /// What is asked for, as it stands at this moment.
    pub(super) fn new(handle: &PullCacheHandle, query: Query) -> Json {
        let start = query.start_time;
        // The newest alone is the last of the history.
        let after = if query.history { start } else { start.max(handle.window().map(|w| w.1.saturating_sub(1))) };
        let generations = handle.history(after);
        let window = generations.window();
        let window = Window { from: window.map(|w| w.0), to: window.map(|w| w.1) };
        Json { generations, window, written: Written::Nothing }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.written == Written::Nothing {
            self.written = Written::Head;
            return Some(b"{\"data\":[".to_vec());
        }
        for generation in self.generations.by_ref() {
            let mut out = Vec::with_capacity(generation.len() * 128);
            for record in generation.records() {
                if self.written == Written::Records {
                    out.push(b',');
                }
                out.extend(json(&record));
                self.written = Written::Records;
            }
            if !out.is_empty() {
                return Some(out);
            }
        }
        if self.written == Written::All {
            return None;
        }
        self.written = Written::All;
        let mut out = b"],\"window\":".to_vec();
        out.extend(json(&self.window));
        out.push(b'}');
        Some(out)
    }
}

impl HttpBody for Json {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(Bytes::from(piece)))))
    }
}

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, JSON, Body::new(self))
    }
}
