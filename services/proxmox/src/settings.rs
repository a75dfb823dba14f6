//! Settings of the routes of Proxmox: the name of this node, and the others.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The most other nodes.
pub(crate) const MAX_PEERS: usize = 64;

/// Describes this node and its peers, for [`ProxmoxNode::open`](crate::ProxmoxNode::open).
///
/// ```
/// use ferrometer_proxmox::{Peer, Proxmox};
///
/// let proxmox = Proxmox::new("node1")
///     .peer(Peer::new("node2", "https://10.0.0.2:9620").fingerprint("AB:".repeat(31) + "CD"));
/// # drop(proxmox);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it has to be opened"]
pub struct Proxmox {
    pub(crate) node: String,
    pub(crate) peers: Vec<Peer>,
    pub(crate) timeout: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) max_forwarded: usize,
    pub(crate) reload: Duration,
}

impl Proxmox {
    /// This node's name: letters, digits and hyphens, at most 63. Records of the program itself are shown as `node/<name>`.
    pub fn new(node: impl Into<String>) -> Proxmox {
        Proxmox {
            node: node.into(),
            peers: Vec::new(),
            timeout: Duration::from_secs(5),
            max_bytes: 64 << 20,
            max_forwarded: 32,
            reload: Duration::from_secs(2),
        }
    }

    /// One more node whose rows are shown too; at most 64.
    pub fn peer(mut self, peer: Peer) -> Proxmox {
        self.peers.push(peer);
        self
    }

    /// How long each of them may take, from the connection to the last byte; 10 ms to a minute. Default 5 s.
    pub fn peer_timeout(mut self, timeout: Duration) -> Proxmox {
        self.timeout = timeout;
        self
    }

    /// How many bytes all of them together may answer to one question, 64 KiB to 4 GiB, each an equal part; anyone who goes beyond is left out. Such an
    /// answer takes up to four times as much memory while it is read, and four of them are under way at a time. Default 64 MiB.
    pub fn max_peer_bytes(mut self, bytes: usize) -> Proxmox {
        self.max_bytes = bytes;
        self
    }

    /// How many questions about a single other node may be under way at a time, at least one; further ones get 503. Default 32. It
    /// should be less than the frame's `max_requests`, so that such questions leave room for other answers.
    pub fn max_forwarded(mut self, most: usize) -> Proxmox {
        self.max_forwarded = most.max(1);
        self
    }

    /// How often files are looked at for changes, at most; default 2 s.
    pub fn reload_interval(mut self, interval: Duration) -> Proxmox {
        self.reload = interval;
        self
    }
}

/// Another node: a program that serves the same routes, or a node of Proxmox VE itself.
///
/// Over `https` it is known by the fingerprint of its certificate or by a CA; `http` is for addresses of this machine alone.
#[derive(Clone, Debug)]
#[must_use = "a node has to be told of it"]
pub struct Peer {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) fingerprint: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) token: Option<Secret>,
}

impl Peer {
    /// A node of this name, as `node-list` calls it, at `https://<host>:<port>`.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Peer {
        Peer { name: name.into(), url: url.into(), fingerprint: None, ca: None, token: None }
    }

    /// The SHA-256 of the only certificate it may show: 64 hex digits, with or without colons.
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Peer {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// A PEM file of CA certificates, one of which its certificate must come from; read again when it changes.
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Peer {
        self.ca = Some(path.into());
        self
    }

    /// The token it is asked with: `PVEAPIToken=…` and `PBSAPIToken=…` as they are, anything else as `Bearer`. Without, it is asked with
    /// that of the caller.
    pub fn token(mut self, token: impl Into<String>) -> Peer {
        self.token = Some(Secret(token.into()));
        self
    }
}

/// A token, which no message shows.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Returns whether this can be the name of a node.
pub(crate) fn is_node(name: &str) -> bool {
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let all = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    name.len() <= 63 && all && ends(name.bytes().next()) && ends(name.bytes().last())
}
