//! Helpers of the tests: a frame with the routes of Proxmox, and half an hour of generations.

#![allow(dead_code, unused_imports)]

pub mod proxmox;
#[path = "../../../cache-api/tests/common/mod.rs"]
mod services;

pub use services::{Cache, Handles, client, frame};

use ferrometer_cache_api::CacheApi;
use ferrometer_http::Frame;
use ferrometer_proxmox::{Exports, Nodes, Proxmox, ProxmoxNode};
use ferrometer_scrape::Scrape;
use std::sync::Arc;

/// The records and totals of a cache, and the routes of Proxmox, as the facade mounts them.
pub fn clustered(handles: impl Into<Handles>, proxmox: Proxmox) -> Frame {
    let Handles { cache, totals } = handles.into();
    let node = ProxmoxNode::open(&proxmox, cache.clone()).unwrap();
    Frame::new()
        .title("ferrometer pull cache")
        .mount("/", Arc::new(CacheApi::new(cache).without_nodes()))
        .mount("/", Arc::new(Nodes::new(Arc::clone(&node))))
        .mount("/api2", Arc::new(Exports::new(node)))
        .mount("/", Arc::new(Scrape::new(totals)))
        .address("127.0.0.1:0".parse().unwrap())
}
