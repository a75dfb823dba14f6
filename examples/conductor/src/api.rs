//! The HTTP API. Its requests are counted and timed by ferrometer's tower layer, by the route that matched.

use crate::rpc::{Call, Calls, Done, Refused, Reply, Target};
use axum::Json;
use axum::Router;
use axum::extract::{MatchedPath, Path, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use ferrometer::get_logger;
use ferrometer::tower::MetricsLayer;
use serde_json::{Value, json};

/// The size of every image.
const IMAGE_BYTES: usize = 3 << 20;

fn route<B>(request: &Request<B>) -> Option<&str> {
    request.extensions().get().map(MatchedPath::as_str)
}

/// How the layer learns the route of a request.
type Routed = for<'a> fn(&'a Request<axum::body::Body>) -> Option<&'a str>;

/// Measures every route: a layer around all of them.
pub fn metrics() -> MetricsLayer<Routed> {
    MetricsLayer::new(get_logger("conductor.api")).route(route as Routed)
}

/// All routes but the lookup's.
pub fn routes(calls: Calls) -> Router {
    Router::new()
        .route("/v1/nodes", get(list))
        .route("/v1/nodes/{uuid}", get(show))
        .route("/v1/nodes/{uuid}/states/provision", put(provision))
        .route("/v1/heartbeat/{uuid}", post(heartbeat))
        .route("/images/{name}", get(image))
        .with_state(calls)
}

async fn list(State(calls): State<Calls>) -> Response {
    answer(calls.call(Call::List).await)
}

async fn show(State(calls): State<Calls>, Path(uuid): Path<String>) -> Response {
    answer(calls.call(Call::State(uuid)).await)
}

/// `{"target": "active"}` or `{"target": "clean"}`.
async fn provision(State(calls): State<Calls>, Path(uuid): Path<String>, Json(body): Json<Value>) -> Response {
    let target = match body["target"].as_str() {
        Some("active") => Target::Active,
        Some("clean") => Target::Clean,
        _ => return (StatusCode::BAD_REQUEST, Json(json!({"error": "target is active or clean"}))).into_response(),
    };
    answer(calls.call(Call::Provision(uuid, target)).await)
}

/// `{}`, or `{"done": true}` when what was to be done is done, or `false` when it could not be.
async fn heartbeat(State(calls): State<Calls>, Path(uuid): Path<String>, Json(body): Json<Value>) -> Response {
    let done = body["done"].as_bool().map(|well| if well { Done::Well } else { Done::Badly });
    answer(calls.call(Call::Heartbeat(uuid, done)).await)
}

/// An image of some megabytes, unless its name is `missing`.
async fn image(Path(name): Path<String>) -> Response {
    if name == "missing" { StatusCode::NOT_FOUND.into_response() } else { vec![0x5a; IMAGE_BYTES].into_response() }
}

fn answer(replied: Result<Reply, Refused>) -> Response {
    let (status, body) = match replied {
        Ok(Reply::Nodes(nodes)) => {
            let nodes: Vec<Value> =
                nodes.iter().map(|(uuid, state)| json!({"uuid": uuid, "provision_state": state.name()})).collect();
            (StatusCode::OK, json!({"nodes": nodes}))
        }
        Ok(Reply::State(state)) => (StatusCode::OK, json!({"provision_state": state.name()})),
        Ok(Reply::Accepted) => (StatusCode::ACCEPTED, json!({})),
        Ok(Reply::Do(what)) => (StatusCode::OK, json!({"do": what, "image": "/images/debian"})),
        Err(Refused::NoSuchNode) => (StatusCode::NOT_FOUND, json!({"error": "no such node"})),
        Err(Refused::State(state)) => (StatusCode::CONFLICT, json!({"error": format!("the node is {state}")})),
        Err(Refused::Hardware(why)) => (StatusCode::BAD_GATEWAY, json!({"error": why})),
        Err(Refused::Gone) => (StatusCode::SERVICE_UNAVAILABLE, json!({"error": "the manager is gone"})),
    };
    (status, Json(body)).into_response()
}
