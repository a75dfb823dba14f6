//! What the other nodes record, for the page: `/v1/metrics` and `/v1/instruments` of each of them, asked by this process, so that a browser
//! talks to one host alone.

use super::Service;
use super::foreign::{self, Kind};
use super::state::State;
use crate::http::App;
use crate::http::answer::{JSON, error, respond};
use crate::http::counts::Counts;
use crate::http::held::hold;
use crate::http::privileges::{Privilege, Rights};
use crate::http::query::{Query, shorten};
use axum::Router;
use axum::extract::{Extension, Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;

pub(in crate::http) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/nodes/{node}/metrics", get(metrics))
        .route("/v1/nodes/{node}/instruments", get(instruments))
}

/// This node's name, and the others' states: of those that the caller may ask, and how many more there are.
pub(in crate::http) fn known<'a>(service: &'a Service, rights: &Rights) -> (&'a str, Vec<State>, usize) {
    let states = service.cluster.states();
    match rights.has(Privilege::SysAudit, "/") {
        true => (service.cluster.node(), states, 0),
        false => (service.cluster.node(), Vec::new(), states.len()),
    }
}

async fn metrics(
    Shared(app): Shared<Arc<App>>,
    Extension(rights): Extension<Rights>,
    Path(node): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    // What is wrong is told here, and goes no further.
    match Query::parse(&query) {
        Ok(parsed) => ask(app, &rights, &node, Kind::Metrics, (&query, &parsed), &headers).await,
        Err(message) => error(StatusCode::BAD_REQUEST, &message),
    }
}

async fn instruments(
    Shared(app): Shared<Arc<App>>,
    Extension(rights): Extension<Rights>,
    Path(node): Path<String>,
    headers: HeaderMap,
) -> Response {
    ask(app, &rights, &node, Kind::Instruments, ("", &Query::default()), &headers).await
}

/// `query` as it came, and read.
async fn ask(
    app: Arc<App>,
    rights: &Rights,
    name: &str,
    kind: Kind,
    (query, parsed): (&str, &Query),
    headers: &HeaderMap,
) -> Response {
    let Some(service) = app.proxmox.as_ref() else { return unknown(name, "") };
    if !rights.has(Privilege::SysAudit, "/") {
        Counts::add(&app.counts.denied);
        return error(StatusCode::FORBIDDEN, "other nodes are shown to a token with Sys.Audit on / alone");
    }
    let Some(node) = service.cluster.find(name) else { return unknown(name, &service.cluster.names()) };
    let Ok(_place) = service.forwarding.try_acquire() else {
        Counts::add(&app.counts.busy);
        let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "too many other nodes are being asked; try again");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let mark = if query.is_empty() { "" } else { "?" };
    let route = format!("{}{mark}{query}", kind.route());
    match service.cluster.forward(node, kind, parsed, &route, headers).await {
        Ok((body, place)) => hold(respond(StatusCode::OK, JSON, body), place),
        // The place was lost, not the node.
        Err(Some(410)) => {
            error(StatusCode::GONE, "the node no longer keeps that generation; begin again without after")
        }
        Err(_) => respond(StatusCode::OK, JSON, foreign::nothing(kind, &node.state())),
    }
}

fn unknown(name: &str, known: &str) -> Response {
    let there_are = if known.is_empty() { "there are none".to_owned() } else { format!("there are {known}") };
    error(StatusCode::NOT_FOUND, &format!("no other node is called {:?}; {there_are}", shorten(name)))
}
