//! Other nodes whose rows the pull cache shows on the routes of Proxmox.

use std::fmt;
use std::path::PathBuf;

/// Another node, as `[[metrics.pull_cache.peers]]` describes it.
///
/// ```
/// use ferrometer::config::{Config, Peer};
///
/// let config = Config::new().peer(Peer::new("node2", "https://10.0.0.2:9620").ca("/etc/shop/ca.pem"));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Peer {
    /// `metrics.pull_cache.peers.*.name`; no default. The node's name, as `node-list` calls it.
    pub name: String,
    /// `metrics.pull_cache.peers.*.url`; no default. Where it is, without the path of the route.
    pub url: String,
    /// `metrics.pull_cache.peers.*.fingerprint`; no default. The SHA-256 of the only certificate it may show.
    pub fingerprint: Option<String>,
    /// `metrics.pull_cache.peers.*.ca`; no default. PEM file of the authorities that its certificate may come from.
    pub ca: Option<PathBuf>,
    /// `metrics.pull_cache.peers.*.token`; no default: it is asked with that of the caller. The token it is asked with.
    pub token: Option<String>,
}

impl Peer {
    /// A node of this name at `https://<host>:<port>`.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Peer { name: name.into(), url: url.into(), ..Peer::default() }
    }

    /// The SHA-256 of the only certificate it may show: 64 hex digits, with or without colons.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// A PEM file of CA certificates, one of which its certificate must come from.
    #[must_use]
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// The token it is asked with, instead of that of the caller.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// What is missing, if anything is.
    pub(super) fn fault(&self, before: &[Peer]) -> Option<&'static str> {
        if self.name.is_empty() {
            Some("has no `name`")
        } else if self.url.is_empty() {
            Some("has no `url`")
        } else if before.iter().any(|other| other.name == self.name) {
            Some("has the name of one before it")
        } else if before.len() >= 64 {
            Some("is one more than 64")
        } else {
            None
        }
    }

    /// The key of the peer with this number, from 0.
    pub(super) fn path(at: usize) -> String {
        format!("metrics.pull_cache.peers[{at}]")
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("fingerprint", &self.fingerprint)
            .field("ca", &self.ca)
            .field("token", &self.token.as_ref().map(|_| "(not shown)"))
            .finish()
    }
}
