//! Whose questions a conductor answers: the nodes that it knows.

use crate::asked::Asked;
use crate::node::{BadNode, NodeId, normal};
use ferrometer_core::name::{self, NoUuid};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

/// A node, as the answer shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    uuid: String,
    shown: Map<String, Value>,
    addresses: Vec<String>,
}

impl Node {
    /// A node of this UUID.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(uuid: &str) -> Result<Node, NoUuid> {
        let uuid = name::uuid(uuid)?;
        let shown = Map::from_iter([("uuid".to_owned(), Value::String(uuid.clone()))]);
        Ok(Node { uuid, shown, addresses: Vec::new() })
    }

    /// Adds the MAC address of one of its ports, by which it is found too.
    #[must_use]
    pub fn address(mut self, address: &str) -> Node {
        self.addresses.push(normal(address));
        self
    }

    /// Adds a field to what the answer shows of the node. `uuid` stays what it is.
    #[must_use]
    pub fn show(mut self, name: &str, value: impl Into<Value>) -> Node {
        if name != "uuid" {
            self.shown.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Returns the UUID, in lower case.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Returns the MAC addresses of its ports, in lower case, with colons.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Returns what the answer shows of it, `uuid` among it.
    pub(crate) fn shown(&self) -> &Map<String, Value> {
        &self.shown
    }
}

impl FromStr for Node {
    type Err = BadNode;

    /// Reads `UUID` or `UUID=MAC,MAC`.
    fn from_str(text: &str) -> Result<Node, BadNode> {
        let (uuid, addresses) = text.split_once('=').unwrap_or((text, ""));
        let node = Node::new(uuid).map_err(|wrong| BadNode::new(wrong.to_string()))?;
        if addresses.trim().is_empty() {
            return Ok(node);
        }
        match addresses.parse()? {
            NodeId::Addresses(addresses) => Ok(Node { addresses, ..node }),
            NodeId::Uuid(_) => Err(BadNode::new("behind the = is another UUID: expected MAC addresses".to_owned())),
        }
    }
}

/// The nodes of a conductor. Asked on a thread where it may wait for a store.
pub trait Nodes: Send + Sync + 'static {
    /// Finds the node that is asked for; `None` when there is none, or it may not be looked up now.
    ///
    /// # Errors
    /// When that cannot be told, in a sentence for the log: the agent is asked to come again.
    fn find(&self, asked: &Asked) -> Result<Option<Node>, String>;
}

/// Any node that is asked for by its UUID: for a conductor that keeps no list.
///
/// Who can reach the routes is then told the options, tokens in them included.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyNode;

impl Nodes for AnyNode {
    fn find(&self, asked: &Asked) -> Result<Option<Node>, String> {
        Ok(asked.uuid().and_then(|uuid| Node::new(uuid).ok()))
    }
}

/// A list of nodes, which may change while it is served.
///
/// ```
/// use ferrometer_agent::{Node, NodeList};
///
/// let nodes = NodeList::default();
/// nodes.put(Node::new("1be26c0b-03f2-4d2e-ae87-c02d7f33c123")?.address("52:54:00:ab:cd:01").show("name", "n1"));
/// nodes.put("2be26c0b-03f2-4d2e-ae87-c02d7f33c123=52:54:00:ab:cd:02,52:54:00:ab:cd:03".parse()?);
/// assert!(nodes.remove("1be26c0b-03f2-4d2e-ae87-c02d7f33c123"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct NodeList {
    nodes: RwLock<HashMap<String, Node>>,
}

impl NodeList {
    /// Adds a node, in place of one with the same UUID.
    pub fn put(&self, node: Node) {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).insert(node.uuid.clone(), node);
    }

    /// Removes a node; `false` when it was not there.
    pub fn remove(&self, uuid: &str) -> bool {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).remove(&uuid.to_ascii_lowercase()).is_some()
    }
}

impl Nodes for NodeList {
    fn find(&self, asked: &Asked) -> Result<Option<Node>, String> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(uuid) = asked.uuid() {
            return Ok(nodes.get(uuid).cloned());
        }
        let has = |node: &&Node| node.addresses.iter().any(|address| asked.addresses().contains(address));
        let mut found = nodes.values().filter(has);
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => {
                let mut both = [one.uuid(), other.uuid()];
                both.sort_unstable();
                Err(format!("these addresses are those of two nodes, {} and {}", both[0], both[1]))
            }
            (node, _) => Ok(node.cloned()),
        }
    }
}
