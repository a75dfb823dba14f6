//! All routes of a frame as one router.

use crate::access::Access;
use crate::error::ServeError;
use crate::gate::Gate;
use crate::query_string::shorten;
use crate::refusal::Refusal;
use crate::service::Route;
use crate::{guard, index};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use std::collections::HashSet;
use std::sync::Arc;

/// What the guards know of a route.
pub(crate) struct Spec {
    /// The number of its service; `None` for the frame's own.
    pub(crate) service: Option<usize>,
    pub(crate) access: Access,
    pub(crate) max_body_bytes: usize,
}

impl Spec {
    fn new(service: Option<usize>, access: Access) -> Arc<Spec> {
        Arc::new(Spec { service, access, max_body_bytes: 0 })
    }
}

/// Paths that the frame serves itself.
const OWN: [&str; 3] = ["/", "/healthz", "/readyz"];

/// Puts all routes together. The error names a path that cannot be served.
pub(crate) fn assemble(gate: Arc<Gate>, title: &str) -> Result<Router, ServeError> {
    let mut router = Router::new();
    let mut lines = Vec::new();
    let mut taken: HashSet<String> = OWN.into_iter().map(str::to_owned).collect();
    for (at, (prefix, service)) in gate.services.iter().enumerate() {
        for route in Arc::clone(service).routes() {
            let path = format!("{prefix}{}", route.path);
            if !is_path(&path) || !taken.insert(path.clone()) {
                return Err(ServeError::Route { service: service.name(), path });
            }
            lines.extend(route.about.iter().copied());
            router = router.route(&path, guarded(&gate, at, route));
        }
    }
    let own = |handlers: MethodRouter| {
        let gate = Arc::clone(&gate);
        let handlers = handlers.fallback(|request| not_allowed(request, &[Method::GET, Method::HEAD]));
        handlers.layer(from_fn(move |request: Request, next: Next| guard::open(Arc::clone(&gate), request, next)))
    };
    let ready = Arc::clone(&gate);
    let router = router
        .route("/", index::front(&gate, index::text(&gate, title, &lines)))
        .route("/healthz", own(get(index::alive)))
        .route("/readyz", own(get(move || index::ready(Arc::clone(&ready)))));
    Ok(router.fallback_service(not_found(&gate)))
}

/// A path in axum's syntax that begins with a slash and has whole parts.
fn is_path(path: &str) -> bool {
    let part = |part: &str| match part.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').is_some_and(|name| !name.is_empty() && !name.contains(['{', '}'])),
        None => !part.starts_with([':', '*']) && !part.contains(['{', '}']),
    };
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(part))
}

fn guarded(gate: &Arc<Gate>, at: usize, route: Route) -> MethodRouter {
    let spec = Arc::new(Spec { service: Some(at), access: route.access, max_body_bytes: route.max_body_bytes });
    let inner = (Arc::clone(gate), Arc::clone(&spec));
    let methods = route.methods;
    let handlers = route
        .handlers
        .route_layer(from_fn(move |request: Request, next: Next| {
            let (gate, spec) = (Arc::clone(&inner.0), Arc::clone(&inner.1));
            guard::privilege_and_body(gate, spec, request, next)
        }))
        .fallback(move |request: Request| {
            let refused = not_allowed(request, &methods);
            async move { refused.await }
        });
    layered(gate, spec, handlers)
}

/// Puts compression and the guard around handlers.
fn layered(gate: &Arc<Gate>, spec: Arc<Spec>, handlers: MethodRouter) -> MethodRouter {
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

fn not_found(gate: &Arc<Gate>) -> MethodRouter {
    let nothing = async |request: Request| {
        let path = shorten(request.uri().path());
        Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing at {path:?}; GET / lists what there is"))
    };
    let responsible = Arc::clone(gate);
    let handlers = layered(gate, Spec::new(None, Access::AnyToken), any(nothing));
    // The service below whose mount point it is says so in its own form.
    handlers.layer(from_fn(move |request: Request, next: Next| {
        let gate = Arc::clone(&responsible);
        async move {
            let service = gate.responsible(request.uri().path());
            let response = next.run(request).await;
            guard::render(&gate, service, response)
        }
    }))
}

/// Refuses a method; `Allow` lists those that the route has.
fn not_allowed(request: Request, methods: &[Method]) -> impl Future<Output = Response> + Send + use<> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_axum_would_panic_over_are_told() {
        for (path, expected) in [
            ("/a", true),
            ("/a/{b}/c", true),
            ("a", false),
            ("/{", false),
            ("/{}", false),
            ("/:a", false),
            ("/*a", false),
        ] {
            assert_eq!(is_path(path), expected, "{path}");
        }
    }
}
