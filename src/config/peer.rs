//! Other nodes whose rows the pull cache shows on the routes of Proxmox.

use std::fmt;
use std::path::PathBuf;

use super::kind::{Kind, file, length};
use super::setting::{Field, FromGiven, Setting};
use super::table::{Fallback, Fields, Key, settings, with_defaults};

settings! {
    /// Another node, as `[[metrics.pull_cache.peers]]` describes it.
    ///
    /// ```
    /// use ferrometer::config::{Config, Peer};
    ///
    /// let config = Config::new().peer(Peer::new("node2", "https://10.0.0.2:9620").ca("/etc/shop/ca.pem"));
    /// assert!(config.validate().is_ok());
    /// ```
    #[derive(Clone, Default, PartialEq)]
    [""] Peer of Peer at () fills () {
        /// The node's name, as `node-list` calls it: letters, digits and hyphens.
        name: String = unset "none; it is needed" in length(1, 63), eg "node2";
        /// Address of the node: `https://<host>:<port>`, or `http://` for an address of this machine.
        url: String = unset "none; it is needed" in length(1, 1024), eg "https://10.0.0.2:9620";
        /// The SHA-256 of the only certificate it may show: 64 hex digits, with or without colons.
        fingerprint: Option<String> = unset "`ca` is needed" in length(64, 95),
            eg "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", set fingerprint(into String);
        /// PEM file of the authorities that its certificate may come from; read again when it changes.
        ca: Option<PathBuf> = unset "`fingerprint` is needed" in file(1, 4096), eg "/etc/shop/ca.pem", set ca(into PathBuf);
        /// The token it is asked with: `PVEAPIToken=…` and `PBSAPIToken=…` as they are, anything else as `Bearer`.
        token: Option<String> = unset "that of the caller" in Kind::Secret, eg "a-long-random-token", set token(into String);
    }
}

impl Peer {
    /// A node of this name at `https://<host>:<port>`.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Peer { name: name.into(), url: url.into(), ..with_defaults(Peer::bare(), Peer::KEYS) }
    }

    /// Returns the fault of this node beside those before it, if it has one.
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
