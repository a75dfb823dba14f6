//! `GET /metrics`: the newest totals as Prometheus text.

use super::answer::plain;
use super::heavy::heavy;
use crate::handle::PullCacheHandle;
use crate::prometheus;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

/// Text that is shared, not copied.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

pub(super) async fn metrics(State(handle): State<PullCacheHandle>) -> Response {
    match heavy(move || handle.prometheus()).await {
        Ok(text) => plain(Shared(text), prometheus::CONTENT_TYPE),
        Err(failed) => failed,
    }
}
