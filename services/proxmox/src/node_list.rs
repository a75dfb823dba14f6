//! `GET /v1/nodes`: this node, and the others that it can show.

use crate::node::{self, ProxmoxNode};
use crate::nodes;
use crate::peer_state::State;
use ferrometer_cache_api::AUDIT;
use ferrometer_http::{
    Credentials, Extension, HeaderMap, JSON, Path, Privilege, RawQuery, Response, Rights, Route, Service, StatusCode,
    json, respond,
};
use serde::Serialize;
use std::sync::Arc;

/// Serves the list of nodes, and what each other node records, to be mounted at `/`.
#[derive(Debug)]
pub struct Nodes(Arc<ProxmoxNode>);

impl Nodes {
    /// Serves the nodes that this one knows.
    #[must_use]
    pub fn new(node: Arc<ProxmoxNode>) -> Nodes {
        Nodes(node)
    }
}

impl Service for Nodes {
    fn name(&self) -> &'static str {
        "proxmox-nodes"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let node = Arc::clone(&self.0);
        let list = async move |Extension(rights): Extension<Rights>| list(&node, &rights);
        let node = Arc::clone(&self.0);
        let metrics = async move |Extension(rights): Extension<Rights>,
                                  Path(name): Path<String>,
                                  RawQuery(query): RawQuery,
                                  headers: HeaderMap| {
            nodes::metrics(&node, &rights, &name, query.as_deref().unwrap_or(""), &headers).await
        };
        let node = Arc::clone(&self.0);
        let instruments =
            async move |Extension(rights): Extension<Rights>, Path(name): Path<String>, headers: HeaderMap| {
                nodes::instruments(&node, &rights, &name, &headers).await
            };
        vec![
            Route::get("/v1/nodes", list)
                .readable_with(AUDIT, "/")
                .about("GET /v1/nodes", "this node and its peers; what they record is at /v1/nodes/<node>/metrics"),
            Route::get("/v1/nodes/{node}/metrics", metrics).readable_with(AUDIT, "/"),
            Route::get("/v1/nodes/{node}/instruments", instruments).readable_with(AUDIT, "/"),
        ]
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[AUDIT]
    }

    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        node::credentials(headers)
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    node: &'a str,
    nodes: Vec<State>,
    /// The number of others that the caller may not see.
    hidden: usize,
}

fn list(this: &ProxmoxNode, rights: &Rights) -> Response {
    let (node, states) = (this.cluster.node(), this.cluster.states());
    let answer = match rights.has(AUDIT, "/") {
        true => Answer { node, nodes: states, hidden: 0 },
        false => Answer { node, nodes: Vec::new(), hidden: states.len() },
    };
    respond(StatusCode::OK, JSON, json(&answer))
}
