//! The other nodes: which of them are asked, all at once, and what came back.

use crate::params::Params;
use crate::peer::{Asking, Node};
use crate::peer_records::{self, Kind};
use crate::peer_reply::PeerRow;
use crate::peer_rows;
use crate::peer_state::State;
use crate::settings::{MAX_PEERS, Proxmox, is_node};
use ferrometer_cache_api::Query;
use ferrometer_http::{Failure, HeaderMap, ServeError, header, offload};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Maximum number of answers with rows of other nodes that are made or sent at a time. They bound the memory that those take.
const MAX_QUESTIONS: usize = 4;
/// Maximum number of answers of a single node that are read or sent at a time, each with an equal part of the room.
const MAX_ANSWERS: usize = 8;
/// The least room for one of them.
const MIN_ROOM: usize = 64 << 10;

/// This node and the others.
#[derive(Debug)]
pub(crate) struct Cluster {
    node: String,
    nodes: Vec<Arc<Node>>,
    timeout: Duration,
    max_bytes: usize,
    questions: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// Who is asked, and whether this node's rows are wanted.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) local: bool,
    asked: Vec<usize>,
}

/// Answers of the other nodes, and the names of those who gave none.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) rows: Vec<PeerRow>,
    pub(crate) failed: Vec<String>,
    /// Kept until the rows are sent.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

impl Cluster {
    pub(crate) fn new(settings: &Proxmox) -> Result<Cluster, ServeError> {
        let limit = |setting, found: String, allowed: &str| ServeError::Setting {
            setting,
            why: format!(" = {found}: allowed is {allowed}"),
        };
        if !is_node(&settings.node) {
            let found: String = settings.node.chars().take(64).collect();
            let why =
                format!(" = {found:?}: expected 1 to 63 letters, digits and hyphens, the first and the last no hyphen");
            return Err(ServeError::Setting { setting: "node", why });
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&settings.timeout) {
            return Err(limit("peer_timeout", format!("{:?}", settings.timeout), "10ms to 60s"));
        }
        // In 64 bits: a `usize` of 32 has no 4 << 30.
        if !(64 << 10..=4_u64 << 30).contains(&(settings.max_bytes as u64)) {
            return Err(limit("max_peer_bytes", settings.max_bytes.to_string(), "65536 to 4294967296"));
        }
        if settings.peers.len() > MAX_PEERS {
            return Err(limit("peers", format!("a list of {}", settings.peers.len()), "at most 64 of them"));
        }
        let mut names = HashSet::from([settings.node.as_str()]);
        let mut nodes = Vec::new();
        for peer in &settings.peers {
            let wrong = |why: String| {
                let name: String = peer.name.chars().take(64).collect();
                ServeError::Setting { setting: "peers", why: format!(", {name:?}: {why}") }
            };
            if !is_node(&peer.name) {
                return Err(wrong("its name is not 1 to 63 letters, digits and hyphens".into()));
            }
            if !names.insert(&peer.name) {
                return Err(wrong("another node, or this one, has the same name".into()));
            }
            nodes.push(Arc::new(Node::new(peer, settings.reload).map_err(wrong)?));
        }
        Ok(Cluster {
            node: settings.node.clone(),
            nodes,
            timeout: settings.timeout,
            max_bytes: settings.max_bytes,
            questions: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            answers: Arc::new(Semaphore::new(MAX_ANSWERS)),
        })
    }

