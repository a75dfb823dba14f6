//! Checks that a request passes before a handler runs, in this order: its shape, its host, its token, its query, whether there is room
//! for one more answer, its privilege, its body.

use crate::access::Rights;
use crate::body_memory::Taken;
use crate::gate::Gate;
use crate::host_check::Wrong;
use crate::permit_body::hold;
use crate::refusal::Refusal;
use crate::spec::Spec;
use crate::stats::{InFlight, Stats};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// The guard of a route of a service: everything but privilege and body, which stand behind the choice of the method.
pub(crate) async fn route(gate: Arc<Gate>, spec: Arc<Spec>, request: Request, next: Next) -> Response {
    let accept = accept(&request);
    let response = match pass(&gate, &spec, request).await {
        Ok((request, place)) => {
            let response = next.run(request).await;
            match response.status() {
                StatusCode::FORBIDDEN => Stats::add(&gate.stats.denied),
                StatusCode::SERVICE_UNAVAILABLE => Stats::add(&gate.stats.busy),
                _ => {}
            }
            if response.status().is_client_error() {
                Stats::add(&gate.stats.mistaken);
            }
            hold(response, place)
        }
        Err(refusal) => refusal.into_response(),
    };
    render(&gate, spec.service, accept, response)
}

/// Returns the first line of `Accept`, for refusals that services render in several forms.
fn accept(request: &Request) -> Option<HeaderValue> {
    request.headers().get(header::ACCEPT).cloned()
}

async fn pass(gate: &Arc<Gate>, spec: &Spec, mut request: Request) -> Result<(Request, Place), Refusal> {
    shape(gate, spec.max_body_bytes, &request)?;
    host(gate, &request)?;
    if !spec.is_open_to(request.method()) {
        let (rights, name) = gate.rights(request.headers(), spec.service).await?;
        request.extensions_mut().insert(rights);
        if let Some(name) = name {
            request.extensions_mut().insert(name);
        }
    }
    query(gate, &request)?;
    Ok((request, admit(gate)?))
}

