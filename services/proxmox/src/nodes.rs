//! Asks one other node for the page: its `/v1/metrics` and `/v1/instruments`, asked by this process, so that a browser talks to
//! one host alone.

use crate::node::ProxmoxNode;
use crate::peer_records::{self, Kind};
use ferrometer_cache_api::{AUDIT, Query};
use ferrometer_http::{
    HeaderMap, HeaderValue, JSON, Refusal, Response, Rights, StatusCode, header, hold, respond, shorten,
};

pub(crate) async fn metrics(
    this: &ProxmoxNode,
    rights: &Rights,
    name: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    // A wrong query is refused here, and goes no further.
    let parsed = Query::parse(query).map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    ask(this, rights, name, Kind::Metrics, (query, &parsed), headers).await
}

pub(crate) async fn instruments(
    this: &ProxmoxNode,
    rights: &Rights,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    ask(this, rights, name, Kind::Instruments, ("", &Query::default()), headers).await
}

/// `query` as it came, and read.
async fn ask(
    this: &ProxmoxNode,
    rights: &Rights,
    name: &str,
    kind: Kind,
    (query, parsed): (&str, &Query),
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    if !rights.has(AUDIT, "/") {
        let message = "other nodes are shown to a token with Sys.Audit on / alone";
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let Some(node) = this.cluster.find(name) else {
        let known = this.cluster.names();
        let there_are = if known.is_empty() { "there are none".to_owned() } else { format!("there are {known}") };
        let message = format!("no other node is called {:?}; {there_are}", shorten(name));
        return Err(Refusal::new(StatusCode::NOT_FOUND, message));
    };
    let Ok(_place) = this.forwarding.try_acquire() else {
        let busy = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many other nodes are being asked; try again");
        return Err(busy.with_header(header::RETRY_AFTER, HeaderValue::from_static("1")));
    };
    let mark = if query.is_empty() { "" } else { "?" };
    let route = format!("{}{mark}{query}", kind.route());
    match this.cluster.forward(node, kind, parsed, &route, headers).await {
        Ok((body, place)) => Ok(hold(respond(StatusCode::OK, JSON, body), place)),
        // The place was lost, not the node.
        Err(Some(410)) => {
            let message = "the node no longer keeps that generation; begin again without after";
            Err(Refusal::new(StatusCode::GONE, message))
        }
        Err(_) => Ok(respond(StatusCode::OK, JSON, peer_records::nothing(kind, &node.state()))),
    }
}