    /// This node's name.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// The other node of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The names of the others, for a message.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        names.join(", ")
    }

    /// Returns the state of each of the others.
    pub(crate) fn states(&self) -> Vec<State> {
        self.nodes.iter().map(|node| node.state()).collect()
    }

    /// Asks one node for its own records or instruments, and gives what is to be handed on, with the place it takes. The error is the
    /// status that the node answered with, if it answered; what was wrong is in its state.
    pub(crate) async fn forward(
        &self,
        node: &Arc<Node>,
        kind: Kind,
        query: &Query,
        route: &str,
        headers: &HeaderMap,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Option<u16>> {
        let asking = Asking::begin(node);
        // One that is lost is waited for once at a time, however many want to know.
        if asking.others > 0 && node.known.is_lost() {
            return Err(None);
        }
        let room = (self.max_bytes / MAX_ANSWERS).max(MIN_ROOM);
        let caller = headers.get(header::AUTHORIZATION);
        let export = peer_rows::route(query);
        let told = async {
            // A mounted router may be driven by something else than tokio.
            if Handle::try_current().is_err() {
                return Err("cannot be asked: there is no runtime of tokio".to_owned().into());
            }
            let get = async |route: &str| {
                let asked = node.get(route, caller, room, Some(&self.answers));
                let late = |_| Failure::from(format!("did not answer within {:?}", self.timeout));
                timeout(self.timeout, asked).await.map_err(late)?
            };
            let mut bare = node.bare.load(Relaxed);
            let mut asked = get(if bare { export.as_str() } else { route }).await;
            // A node that has no such route is asked for its export, and from then on first, until that fails.
            if !bare && matches!(&asked, Err(Failure { status: Some(404 | 405 | 501), .. })) {
                bare = true;
                asked = get(&export).await;
            }
            node.bare.store(bare && asked.is_ok(), Relaxed);
            let reply = asked?;
            // It has answered; when what it said is none, that is noted in place of this.
            node.known.note(Ok(()));
            let (state, query, name) = (node.state(), query.clone(), node.name.clone());
            let read = offload(move || match (bare, kind) {
                (false, _) => peer_records::hand_on(kind, &reply.bytes, &state).map(Some),
                (true, Kind::Instruments) => Ok(Some(peer_records::bare_instruments(&state))),
                (true, Kind::Metrics) => peer_records::export(&reply.bytes, &state, &name, &query),
            });
            match read.await.unwrap_or_else(|_| Err("could not be read".into())) {
                Ok(Some(body)) => Ok((body, reply.permit)),
                Ok(None) => Err(Failure { status: Some(410), why: "no longer keeps that generation".into() }),
                Err(why) => Err(format!("answers what {why}").into()),
            }
        };
        told.await.map_err(|failure: Failure| {
            // A place in the history that is gone says nothing against the node.
            if failure.status != Some(410) {
                node.known.note::<()>(Err(&failure.why));
                node.complain(&failure.why);
            }
            failure.status
        })
    }

    /// As upstream: a list overrides `local-only`, and one without names means all others. The error lists the names that nobody
    /// has.
    pub(crate) fn plan(&self, params: &Params) -> Result<Plan, String> {
        let Some(wanted) = &params.nodes else {
            let asked = if params.local_only { Vec::new() } else { (0..self.nodes.len()).collect() };
            return Ok(Plan { local: true, asked });
        };
        let local = wanted.contains(&self.node);
        if wanted.is_empty() {
            let asked = if params.local_only { Vec::new() } else { (0..self.nodes.len()).collect() };
            return Ok(Plan { local, asked });
        }
        let known = |name: &String| *name == self.node || self.nodes.iter().any(|node| node.name == *name);
        let unknown: Vec<&str> = wanted.iter().filter(|name| !known(name)).map(String::as_str).collect();
        if !unknown.is_empty() {
            let clean: String = unknown.join(", ").chars().filter(|c| !c.is_control()).take(1000).collect();
            return Err(clean);
        }
        let asked = (0..self.nodes.len()).filter(|at| wanted.contains(&self.nodes[*at].name)).collect();
        Ok(Plan { local, asked })
    }

    /// Asks all at once, each for its own rows alone, so that no question goes in circles. Who does not answer, or not in time, is left
    /// out.
    pub(crate) async fn ask(&self, plan: &Plan, params: &Params, headers: &HeaderMap) -> Answers {
        let mut answers = Answers::default();
        if plan.asked.is_empty() {
            return answers;
        }
        let asked = plan.asked.iter().map(|at| &self.nodes[*at]);
        let everyone = |why: &str| {
            asked.clone().for_each(|node| node.complain(why));
            asked.clone().map(|node| node.name.clone()).collect()
        };
        // A mounted router may be driven by something else than tokio.
        if Handle::try_current().is_err() {
            answers.failed = everyone("cannot be asked: there is no runtime of tokio");
            return answers;
        }
        let Ok(Ok(place)) = timeout(self.timeout, Arc::clone(&self.questions).acquire_owned()).await else {
            answers.failed = everyone("was not asked: too many answers are under way");
            return answers;
        };
        answers.place = Some(place);
        let route = route(params);
        let caller = headers.get(header::AUTHORIZATION);
        // Each has its part, so that one that never ends takes nothing from the others.
        let room = self.max_bytes / plan.asked.len();
        let mut questions = JoinSet::new();
        for node in asked {
            let (node, route) = (Arc::clone(node), route.clone());
            let (limit, caller) = (self.timeout, caller.cloned());
            questions.spawn(async move {
                let rows = timeout(limit, node.ask(&route, caller.as_ref(), room)).await;
                let rows = rows.unwrap_or_else(|_| Err(format!("did not answer within {limit:?}")));
                (node, rows)
            });
        }
        while let Some(done) = questions.join_next().await {
            // A panic would be a fault here; the node's name is then lost with it, the other answers are not.
            let Ok((node, rows)) = done else { continue };
            match rows {
                Ok(rows) => {
                    node.known.note(Ok(()));
                    answers.rows.extend(rows);
                }
                Err(why) => {
                    node.known.note::<()>(Err(&why));
                    node.complain(&why);
                    answers.failed.push(node.name.clone());
                }
            }
        }
        answers.failed.sort();
        answers
    }
}

