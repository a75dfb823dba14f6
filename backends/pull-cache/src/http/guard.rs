//! What a request must pass before anything is made for it.

use super::App;
use super::answer::error;
use super::counts::Counts;
use super::held::hold;
use super::hosts::Wrong;
use super::privileges::Rights;
use super::tokens::Denied;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// For every route: nothing here reads a body, so a request that brings one is refused before it is sent; and of headers there is
/// an end.
pub(super) async fn shape(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    Counts::add(&app.counts.requests);
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    if headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0") {
        Counts::add(&app.counts.malformed);
        return error(StatusCode::PAYLOAD_TOO_LARGE, "no body is accepted");
    }
    let found = bytes(headers);
    let most = app.limits.max_header_bytes;
    if found > most {
        Counts::add(&app.counts.malformed);
        let message = format!("the headers have {found} bytes; allowed are {most}");
        return error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &message);
    }
    next.run(request).await
}

fn bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// For every route that shows something: who asks, under which name, and whether there is room.
pub(super) async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if let Some(refusal) = refuse(&app, &request) {
        return refusal;
    }
    match rights(&app, request.headers()) {
        Ok(rights) => drop(request.extensions_mut().insert(rights)),
        Err(refusal) => return *refusal,
    }
    if let Some(refusal) = refuse_query(&app, &request) {
        return refusal;
    }
    admit(app, request, next).await
}

/// For what holds no data: everything but the question for a token.
#[cfg(feature = "page")]
pub(super) async fn guard_open(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if let Some(refusal) = refuse(&app, &request).or_else(|| refuse_query(&app, &request)) {
        return refusal;
    }
    admit(app, request, next).await
}

async fn admit(app: Arc<App>, request: Request, next: Next) -> Response {
    let Ok(place) = Arc::clone(&app.places).try_acquire_owned() else {
        Counts::add(&app.counts.busy);
        let message = format!("{} answers are in progress, and that is the limit; try again", app.limits.max_requests);
        let mut response = error(StatusCode::SERVICE_UNAVAILABLE, &message);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let place = Place { _place: place, _counted: app.counts.enter() };
    let response = next.run(request).await;
    if response.status().is_client_error() {
        Counts::add(&app.counts.mistaken);
    }
    hold(response, place)
}

/// Kept until the answer is sent.
struct Place {
    _place: tokio::sync::OwnedSemaphorePermit,
    _counted: super::counts::InFlight,
}

fn refuse(app: &App, request: &Request) -> Option<Response> {
    let hosts = app.hosts.as_ref()?;
    let wrong = hosts.check(request.uri(), request.version(), request.headers()).err()?;
    Counts::add(&app.counts.wrong_host);
    Some(match wrong {
        Wrong::Malformed => error(StatusCode::BAD_REQUEST, "expected one Host header with a host and perhaps a port"),
        Wrong::Other(host) => error(
            StatusCode::FORBIDDEN,
            &format!(
                "the host {host:?} is not served here; allowed are localhost, loopback addresses, and those in allowed_hosts"
            ),
        ),
    })
}

/// The routes that show everything are for those who may see everything.
pub(super) async fn everything(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let rights = request.extensions().get::<Rights>();
    if rights.is_some_and(Rights::reads_everything) {
        return next.run(request).await;
    }
    Counts::add(&app.counts.denied);
    error(StatusCode::FORBIDDEN, "the token has privileges, and Sys.Audit on / is not among them")
}

/// What the caller may see; or the answer to one who is turned away.
pub(super) fn rights(app: &App, headers: &HeaderMap) -> Result<Rights, Box<Response>> {
    match app.tokens.as_ref().map(|tokens| tokens.check(headers)) {
        None => Ok(Rights::All),
        Some(Ok(token)) => Ok(token.rights),
        Some(Err(denied)) => {
            Counts::add(&app.counts.denied);
            Err(Box::new(unauthorized(denied)))
        }
    }
}

fn refuse_query(app: &App, request: &Request) -> Option<Response> {
    let (found, most) = (request.uri().query().map_or(0, str::len), app.limits.max_query_bytes);
    (found > most).then(|| {
        Counts::add(&app.counts.malformed);
        error(StatusCode::URI_TOO_LONG, &format!("the query has {found} bytes; allowed are {most}"))
    })
}

fn unauthorized(denied: Denied) -> Response {
    let (message, challenge) = match denied {
        Denied::Missing => ("a token is needed: Authorization: Bearer <token>", "Bearer realm=\"ferrometer\""),
        Denied::Unknown => ("the token is not known here", "Bearer realm=\"ferrometer\", error=\"invalid_token\""),
    };
    let mut response = error(StatusCode::UNAUTHORIZED, message);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
