//! All routes of a frame as one router.

use crate::access::Access;
use crate::error::ServeError;
use crate::gate::Gate;
use crate::layers::{guarded, layered, not_allowed};
use crate::query_string::shorten;
use crate::refusal::Refusal;
use crate::spec::Spec;
use crate::{guard, index};
use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::routing::{MethodRouter, any, get};
use std::collections::HashSet;
use std::sync::Arc;

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
