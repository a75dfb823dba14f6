//! Answers of the frame itself: the index at `/`, `/healthz` and `/readyz`, assembled from the mounted services, and the refusals of methods and
//! paths that there are not.

use crate::access::Access;
use crate::gate::Gate;
use crate::layers::{self, Answer};
use crate::negotiation::media_type;
use crate::offload::offload;
use crate::query_string::shorten;
use crate::refusal::Refusal;
use crate::response::{JSON, json, respond};
use crate::service::Front;
use crate::spec::Spec;
use axum::extract::{OriginalUri, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use serde::Serialize;
use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;

/// Where the answer of a line begins.
const COLUMN: usize = 39;
/// Seconds after which a service that is not ready may be asked again.
const AGAIN: HeaderValue = HeaderValue::from_static("5");
const TEXT: &str = "text/plain; charset=utf-8";

/// An answer of the frame's own.
#[derive(Clone)]
enum Own {
    Alive,
    Ready(Arc<Gate>),
    Index(Arc<str>),
    /// A service's page for browsers, the index for others.
    Front(Arc<Gate>, Front, Arc<str>),
    /// Nothing is at the path; with a hint where there is something.
    Nothing(&'static str),
    /// The route has these methods, and the one asked for is none of them.
    NotAllowed(Arc<[Method]>),
}

impl Own {
    fn handler(self) -> impl Fn(Request) -> Answer + Clone + Send + Sync + 'static {
        move |request| self.clone().answer(request)
    }

    fn answer(self, request: Request) -> Answer {
        let response = match self {
            Own::Ready(gate) => return Box::pin(readiness(gate)),
            Own::Front(gate, front, index) => return Box::pin(front_or_index(gate, front, index, request)),
            Own::Alive => respond(StatusCode::OK, JSON, json(&Health { ok: true, reason: None })),
            Own::Index(text) => respond(StatusCode::OK, TEXT, text.as_bytes().to_vec()),
            Own::Nothing(hint) => {
                let path = shorten(request.uri().path());
                Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing at {path:?}{hint}")).into_response()
            }
            Own::NotAllowed(methods) => not_allowed(&request, &methods),
        };
        Box::pin(ready(response))
    }
}

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

/// The index at `/`; in its place, for browsers, the page of a service that has one. Both are guarded like a route: the page is open to all, and the
/// index, behind its own check there, to every token.
pub(crate) fn front(gate: &Arc<Gate>, index: Arc<str>) -> MethodRouter {
    let (access, own) = match gate.services.iter().find_map(|(_, service)| service.front()) {
        Some(front) => (Access::Public, Own::Front(Arc::clone(gate), front, index)),
        None => (Access::AnyToken, Own::Index(index)),
    };
    layers::layered(gate, Spec::new(None, access), readable(own))
}

/// The routes of health, which are open to all.
pub(crate) fn health(gate: &Arc<Gate>) -> [(&'static str, MethodRouter); 2] {
    [("/healthz", Own::Alive), ("/readyz", Own::Ready(Arc::clone(gate)))]
        .map(|(path, own)| (path, layers::open(gate, readable(own))))
}

/// The refusal of paths where nothing is; a hint tells of the index when there is one.
pub(crate) fn nothing(gate: &Arc<Gate>, index: bool) -> MethodRouter {
    let hint = if index { "; GET / lists what there is" } else { "" };
    let handlers = any(Own::Nothing(hint).handler());
    layers::nothing(gate, layers::layered(gate, Spec::new(None, Access::AnyToken), handlers))
}

/// Adds the refusal of all methods but these to handlers.
pub(crate) fn refusing(handlers: MethodRouter, methods: Vec<Method>) -> MethodRouter {
    handlers.fallback(Own::NotAllowed(methods.into()).handler())
}

fn readable(own: Own) -> MethodRouter {
    refusing(get(own.handler()), vec![Method::GET, Method::HEAD])
}

async fn front_or_index(gate: Arc<Gate>, front: Front, index: Arc<str>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    // As the client asked, before a program that mounts the frame took a part of the path away.
    let uri = head.extensions.get::<OriginalUri>().map_or(&head.uri, |original| &original.0);
    let mut response = match media_type(&head.headers, &["text/plain", "text/html"]) {
        Some("text/html") => front(uri, &head.headers),
        _ => match gate.rights(&head.headers, None).await {
            Ok(_) => respond(StatusCode::OK, TEXT, index.as_bytes().to_vec()),
            Err(refusal) => refusal.into_response(),
        },
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Both routes of health answer with this.
#[derive(Serialize)]
struct Health {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// 200 when every service is ready; else 503 with the reasons of those that are not.
async fn readiness(gate: Arc<Gate>) -> Response {
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

/// Refuses a method; `Allow` lists those that the route has.
fn not_allowed(request: &Request, methods: &[Method]) -> Response {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let found = shorten(request.method().as_str());
    let are = match names.as_slice() {
        [] => "none is".to_owned(),
        [only] => format!("{only} is"),
        [others @ .., last] => format!("{} and {last} are", others.join(", ")),
    };
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{found} is not allowed; {are}"));
    let allow = HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""));
    refusal.with_header(header::ALLOW, allow).into_response()
}
