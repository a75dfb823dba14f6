//! Helpers of the tests of services: a cache with totals, a frame that serves both, and a client.

#![allow(dead_code, unused_imports)]

#[path = "../../../../backends/pull-cache/tests/common/mod.rs"]
mod cache;
pub mod client;

pub use cache::prometheus::{nasty, openmetrics, protobuf};
pub use cache::{Cache, Handles, Pair, SOON, fill, parse};

use ferrometer_cache_api::CacheApi;
use ferrometer_http::{Frame, Server};
use ferrometer_pull_cache::{PullCacheBackend, Settings};
use ferrometer_scrape::Scrape;
use std::sync::Arc;

/// The records and totals of a cache, as the facade mounts them.
pub fn frame(handles: impl Into<Handles>) -> Frame {
    let Handles { cache, totals } = handles.into();
    Frame::new()
        .title("ferrometer pull cache")
        .mount("/", Arc::new(CacheApi::new(cache)))
        .mount("/", Arc::new(Scrape::new(totals)))
        .address("127.0.0.1:0".parse().unwrap())
}

/// A cache that stays empty.
pub fn nothing() -> Handles {
    PullCacheBackend::new(Settings::default()).handle().into()
}

pub fn serve(handles: impl Into<Handles>) -> Server {
    frame(handles).serve().unwrap()
}
