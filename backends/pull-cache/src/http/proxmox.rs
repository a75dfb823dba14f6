//! What Proxmox VE and Proxmox Backup Server serve to their collectors, served by this program.
//!
//! | route | answer |
//! |---|---|
//! | `GET /api2/json/cluster/metrics` | the index |
//! | `GET /api2/json/cluster/metrics/export` | as Proxmox VE: of this node and its peers, for who has `Sys.Audit` on `/` |
//! | `GET /api2/json/status/metrics` | as Proxmox Backup Server: the rows that the caller may see |
//!
//! The modules in the order in which a question passes them:
//!
//! | step | module |
//! |---|---|
//! | what is to be served: the node's name, its peers | `settings` |
//! | what is asked | `params`, in the words of either |
//! | what the other nodes say | `peers`, each asked by `client`; `reply` reads the answers, believing nothing |
//! | which rows, and what they are called | `rows` |
//! | how they travel | `export`; what is refused, `refusal` |
//!
//! For the page, `nodes` asks one of the other nodes for its records and instruments, which `foreign` reads, or `foreign_rows` where there is an export alone; `state` is what is known of it.

mod client;
mod export;
mod foreign;
mod foreign_rows;
pub(super) mod nodes;
mod params;
mod peers;
mod refusal;
mod reply;
mod rows;
mod settings;
mod state;

pub(super) use peers::Cluster;
pub(super) use refusal::translate;
pub use settings::{Peer, Proxmox};

use super::App;
use super::answer::respond;
use super::heavy::heavy;
use super::held::hold;
use super::privileges::{Privilege, Rights};
use super::stepped::Stepped;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use export::Export;
use params::{Params, Words};
use peers::Answers;
use rows::View;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// As both write it.
const JSON: &str = "application/json;charset=UTF-8";
/// Which peers are not in the answer.
const FAILED_PEERS: &str = "ferrometer-failed-peers";

/// What the routes need beside the cache.
#[derive(Debug)]
pub(super) struct Service {
    cluster: Cluster,
    names: rows::Names,
    /// For questions of one other node that are under way: they leave places for other answers.
    forwarding: Semaphore,
}

impl Service {
    pub(super) fn new(cluster: Cluster, max_requests: usize) -> Service {
        Service { cluster, names: rows::Names::default(), forwarding: Semaphore::new((max_requests / 2).max(1)) }
    }
}

/// The routes; to be merged with the others when there is a [`Service`].
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api2/json/cluster/metrics", get(index))
        .route("/api2/json/cluster/metrics/export", get(cluster))
        .route("/api2/json/status/metrics", get(status))
}

async fn index(RawQuery(query): RawQuery) -> Response {
    match params::none(query.as_deref().unwrap_or("")) {
        Ok(()) => respond(StatusCode::OK, JSON, Body::from("{\"data\":[{\"name\":\"server\"}]}")),
        Err(wrong) => refusal::parameters(Words::Pve, &wrong),
    }
}

async fn cluster(
    State(app): State<Arc<App>>,
    Extension(rights): Extension<Rights>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(service) = app.proxmox.as_ref() else { return refusal::failed() };
    // Who may ask comes before what is asked, as upstream.
    if !rights.has(Privilege::SysAudit, "/") {
        super::counts::Counts::add(&app.counts.denied);
        return refusal::refuse(StatusCode::FORBIDDEN, "Permission check failed (/, Sys.Audit)\n", &[]);
    }
    let params = match Params::parse(query.as_deref().unwrap_or(""), Words::Pve) {
        Ok(params) => params,
        Err(wrong) => return refusal::parameters(Words::Pve, &wrong),
    };
    let plan = match service.cluster.plan(&params) {
        Ok(plan) => plan,
        Err(unknown) => {
            let message = format!("Requested node-list contains unknown nodes - {unknown}\n");
            return refusal::refuse(StatusCode::INTERNAL_SERVER_ERROR, &message, &[]);
        }
    };
    let answers = service.cluster.ask(&plan, &params, &headers).await;
    let node = format!("node/{}", service.cluster.node());
    let view = View { host: node.into(), rights, words: Words::Pve };
    answer(app, params, plan.local, answers, view).await
}

async fn status(
    State(app): State<Arc<App>>,
    Extension(rights): Extension<Rights>,
    RawQuery(query): RawQuery,
) -> Response {
    let mut params = match Params::parse(query.as_deref().unwrap_or(""), Words::Pbs) {
        Ok(params) => params,
        Err(wrong) => return refusal::parameters(Words::Pbs, &wrong),
    };
    // A start without the history says nothing there.
    params.start = params.start.filter(|_| params.history);
    let view = View { host: ferrometer_core::object::HOST.into(), rights, words: Words::Pbs };
    answer(app, params, true, Answers::default(), view).await
}

/// The rows of this node, when they are wanted, among those of the others.
async fn answer(app: Arc<App>, params: Params, local: bool, answers: Answers, view: View) -> Response {
    let Answers { mut rows, failed, place } = answers;
    let shared = Arc::clone(&app);
    let made = heavy(move || {
        let newest = shared.handle.most_recent().filter(|_| local);
        let last = newest.as_ref().map_or(i64::MIN, |newest| newest.timestamp());
        let start = params.start;
        let names = shared.proxmox.as_ref().map(|service| &service.names);
        let shown = newest.as_ref().zip(names).map(|(newest, names)| names.shown(newest.columns(), &view));
        let newer = move |timestamp: i64| start.is_none_or(|start| timestamp > start);
        rows.retain(|row| newer(row.timestamp) && view.sees(&row.id));
        rows.sort_by_key(|row| row.timestamp);
        let own: super::stream::Source = match (params.history, local) {
            (true, true) => Box::new(shared.handle.history(start).take_while(move |g| g.timestamp() <= last)),
            _ => Box::new(newest.into_iter().filter(move |newest| newer(newest.timestamp()))),
        };
        Export::new(own, shown.unwrap_or_default(), rows, Arc::clone(&shared.counts))
    });
    let mut response = match made.await {
        Ok(export) => respond(StatusCode::OK, JSON, Body::new(Stepped::new(export))),
        Err(_) => return refusal::failed(),
    };
    // The names are made of letters, digits, dots and hyphens.
    if let Some(failed) = (!failed.is_empty()).then(|| HeaderValue::from_str(&failed.join(", ")).ok()).flatten() {
        response.headers_mut().insert(FAILED_PEERS, failed);
    }
    hold(response, place)
}
