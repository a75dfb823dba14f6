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

/// Puts all routes together, with an index when it has a title. The error names a path that cannot be served.
pub(crate) fn assemble(gate: Arc<Gate>, title: Option<&str>) -> Result<Router, ServeError> {
    let mut router = Router::new();
    let mut lines = Vec::new();
    let mut taken: HashSet<String> = OWN.into_iter().map(str::to_owned).collect();
    if title.is_none() {
        taken.remove("/");
    }
    for (at, (prefix, service)) in gate.services.iter().enumerate() {
        for route in Arc::clone(service).routes() {
            let path = format!("{prefix}{}", route.path);
            if !is_path(&path) || !taken.insert(path.clone()) {
                return Err(ServeError::Route { service: service.name(), path });
            }
            lines.extend(route.about.iter().cloned());
            router = router.route(&path, guarded(&gate, at, route));
        }
    }
    let own = |handlers: MethodRouter| {
        let gate = Arc::clone(&gate);
        let handlers = handlers.fallback(|request| not_allowed(request, &[Method::GET, Method::HEAD]));
        handlers.layer(from_fn(move |request: Request, next: Next| guard::open(Arc::clone(&gate), request, next)))
    };
    let ready = Arc::clone(&gate);
    if let Some(title) = title {
        router = router.route("/", index::front(&gate, index::text(&gate, title, &lines)));
    }
    let router = router
        .route("/healthz", own(get(index::alive)))
        .route("/readyz", own(get(move || index::ready(Arc::clone(&ready)))));
    Ok(router.fallback_service(not_found(&gate, title.is_some())))
}

/// A path in axum's syntax that begins with a slash and has whole parts; `{*rest}` stands at the end.
fn is_path(path: &str) -> bool {
    let name = |name: &str| !name.is_empty() && !name.contains(['{', '}', '*']);
    let part = |part: &str| match part.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').is_some_and(name),
        None => !part.starts_with([':', '*']) && !part.contains(['{', '}']),
    };
    let Some(rest) = path.strip_prefix('/') else { return false };
    let (before, last) = rest.rsplit_once('/').map_or((None, rest), |(before, last)| (Some(before), last));
    let all = last.strip_prefix("{*").and_then(|last| last.strip_suffix('}'));
    before.is_none_or(|before| before.split('/').all(part)) && all.map_or_else(|| part(last), name)
}

fn not_found(gate: &Arc<Gate>, index: bool) -> MethodRouter {
    let hint = if index { "; GET / lists what there is" } else { "" };
    let nothing = async move |request: Request| {
        let path = shorten(request.uri().path());
        Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing at {path:?}{hint}"))
    };
    let responsible = Arc::clone(gate);
    let handlers = layered(gate, Spec::new(None, Access::AnyToken), any(nothing));
    // The service below whose mount point it is says so in its own form.
    handlers.layer(from_fn(move |request: Request, next: Next| {
        let gate = Arc::clone(&responsible);
        async move {
            let service = gate.responsible(request.uri().path());
            let accept = guard::accept(&request);
            let response = next.run(request).await;
            guard::render(&gate, service, accept, response)
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
            ("/{*a}", true),
            ("/a/{*b}", true),
            ("/{*a}/b", false),
            ("/{*}", false),
            ("/{a*}", false),
        ] {
            assert_eq!(is_path(path), expected, "{path}");
        }
    }
}
