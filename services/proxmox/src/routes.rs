//! The exports, in the words of Proxmox VE and of Proxmox Backup Server.

use crate::errors::{self, JSON};
use crate::export::Export;
use crate::export_rows::View;
use crate::node::{self, ProxmoxNode};
use crate::params::{self, Params, Words};
use crate::peers::Answers;
use ferrometer_cache_api::{AUDIT, DATASTORE_AUDIT, Source, passed};
use ferrometer_http::{
    Body, ChunkedBody, Credentials, Extension, HeaderMap, HeaderValue, Privilege, RawQuery, Refusal, Response, Rights,
    Route, Service, StatusCode, hold, offload, respond,
};
use std::sync::Arc;

/// The names of peers that are not in the answer.
const FAILED_PEERS: &str = "ferrometer-failed-peers";

/// Serves the exports, to be mounted at `/api2`.
#[derive(Debug)]
pub struct Exports(Arc<ProxmoxNode>);

impl Exports {
    /// Serves the exports of this node.
    #[must_use]
    pub fn new(node: Arc<ProxmoxNode>) -> Exports {
        Exports(node)
    }
}

impl Service for Exports {
    fn name(&self) -> &'static str {
        "proxmox"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let index = async |RawQuery(query): RawQuery| match params::none(query.as_deref().unwrap_or("")) {
            Ok(()) => respond(StatusCode::OK, JSON, "{\"data\":[{\"name\":\"server\"}]}"),
            Err(wrong) => errors::parameters(Words::Pve, &wrong),
        };
        let node = Arc::clone(&self.0);
        let cluster =
            async move |Extension(rights): Extension<Rights>, RawQuery(query): RawQuery, headers: HeaderMap| {
                cluster(Arc::clone(&node), rights, query.as_deref().unwrap_or(""), &headers).await
            };
        let node = Arc::clone(&self.0);
        let status = async move |Extension(rights): Extension<Rights>, RawQuery(query): RawQuery| {
            status(Arc::clone(&node), rights, query.as_deref().unwrap_or("")).await
        };
        vec![
            Route::get("/json/cluster/metrics", index).any_token(),
            Route::get("/json/cluster/metrics/export", cluster).any_token(),
            Route::get("/json/status/metrics", status).any_token(),
        ]
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[AUDIT, DATASTORE_AUDIT]
    }

    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        node::credentials(headers)
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        errors::of_frame(refusal)
    }
}

async fn cluster(node: Arc<ProxmoxNode>, rights: Rights, query: &str, headers: &HeaderMap) -> Response {
    // Who may ask comes before what is asked, as upstream.
    if !rights.has(AUDIT, "/") {
        return errors::refuse(StatusCode::FORBIDDEN, "Permission check failed (/, Sys.Audit)\n", &[]);
    }
    let params = match Params::parse(query, Words::Pve) {
        Ok(params) => params,
        Err(wrong) => return errors::parameters(Words::Pve, &wrong),
    };
    let plan = match node.cluster.plan(&params) {
        Ok(plan) => plan,
        Err(unknown) => {
            let message = format!("Requested node-list contains unknown nodes - {unknown}\n");
            return errors::refuse(StatusCode::INTERNAL_SERVER_ERROR, &message, &[]);
        }
    };
    let answers = node.cluster.ask(&plan, &params, headers).await;
    let host = format!("node/{}", node.cluster.node());
    let view = View { host: host.into(), rights, words: Words::Pve };
    answer(node, params, plan.local, answers, view).await
}

async fn status(node: Arc<ProxmoxNode>, rights: Rights, query: &str) -> Response {
    let mut params = match Params::parse(query, Words::Pbs) {
        Ok(params) => params,
        Err(wrong) => return errors::parameters(Words::Pbs, &wrong),
    };
    // A start without the history says nothing there.
    params.start = params.start.filter(|_| params.history);
    let view = View { host: ferrometer_core::object::HOST.into(), rights, words: Words::Pbs };
    answer(node, params, true, Answers::default(), view).await
}

/// The rows of this node, when they are wanted, among those of the others.
async fn answer(node: Arc<ProxmoxNode>, params: Params, local: bool, answers: Answers, view: View) -> Response {
    let Answers { mut rows, failed, place } = answers;
    let newest = node.handle.most_recent().filter(|_| local);
    let history = match (params.history && local).then(|| node.handle.history(params.start)) {
        None => None,
        Some(history) => match passed(history).await {
            Ok(history) => Some(history),
            Err(_) => return errors::failed(),
        },
    };
    let made = offload(move || {
        let last = newest.as_ref().map_or(i64::MIN, |newest| newest.timestamp());
        let start = params.start;
        let shown = newest.as_ref().map(|newest| node.names.shown(newest.columns(), &view));
        let newer = move |timestamp: i64| start.is_none_or(|start| timestamp > start);
        rows.retain(|row| newer(row.timestamp) && view.sees(&row.id));
        rows.sort_by_key(|row| row.timestamp);
        let own: Source = match history {
            Some(history) => Box::new(history.take_while(move |g| g.timestamp() <= last)),
            None => Box::new(newest.into_iter().filter(move |newest| newer(newest.timestamp()))),
        };
        Export::new(own, shown.unwrap_or_default(), rows, node.unwritable.clone())
    });
    let mut response = match made.await {
        Ok(export) => respond(StatusCode::OK, JSON, Body::new(ChunkedBody::new(export))),
        Err(_) => return errors::failed(),
    };
    // The names are made of letters, digits, dots and hyphens.
    if let Some(failed) = (!failed.is_empty()).then(|| HeaderValue::from_str(&failed.join(", ")).ok()).flatten() {
        response.headers_mut().insert(FAILED_PEERS, failed);
    }
    hold(response, place)
}
