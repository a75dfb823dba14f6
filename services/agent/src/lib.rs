//! An agent's metrics, configured by its conductor: the answer of a lookup, the routes that give it, and the client that asks for it.
//!
//! A conductor holds [`Options`], which are served by `LookupRoutes` (feature `routes`). An agent asks with a `Client` (feature `client`), and reads
//! an [`Answer`]. In the form of OpenStack Ironic:
//!
//! ```json
//! {
//!   "node": {"uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c123"},
//!   "config": {
//!     "metrics": {"backend": "statsd", "prepend_host": true, "prepend_uuid": true, "global_prefix": null},
//!     "metrics_statsd": {"statsd_host": "metrics.example.com", "statsd_port": 8125}
//!   }
//! }
//! ```
//!
//! | step | file |
//! |---|---|
//! | which node | [`NodeId`] in `node` |
//! | what agents are told | [`Options`] in `options` |
//! | as a document, and back | [`Answer`] in `answer` |
//! | a conductor's side | `nodes`, `asked`, `routes` |
//! | an agent's side | `client` |
//!
//! Nothing here applies an answer or records anything: the facade does.

#![deny(missing_docs)]

mod answer;
#[cfg(feature = "routes")]
mod asked;
#[cfg(feature = "client")]
mod client;
mod node;
#[cfg(feature = "routes")]
mod nodes;
mod options;
#[cfg(feature = "routes")]
mod routes;

pub use answer::{Answer, Garbled};
#[cfg(feature = "routes")]
pub use asked::Asked;
#[cfg(feature = "client")]
pub use client::{Client, Failure, Settings};
#[cfg(feature = "client")]
pub use ferrometer_push::{Invalid, Secret};
pub use node::{BadNode, NodeId};
#[cfg(feature = "routes")]
pub use nodes::{AnyNode, Node, NodeList, Nodes};
pub use options::{BadPath, Options};
#[cfg(feature = "routes")]
pub use routes::{LOOKUP, LookupRoutes};
pub use serde_json::{Map, Value};
