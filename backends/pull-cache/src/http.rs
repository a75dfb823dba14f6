//! The cache over HTTP: what is asked, and what is answered. The server beneath is in `http/server.rs`.
//!
//! | route | answer |
//! |---|---|
//! | `GET /v1/metrics` | the newest generation as JSON; `history=1` for all, `start-time=<seconds>` for what is strictly newer |
//! | `GET /metrics` | totals for Prometheus, in the format `Accept` asks for; `name[]=<name>` for one family, any number of times |
//! | `GET /` | an index of the routes |
//!
//! Whoever reaches the address may read: there is no authentication, and nothing can be written.

mod answer;
mod metrics;
mod query;
mod server;

pub use server::{DEFAULT_ADDRESS, Server, serve};

use crate::handle::PullCacheHandle;
use answer::{Json, error, plain};
use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use query::Query;

const INDEX: &str = "\
ferrometer pull cache

GET /v1/metrics                        the newest generation as JSON
GET /v1/metrics?history=1              every generation kept
GET /v1/metrics?start-time=<seconds>   only what is strictly newer; with or without history
GET /metrics                           totals for Prometheus: text, OpenMetrics or protobuf, as Accept says
GET /metrics?name[]=<name>             only these families; any number of times
";

/// The routes, to be mounted in a server of your own, with `nest`. Requests with a body are refused. Limits of time, size and connections are
/// that server's; so is the authentication, if there is to be one.
///
/// ```
/// use ferrometer_pull_cache::{PullCacheBackend, Settings, router};
///
/// let backend = PullCacheBackend::new(Settings::default());
/// let app: axum::Router = axum::Router::new().nest("/internal", router(backend.handle()));
/// ```
pub fn router(handle: PullCacheHandle) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/v1/metrics", get(records))
        .route("/metrics", get(metrics::get))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn(no_body))
        .with_state(handle)
}

async fn index() -> Response {
    plain(INDEX, "text/plain; charset=utf-8")
}

async fn records(State(handle): State<PullCacheHandle>, RawQuery(query): RawQuery) -> Response {
    match Query::parse(query.as_deref().unwrap_or("")) {
        Ok(query) => Json::new(&handle, query).into_response(),
        Err(message) => error(StatusCode::BAD_REQUEST, &message),
    }
}

async fn not_found(request: Request) -> Response {
    let path = query::shorten(request.uri().path());
    error(StatusCode::NOT_FOUND, &format!("there is nothing at {path:?}; GET / lists what there is"))
}

async fn not_allowed(request: Request) -> Response {
    let message = format!("{} is not allowed; GET and HEAD are", query::shorten(request.method().as_str()));
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, &message);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Nothing here reads a body; a request that brings one is refused before it is sent.
async fn no_body(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    if headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0") {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "no body is accepted");
    }
    next.run(request).await
}
