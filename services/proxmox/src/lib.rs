//! The routes that Proxmox VE and Proxmox Backup Server have for their collectors, served from a pull cache.
//!
//! | route | answer |
//! |---|---|
//! | `GET /api2/json/cluster/metrics` | the index |
//! | `GET /api2/json/cluster/metrics/export` | as Proxmox VE: of this node and its peers, for a caller with `Sys.Audit` on `/` |
//! | `GET /api2/json/status/metrics` | as Proxmox Backup Server: the rows that the caller may see |
//! | `GET /v1/nodes` | this node and the others; `/v1/nodes/<node>/metrics` and `…/instruments`, what another one says |
//!
//! The modules in the order in which a question passes them:
//!
//! | step | module |
//! |---|---|
//! | what is served: the node's name, its peers | `settings`, `node` |
//! | the routes | `routes` for the exports; `node_list` and `nodes` for the page |
//! | what is asked | `params`, in the words of either |
//! | what the other nodes say | `peers`, each a `peer` with a `peer_state`; `peer_reply` reads exports, `peer_records` the records of a node like this one, `peer_rows` makes records of an export, both in the `peer_model` |
//! | which rows, and what they are called | `export_rows` |
//! | how they travel | `export`; what is refused, `errors` |
//!
//! # Example
//! ```
//! use ferrometer_cache_api::CacheApi;
//! use ferrometer_http::Frame;
//! use ferrometer_proxmox::{Exports, Nodes, Proxmox, ProxmoxNode};
//! use ferrometer_pull_cache::{PullCacheBackend, Settings};
//! use std::sync::Arc;
//!
//! let cache = PullCacheBackend::new(Settings::default()).handle();
//! let node = ProxmoxNode::open(&Proxmox::new("node1"), cache.clone())?;
//! let frame = Frame::new()
//!     .address("127.0.0.1:0".parse().unwrap())
//!     .mount("/", Arc::new(CacheApi::new(cache).without_nodes()))
//!     .mount("/", Arc::new(Nodes::new(Arc::clone(&node))))
//!     .mount("/api2", Arc::new(Exports::new(node)));
//! frame.check()?;
//! # Ok::<(), ferrometer_http::ServeError>(())
//! ```

#![deny(missing_docs)]

mod errors;
mod export;
mod export_rows;
mod node;
mod node_list;
mod nodes;
mod params;
mod peer;
mod peer_model;
mod peer_records;
mod peer_reply;
mod peer_rows;
mod peer_state;
mod peers;
mod routes;
mod settings;

pub use node::ProxmoxNode;
pub use node_list::Nodes;
pub use routes::Exports;
pub use settings::{Peer, Proxmox};