/// The guard of routes that say how the server is: of their shape alone.
pub(crate) async fn open(gate: Arc<Gate>, request: Request, next: Next) -> Response {
    match shape(&gate, 0, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets the service that is responsible for a path where nothing is say so in its own form.
pub(crate) async fn nothing(gate: Arc<Gate>, request: Request, next: Next) -> Response {
    let service = gate.responsible(request.uri().path());
    let accept = accept(&request);
    let response = next.run(request).await;
    render(&gate, service, accept, response)
}

/// Checks the privilege, and reads the body; for methods that the route has.
pub(crate) async fn privilege_and_body(gate: Arc<Gate>, spec: Arc<Spec>, mut request: Request, next: Next) -> Response {
    // The body is read here, within the route's own limit.
    DefaultBodyLimit::disable().apply(&mut request);
    if !spec.is_open_to(request.method()) {
        let rights = request.extensions().get::<Rights>().cloned().unwrap_or_default();
        if let Err(message) = spec.access.check(&rights) {
            return Refusal::new(StatusCode::FORBIDDEN, message).into_response();
        }
    }
    if spec.max_body_bytes == 0 {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    match whole(&gate, body, spec.max_body_bytes).await {
        Ok((bytes, taken)) => hold(next.run(Request::from_parts(head, bytes.into())).await, taken),
        Err(refusal) => refusal.into_response(),
    }
}

/// Reads a body to its end, in the time that a client has for its request.
async fn whole(gate: &Gate, body: Body, most: usize) -> Result<(Bytes, Taken), Refusal> {
    let limit = gate.limits.body_timeout();
    let read = collect(gate, body, most);
    // A mounted router may be driven by something else than tokio; then time is that server's affair.
    let read = if Handle::try_current().is_ok() { timeout(limit, read).await } else { Ok(read.await) };
    read.unwrap_or_else(|_| {
        Stats::add(&gate.stats.too_slow);
        let message = format!("no whole body came within {} s", limit.as_secs_f64());
        Err(closing(StatusCode::REQUEST_TIMEOUT, message))
    })
    .inspect_err(|refusal| {
        if refusal.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Stats::add(&gate.stats.malformed);
        }
    })
}

async fn collect(gate: &Gate, mut body: Body, most: usize) -> Result<(Bytes, Taken), Refusal> {
    let mut all = Vec::new();
    let mut taken = Taken::none(&gate.bodies);
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| closing(StatusCode::BAD_REQUEST, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > most - all.len() {
            return Err(closing(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {most} bytes")));
        }
        if !taken.more(data.len(), gate.limits.max_bodies_bytes) {
            let message = "the bodies of other requests take all the memory that bodies may take; try again";
            let refusal = closing(StatusCode::SERVICE_UNAVAILABLE, message);
            return Err(refusal.with_header(header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        all.extend_from_slice(&data);
    }
    Ok((all.into(), taken))
}

/// A refusal after which the connection is closed, because what is left of the request is not read.
fn closing(status: StatusCode, message: impl Into<Arc<str>>) -> Refusal {
    Refusal::new(status, message).with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// Counts the request, and refuses a body that the route does not take before it is sent, and too many bytes of headers.
fn shape(gate: &Gate, max_body_bytes: usize, request: &Request) -> Result<(), Refusal> {
    Stats::add(&gate.stats.requests);
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let malformed = |refusal| {
        Stats::add(&gate.stats.malformed);
        Err(refusal)
    };
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    if max_body_bytes == 0 && (chunked || length.is_some_and(|length| length != "0")) {
        return malformed(closing(StatusCode::PAYLOAD_TOO_LARGE, "no body is accepted"));
    }
    let announced = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if let Some(found) = announced.filter(|found| *found > max_body_bytes as u64) {
        let message = format!("the body has {found} bytes; allowed are {max_body_bytes}");
        return malformed(closing(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let (found, most) = (bytes(headers), gate.limits.max_header_bytes);
    if found > most {
        let message = format!("the headers have {found} bytes; allowed are {most}");
        return malformed(closing(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message));
    }
    Ok(())
}

fn bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

fn host(gate: &Gate, request: &Request) -> Result<(), Refusal> {
    let Some(hosts) = &gate.hosts else { return Ok(()) };
    let Err(wrong) = hosts.check(request.uri(), request.version(), request.headers()) else { return Ok(()) };
    Stats::add(&gate.stats.wrong_host);
    Err(match wrong {
        Wrong::Malformed => {
            Refusal::new(StatusCode::BAD_REQUEST, "expected one Host header with a host and perhaps a port")
        }
        Wrong::Other(host) => Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "the host {host:?} is not served here; allowed are localhost, loopback addresses, and those in allowed_hosts"
            ),
        ),
    })
}

fn query(gate: &Gate, request: &Request) -> Result<(), Refusal> {
    let (found, most) = (request.uri().query().map_or(0, str::len), gate.limits.max_query_bytes);
    if found <= most {
        return Ok(());
    }
    Stats::add(&gate.stats.malformed);
    Err(Refusal::new(StatusCode::URI_TOO_LONG, format!("the query has {found} bytes; allowed are {most}")))
}

/// Kept until the answer is sent.
pub(crate) struct Place {
    _permit: tokio::sync::OwnedSemaphorePermit,
    _counted: InFlight,
}

fn admit(gate: &Arc<Gate>) -> Result<Place, Refusal> {
    let Ok(permit) = Arc::clone(&gate.permits).try_acquire_owned() else {
        Stats::add(&gate.stats.busy);
        let most = gate.limits.max_requests;
        let message = format!("{most} answers are in progress, and that is the limit; try again");
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message);
        return Err(refusal.with_header(header::RETRY_AFTER, HeaderValue::from_static("1")));
    };
    Ok(Place { _permit: permit, _counted: gate.stats.enter() })
}

/// Lets the service say a refusal in its own form.
fn render(gate: &Gate, service: Option<usize>, accept: Option<HeaderValue>, mut response: Response) -> Response {
    let Some((_, service)) = service.and_then(|at| gate.services.get(at)) else { return response };
    let Some(refusal) = response.extensions_mut().remove::<Refusal>() else { return response };
    let mut rendered = service.refuse(&refusal.for_whom(accept));
    let (head, body) = response.into_parts();
    for (name, value) in &head.headers {
        if *name != header::CONTENT_LENGTH && !rendered.headers().contains_key(name) {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    // It holds the place of the answer until it is sent.
    hold(rendered, body)
}
