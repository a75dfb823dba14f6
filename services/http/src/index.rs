//! The routes of the frame itself: the index at `/`, `/healthz` and `/readyz`, assembled from the mounted services.

use crate::access::Access;
use crate::gate::Gate;
use crate::layers::frames_own;
use crate::negotiation::media_type;
use crate::offload::offload;
use crate::response::{JSON, json, respond};
use axum::extract::OriginalUri;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

/// Where the answer of a line begins.
const COLUMN: usize = 39;
/// Seconds after which a service that is not ready may be asked again.
const AGAIN: HeaderValue = HeaderValue::from_static("5");
const TEXT: &str = "text/plain; charset=utf-8";

/// The text of the index.
pub(crate) fn text(gate: &Gate, title: &str, lines: &[(Cow<'_, str>, &str)]) -> Arc<str> {
    let ready = gate.services.iter().find_map(|(_, service)| service.readiness());
    let own = [("GET /healthz", "the process answers"), ("GET /readyz", ready.unwrap_or("everything is ready"))]
        .map(|(usage, answer)| (Cow::Borrowed(usage), answer));
    let mut text = format!("{title}\n\n");
    for (usage, answer) in lines.iter().chain(&own) {
        text.push_str(&format!("{usage:<COLUMN$}{answer}\n"));
    }
    text.into()
}

/// The index at `/`; in its place, for browsers, the page of a service that has one.
pub(crate) fn front(gate: &Arc<Gate>, index: Arc<str>) -> MethodRouter {
    let Some(front) = gate.services.iter().find_map(|(_, service)| service.front()) else {
        let show = move || async move { respond(StatusCode::OK, TEXT, index.as_bytes().to_vec()) };
        return frames_own(gate, Access::AnyToken, get(show));
    };
    let asked = Arc::clone(gate);
    // The page is open to all, and the index is not.
    let show = move |OriginalUri(uri): OriginalUri, headers: HeaderMap| async move {
        let mut response = match media_type(&headers, &["text/plain", "text/html"]) {
            Some("text/html") => front(&uri, &headers),
            _ => match asked.rights(&headers, None).await {
                Ok(_) => respond(StatusCode::OK, TEXT, index.as_bytes().to_vec()),
                Err(refusal) => refusal.into_response(),
            },
        };
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
        response
    };
    frames_own(gate, Access::Public, get(show))
}

/// Both routes of health answer with this.
#[derive(Serialize)]
struct Health {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) async fn alive() -> Response {
    respond(StatusCode::OK, JSON, json(&Health { ok: true, reason: None }))
}

/// 200 when every service is ready; else 503 with the reasons of those that are not.
pub(crate) async fn ready(gate: Arc<Gate>) -> Response {
    // A service may ask a server that does not answer.
    let asked = offload(move || gate.services.iter().filter_map(|(_, service)| service.ready().err()).collect()).await;
    let faults: Vec<String> = match asked {
        Ok(faults) => faults,
        Err(refusal) => return refusal.into_response(),
    };
    let reason = (!faults.is_empty()).then(|| faults.join("; "));
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = respond(status, JSON, json(&Health { ok: reason.is_none(), reason }));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, AGAIN);
    }
    response
}
