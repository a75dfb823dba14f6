//! One other node: how it is asked, and what is known of it.

use crate::peer_reply::{self, PeerRow};
use crate::peer_state::{Known, State};
use crate::settings::Peer;
use ferrometer_http::{Client, Failure, HeaderValue, Reply, header, offload};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// One line for each node in this time.
const REPORT_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    client: Client,
    /// `None`: that of the caller.
    authorization: Option<HeaderValue>,
    complaints: Mutex<Complaints>,
    pub(crate) known: Known,
    /// How many ask it for its own records now.
    asking: AtomicUsize,
    /// True if it serves the export alone.
    pub(crate) bare: AtomicBool,
}

#[derive(Debug, Default)]
struct Complaints {
    last: Option<Instant>,
    since: u64,
}

impl Node {
    /// The error says what is wrong with the description.
    pub(crate) fn new(peer: &Peer, reload: Duration) -> Result<Node, String> {
        let client = Client::new(&peer.url, peer.fingerprint.as_deref(), peer.ca.clone(), reload)?;
        let authorization = peer.token.as_ref().map(|token| authorization(&token.0)).transpose()?;
        let complaints = Mutex::default();
        let (name, known, asking, bare) = (peer.name.clone(), Known::default(), AtomicUsize::new(0), false.into());
        Ok(Node { name, client, authorization, complaints, known, asking, bare })
    }

    /// Asks for JSON, with the token that the node is known to take, or else with the caller's.
    pub(crate) async fn get(
        &self,
        route: &str,
        caller: Option<&HeaderValue>,
        room: usize,
        gate: Option<&Arc<Semaphore>>,
    ) -> Result<Reply, Failure> {
        let authorization = self.authorization.as_ref().or(caller);
        let headers = authorization.map(|value| (header::AUTHORIZATION, value.clone())).into_iter().collect();
        self.client.get_json(route, headers, room, gate).await
    }

    pub(crate) async fn ask(
        &self,
        route: &str,
        caller: Option<&HeaderValue>,
        room: usize,
    ) -> Result<Vec<PeerRow>, String> {
        let reply = self.get(route, caller, room, None).await.map_err(|failure| failure.why)?;
        let bytes = reply.bytes;
        let name = self.name.clone();
        let read = offload(move || peer_reply::parse(&bytes, &name)).await;
        read.unwrap_or_else(|_| Err("could not be read".into())).map_err(|why| format!("answers what {why}"))
    }

    pub(crate) fn state(&self) -> State {
        self.known.state(&self.name)
    }

    pub(crate) fn complain(&self, why: &str) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        complaints.since += 1;
        let now = Instant::now();
        if complaints.last.is_some_and(|last| now.saturating_duration_since(last) < REPORT_EVERY) {
            return;
        }
        complaints.last = Some(now);
        let times = std::mem::take(&mut complaints.since);
        drop(complaints);
        let message = format!(
            "pull cache: could not fetch metrics from {} ({times} times since the last report): it {why}",
            self.name
        );
        ferrometer_core::warn(&format!("peer {}", self.name), &message);
    }
}

/// A question under way.
pub(crate) struct Asking<'a> {
    node: &'a Node,
    /// How many were there before it.
    pub(crate) others: usize,
}

impl Asking<'_> {
    pub(crate) fn begin(node: &Node) -> Asking<'_> {
        Asking { node, others: node.asking.fetch_add(1, Relaxed) }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.node.asking.fetch_sub(1, Relaxed);
    }
}

/// A token as a header.
fn authorization(token: &str) -> Result<HeaderValue, String> {
    let whole = ["PVEAPIToken=", "PBSAPIToken="].iter().any(|scheme| token.starts_with(scheme));
    if token.is_empty() || token.len() > 1024 || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("its token is not 1 to 1024 printable ASCII characters without spaces".into());
    }
    let header = HeaderValue::from_str(&if whole { token.to_owned() } else { format!("Bearer {token}") });
    let mut header = header.map_err(|_| "its token cannot be sent".to_owned())?;
    header.set_sensitive(true);
    Ok(header)
}
