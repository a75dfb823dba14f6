//! All routes of a frame as one router.

use crate::error::ServeError;
use crate::gate::Gate;
use crate::layers::guarded;
use crate::own;
use axum::Router;
use std::sync::Arc;

/// Paths that the frame serves itself.
const OWN: [&str; 3] = ["/", "/healthz", "/readyz"];

/// Puts all routes together, with an index when it has a title. The error names a path that cannot be served.
pub(crate) fn assemble(gate: Arc<Gate>, title: Option<&str>) -> Result<Router, ServeError> {
    let mut router = Router::new();
    let mut lines = Vec::new();
    let own = OWN.into_iter().filter(|path| title.is_some() || *path != "/");
    let mut taken: Vec<String> = own.map(str::to_owned).collect();
    for (at, (prefix, service)) in gate.services.iter().enumerate() {
        for route in Arc::clone(service).routes() {
            let path = format!("{prefix}{}", route.path);
            if !is_path(&path) || taken.contains(&path) {
                return Err(ServeError::Route { service: service.name(), path });
            }
            lines.extend(route.about.iter().cloned());
            router = router.route(&path, guarded(&gate, at, route));
            taken.push(path);
        }
    }
    if let Some(title) = title {
        router = router.route("/", own::front(&gate, own::text(&gate, title, &lines)));
    }
    for (path, handlers) in own::health(&gate) {
        router = router.route(path, handlers);
    }
    Ok(router.fallback_service(own::nothing(&gate, title.is_some())))
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
