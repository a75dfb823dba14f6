//! `GET /v1/nodes`: this node, and the others that it can show.

use super::App;
use super::answer::{JSON, json, respond};
use super::privileges::Rights;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Answer<'a, T> {
    /// `null` where this process is no node of a cluster.
    node: Option<&'a str>,
    nodes: Vec<T>,
    /// How many others there are that the caller may not see.
    hidden: usize,
}

pub(super) async fn nodes(State(app): State<Arc<App>>, Extension(rights): Extension<Rights>) -> Response {
    #[cfg(feature = "proxmox")]
    if let Some(service) = &app.proxmox {
        let (node, nodes, hidden) = super::proxmox::nodes::known(service, &rights);
        return respond(StatusCode::OK, JSON, json(&Answer { node: Some(node), nodes, hidden }));
    }
    let _ = (app, rights);
    respond(StatusCode::OK, JSON, json(&Answer::<()> { node: None, nodes: Vec::new(), hidden: 0 }))
}
