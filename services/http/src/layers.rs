//! Layers around the handlers of a route: compression, the guard, and the refusal of methods that it does not have.

use crate::access::Access;
use crate::gate::Gate;
use crate::guard;
use crate::query_string::shorten;
use crate::refusal::Refusal;
use crate::service::Route;
use crate::spec::Spec;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use std::sync::Arc;

/// The handlers of a service's route with all that stands around them.
pub(crate) fn guarded(gate: &Arc<Gate>, at: usize, route: Route) -> MethodRouter {
    let spec = Arc::new(Spec {
        service: Some(at),
        access: route.access,
        max_body_bytes: route.max_body_bytes,
        open_options: route.open_options,
    });
    let inner = (Arc::clone(gate), Arc::clone(&spec));
    let methods = route.methods;
    let handlers = route
        .handlers
        // The guard has read the body, within the route's own limit.
        .route_layer(DefaultBodyLimit::disable())
        .route_layer(from_fn(move |request: Request, next: Next| {
            let (gate, spec) = (Arc::clone(&inner.0), Arc::clone(&inner.1));
            guard::privilege_and_body(gate, spec, request, next)
        }))
        .fallback(move |request: Request| not_allowed(request, &methods));
    layered(gate, spec, handlers)
}

/// Puts compression and the guard around handlers.
pub(crate) fn layered(gate: &Arc<Gate>, spec: Arc<Spec>, handlers: MethodRouter) -> MethodRouter {
    #[cfg(feature = "compression")]
    let handlers = handlers.layer(from_fn(crate::compress::compress));
    let gate = Arc::clone(gate);
    handlers.layer(from_fn(move |request: Request, next: Next| {
        guard::route(Arc::clone(&gate), Arc::clone(&spec), request, next)
    }))
}

/// The index, or what is not there: guarded like a route that every token may ask for.
pub(crate) fn frames_own(gate: &Arc<Gate>, access: Access, handlers: MethodRouter) -> MethodRouter {
    let handlers = handlers.fallback(|request| not_allowed(request, &[Method::GET, Method::HEAD]));
    layered(gate, Spec::new(None, access), handlers)
}

/// Refuses a method; `Allow` lists those that the route has.
pub(crate) fn not_allowed(request: Request, methods: &[Method]) -> impl Future<Output = Response> + Send + use<> {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let found = shorten(request.method().as_str());
    let are = match names.as_slice() {
        [] => "none is".to_owned(),
        [only] => format!("{only} is"),
        [others @ .., last] => format!("{} and {last} are", others.join(", ")),
    };
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{found} is not allowed; {are}"));
    let allow = HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""));
    let response = refusal.with_header(header::ALLOW, allow).into_response();
    async move { response }
}
