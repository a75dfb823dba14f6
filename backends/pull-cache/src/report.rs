//! What the cache has to say, through `tracing`. A subscriber is somebody else's code: it is called with none of our locks held, and a
//! panic of it is its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Writes a warning.
pub(crate) fn warn(message: &str) {
    let _ = catch_unwind(AssertUnwindSafe(|| tracing::warn!(target: "ferrometer", "{message}")));
}
