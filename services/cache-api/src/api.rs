//! The service: routes over one cache.

use crate::records::Records;
use crate::unwritable::Unwritable;
use crate::{cardinality, health, instruments};
use ferrometer_http::{HeaderMap, JSON, Privilege, RawQuery, Route, Service, StatusCode, respond};
use ferrometer_pull_cache::PullCacheHandle;
use std::sync::Arc;

/// The privilege to see what concerns a system. With it on `/`, a token that has a list of privileges may read everything here.
pub const AUDIT: Privilege = Privilege::new("Sys.Audit");
/// The privilege to see what concerns a datastore. Nothing here asks for it; it is declared so that one file of tokens can serve
/// nodes with and without the routes of Proxmox.
pub const DATASTORE_AUDIT: Privilege = Privilege::new("Datastore.Audit");

/// Serves a pull cache. See the [crate](crate) for the routes and an example.
#[derive(Debug)]
pub struct CacheApi {
    handle: PullCacheHandle,
    nodes: bool,
    unwritable: Unwritable,
}

impl CacheApi {
    /// Serves this cache.
    #[must_use]
    pub fn new(handle: PullCacheHandle) -> CacheApi {
        CacheApi { handle, nodes: true, unwritable: Unwritable::default() }
    }

    /// Leaves out `/v1/nodes`, for a frame in which another service knows the nodes of a cluster.
    #[must_use]
    pub fn without_nodes(mut self) -> CacheApi {
        self.nodes = false;
        self
    }

    /// Returns the counter of records that were left out of answers because they cannot be written.
    #[must_use]
    pub fn unwritable(&self) -> Unwritable {
        self.unwritable.clone()
    }
}

impl Service for CacheApi {
    fn name(&self) -> &'static str {
        "cache-api"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let records = Arc::new(Records::new(self.handle.clone(), self.unwritable.clone()));
        let get_records = async move |RawQuery(query): RawQuery, headers: HeaderMap| {
            Arc::clone(&records).get(query.as_deref().unwrap_or(""), &headers).await
        };
        let handle = self.handle.clone();
        let get_instruments = async move || instruments::instruments(&handle);
        let report = Arc::new(cardinality::Report::default());
        let get_cardinality = async move || Arc::clone(&report).get().await;
        let mut routes = vec![
            Route::get("/v1/metrics", get_records)
                .readable_with(AUDIT, "/")
                .about(
                    "GET /v1/metrics",
                    "the newest generation as JSON, or as lines with Accept: application/x-ndjson",
                )
                .about("GET /v1/metrics?history=1", "every generation kept")
                .about("GET /v1/metrics?start-time=<seconds>", "only what is strictly newer; with or without history")
                .about(
                    "GET /v1/metrics?name=<name>",
                    "only these records; * stands for any text; id likewise; both repeatable",
                )
                .about("GET /v1/metrics?label=<key>=<value>", "only records with this label; * likewise; repeatable")
                .about(
                    "GET /v1/metrics?limit=<number>",
                    "maximum number of records; `next` in the answer, given as after=<next>, gets the following ones",
                ),
            Route::get("/v1/instruments", get_instruments)
                .readable_with(AUDIT, "/")
                .about("GET /v1/instruments", "what the names stand for: kinds, units, descriptions"),
            Route::get("/v1/cardinality", get_cardinality)
                .readable_with(AUDIT, "/")
                .about("GET /v1/cardinality", "the names with the most series, and the labels with the most values"),
        ];
        if self.nodes {
            // This process is no node of a cluster.
            let none = async || respond(StatusCode::OK, JSON, r#"{"node":null,"nodes":[],"hidden":0}"#);
            routes.push(
                Route::get("/v1/nodes", none)
                    .readable_with(AUDIT, "/")
                    .about("GET /v1/nodes", "this node and its peers; what they record is at /v1/nodes/<node>/metrics"),
            );
        }
        routes
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[AUDIT, DATASTORE_AUDIT]
    }

    fn ready(&self) -> Result<(), String> {
        health::ready(&self.handle)
    }

    fn readiness(&self) -> Option<&'static str> {
        Some("the newest generation is there and not old")
    }
}