/// Returns the route that another node is asked for.
fn route(params: &Params) -> String {
    let history = u8::from(params.history);
    let start = params.start.map_or_else(String::new, |start| format!("&start-time={start}"));
    format!("/api2/json/cluster/metrics/export?local-only=1&history={history}{start}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Words;
    use crate::settings::Peer;

    fn cluster() -> Cluster {
        let settings = Proxmox::new("a")
            .peer(Peer::new("b", "http://127.0.0.1:1"))
            .peer(Peer::new("c", "http://127.0.0.1:2").token("PVEAPIToken=x@pve!y=z"));
        Cluster::new(&settings).unwrap()
    }

    #[test]
    fn who_is_asked() {
        let cluster = cluster();
        for (query, expected) in [
            ("", Ok((true, vec![0, 1]))),
            ("local-only=1", Ok((true, vec![]))),
            ("local-only=0&history=1", Ok((true, vec![0, 1]))),
            ("local-only=1&node-list=b", Ok((false, vec![0]))),
            ("node-list=a", Ok((true, vec![]))),
            ("node-list=c,a", Ok((true, vec![1]))),
            ("node-list=b;b", Ok((false, vec![0]))),
            ("node-list=,", Ok((false, vec![0, 1]))),
            ("node-list=,&local-only=1", Ok((false, vec![]))),
            ("node-list=a,x,B,b", Err("x, B".to_owned())),
            ("node-list=%01x", Err("x".to_owned())),
        ] {
            let params = Params::parse(query, Words::Pve).unwrap();
            assert_eq!(cluster.plan(&params).map(|plan| (plan.local, plan.asked)), expected, "{query}");
        }
    }

    #[test]
    fn no_question_goes_on() {
        let params = Params::parse("history=1&start-time=-5&node-list=b", Words::Pve).unwrap();
        assert_eq!(route(&params), "/api2/json/cluster/metrics/export?local-only=1&history=1&start-time=-5");
        assert_eq!(route(&Params::default()), "/api2/json/cluster/metrics/export?local-only=1&history=0");
    }

    #[test]
    fn mistakes_are_told() {
        let peer = || Peer::new("b", "http://127.0.0.1:1");
        for (settings, expected) in [
            (Proxmox::new(""), "node = "),
            (Proxmox::new("a.b"), "node = "),
            (Proxmox::new("a\n"), "node = "),
            (Proxmox::new("a").peer(Peer::new("a", "http://127.0.0.1:1")), "has the same name"),
            (Proxmox::new("a").peer(peer()).peer(peer()), "has the same name"),
            (Proxmox::new("a").peer(Peer::new("b_c", "http://127.0.0.1:1")), "letters, digits and hyphens"),
            (Proxmox::new("a").peer(peer().token("x\ny")), "printable ASCII"),
            (Proxmox::new("a").peer(peer().token("")), "printable ASCII"),
            (Proxmox::new("a").peer_timeout(Duration::ZERO), "peer_timeout = 0ns"),
            (Proxmox::new("a").max_peer_bytes(0), "max_peer_bytes = 0"),
        ] {
            let error = Cluster::new(&settings).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("x\ny"), "{error}");
        }
        let shown = format!("{:?} {:?}", peer().token("hunter2"), cluster());
        assert!(!shown.contains("hunter2") && !shown.contains("y=z"), "{shown}");
    }
}
