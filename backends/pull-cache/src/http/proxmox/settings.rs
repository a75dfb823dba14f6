//! What the routes of Proxmox need to know: the name of this node, and the others.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The most other nodes.
pub(super) const MAX_PEERS: usize = 64;

/// Makes an endpoint serve the routes of Proxmox VE and Proxmox Backup Server; see
/// [`Endpoint::proxmox`](crate::Endpoint::proxmox).
///
/// ```
/// use ferrometer_pull_cache::{Endpoint, Peer, Proxmox, PullCacheBackend, Settings};
///
/// let backend = PullCacheBackend::new(Settings::default());
/// let proxmox = Proxmox::new("node1")
///     .peer(Peer::new("node2", "https://10.0.0.2:9620").fingerprint("AB:".repeat(31) + "CD"));
/// let endpoint = Endpoint::new(backend.handle()).address("127.0.0.1:0".parse().unwrap()).proxmox(proxmox);
/// endpoint.check()?;
/// # Ok::<(), ferrometer_pull_cache::ServeError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "an endpoint has to be told"]
pub struct Proxmox {
    pub(super) node: String,
    pub(super) peers: Vec<Peer>,
    pub(super) timeout: Duration,
    pub(super) max_bytes: usize,
}

impl Proxmox {
    /// This node's name: letters, digits and hyphens, at most 63. Records of the program itself are shown as `node/<name>`.
    pub fn new(node: impl Into<String>) -> Proxmox {
        Proxmox { node: node.into(), peers: Vec::new(), timeout: Duration::from_secs(5), max_bytes: 64 << 20 }
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

    /// How many bytes all of them together may answer to one question, 64 KiB to 4 GiB, each an equal part; whoever goes beyond is left out. Such an
    /// answer takes up to four times as much memory while it is read, and four of them are under way at a time. Default 64 MiB.
    pub fn max_peer_bytes(mut self, bytes: usize) -> Proxmox {
        self.max_bytes = bytes;
        self
    }
}

/// Another node: a program that serves the same routes, or a node of Proxmox VE itself.
///
/// Over `https` it is known by the fingerprint of its certificate or by a CA; `http` is for addresses of this machine alone.
#[derive(Clone, Debug)]
#[must_use = "an endpoint has to be told"]
pub struct Peer {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) fingerprint: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) token: Option<Secret>,
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
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Whether this can be the name of a node.
pub(super) fn is_node(name: &str) -> bool {
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let all = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    name.len() <= 63 && all && ends(name.bytes().next()) && ends(name.bytes().last())
}
