//! The nodes and their states. Each change is counted, and the time that a node spent in the state before it is recorded.

use ferrometer::agent::{Asked, Node, Nodes};
use ferrometer::{Logger, logger};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

static METRICS: Logger = logger!("conductor.states");

/// The states of Ironic that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Available,
    Deploying,
    Active,
    Cleaning,
    Failed,
}

impl State {
    const ALL: [State; 5] = [State::Available, State::Deploying, State::Active, State::Cleaning, State::Failed];

    /// Its name, as the API and the labels of metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            State::Available => "available",
            State::Deploying => "deploying",
            State::Active => "active",
            State::Cleaning => "cleaning",
            State::Failed => "failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

struct Known {
    node: Node,
    state: State,
    since: Instant,
}

/// All nodes, by UUID.
pub struct Fleet(Mutex<BTreeMap<String, Known>>);

impl Fleet {
    /// Takes each node as `UUID` or `UUID=MAC,MAC`.
    pub fn new(texts: &[String]) -> Result<Fleet, Box<dyn Error>> {
        let fleet = Fleet(Mutex::default());
        for text in texts {
            let node: Node = text.parse().map_err(|wrong| format!("node {text:?}: {wrong}"))?;
            let known = Known { state: State::Available, since: Instant::now(), node };
            fleet.lock().insert(known.node.uuid().to_owned(), known);
        }
        fleet.tell_how_many(&fleet.lock());
        Ok(fleet)
    }

    /// The nodes as agents look them up.
    pub fn lookups(self: Arc<Fleet>) -> impl Nodes {
        Lookups(self)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a node.
    pub fn state(&self, uuid: &str) -> Option<State> {
        self.lock().get(uuid).map(|known| known.state)
    }

    /// Every node and its state.
    pub fn all(&self) -> Vec<(String, State)> {
        self.lock().iter().map(|(uuid, known)| (uuid.clone(), known.state)).collect()
    }

    /// Brings a node from one of some states into another; the state that it is in when that is none of them.
    pub fn change(&self, uuid: &str, from: &[State], to: State) -> Result<(), Option<State>> {
        let mut nodes = self.lock();
        let known = nodes.get_mut(uuid).ok_or(None)?;
        if !from.contains(&known.state) {
            return Err(Some(known.state));
        }
        let before = std::mem::replace(&mut known.state, to);
        let spent = std::mem::replace(&mut known.since, Instant::now()).elapsed();
        METRICS.with("state", before.name()).send_timer("time", spent);
        METRICS.with("from", before.name()).with("to", to.name()).send_counter("changes", 1);
        self.tell_how_many(&nodes);
        Ok(())
    }

    /// How many nodes there are in each state.
    fn tell_how_many(&self, nodes: &BTreeMap<String, Known>) {
        for state in State::ALL {
            let count = nodes.values().filter(|known| known.state == state).count();
            METRICS.with("state", state.name()).send_gauge("nodes", count as f64);
        }
    }
}

struct Lookups(Arc<Fleet>);

impl Nodes for Lookups {
    fn find(&self, asked: &Asked) -> Result<Option<Node>, String> {
        let nodes = self.0.lock();
        let is_it = |known: &&Known| match asked.uuid() {
            Some(uuid) => known.node.uuid() == uuid,
            None => known.node.addresses().iter().any(|address| asked.addresses().contains(address)),
        };
        Ok(nodes.values().find(is_it).map(|known| known.node.clone().show("provision_state", known.state.name())))
    }
}
