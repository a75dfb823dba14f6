//! Why an endpoint cannot be served.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why an endpoint cannot be served. The message names the configuration's key and the builder's method.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// Other machines can reach the address, and everything would go over the network as plain text.
    Plaintext {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Other machines can reach the address, and whoever does could read.
    Anonymous {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A limit is out of its range.
    Limit {
        /// The field of [`Limits`](crate::Limits).
        name: &'static str,
        /// Its value.
        found: String,
        /// Its range.
        allowed: String,
    },
    /// A name in the list of allowed hosts is none.
    Host {
        /// The name.
        found: String,
    },
    /// A token, or the file of tokens, is wrong; in words that show no secret.
    Tokens {
        /// `tokens` or `tokens_file`.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The name of this node, as the routes of Proxmox show it, is none.
    Node {
        /// The name.
        found: String,
    },
    /// Another node is described wrongly; in words that show no secret.
    Peer {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Certificate or key are wrong; in words that name the file.
    Tls(String),
    /// The system gave no thread, or nothing to wait for connections with (descriptors, as a rule); the cause says which.
    Thread(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Bind { address, cause } => {
                write!(f, "metrics.pull_cache.address = \"{address}\": cannot be listened on: {cause}")
            }
            ServeError::Plaintext { address } => write!(
                f,
                "metrics.pull_cache.address = \"{address}\": other machines can reach it, and there is no TLS; set \
                 metrics.pull_cache.tls_cert and tls_key (`Endpoint::tls`), or metrics.pull_cache.allow_plaintext = true \
                 (`Endpoint::allow_plaintext`), or a loopback address"
            ),
            ServeError::Anonymous { address } => write!(
                f,
                "metrics.pull_cache.address = \"{address}\": other machines can reach it, and there are no tokens; set \
                 metrics.pull_cache.tokens or tokens_file (`Endpoint::tokens`, `Endpoint::tokens_file`), or \
                 metrics.pull_cache.allow_anonymous = true (`Endpoint::allow_anonymous`), or a loopback address"
            ),
            ServeError::Limit { name, found, allowed } => {
                write!(f, "metrics.pull_cache.{name} = {found}: allowed is {allowed}")
            }
            ServeError::Host { found } => write!(
                f,
                "metrics.pull_cache.allowed_hosts: {found:?} is no host; expected a name or an IP address, without scheme and port"
            ),
            ServeError::Tokens { key, why } => write!(f, "metrics.pull_cache.{key}: {why}"),
            ServeError::Node { found } => write!(
                f,
                "metrics.pull_cache.node = {found:?}: expected 1 to 63 letters, digits and hyphens, the first and the last no hyphen"
            ),
            ServeError::Peer { name, why } => write!(f, "metrics.pull_cache.peers, {name:?}: {why}"),
            ServeError::Tls(why) => write!(f, "metrics.pull_cache.tls_cert, tls_key: {why}"),
            ServeError::Thread(cause) => {
                write!(f, "the system gives no thread, or no descriptors, to serve the pull cache: {cause}")
            }
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Bind { cause, .. } | ServeError::Thread(cause) => Some(cause),
            _ => None,
        }
    }
}
