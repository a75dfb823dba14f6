//! The number of records left out of answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts records that cannot be written. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Unwritable(Arc<AtomicU64>);

impl Unwritable {
    /// Counts one more.
    pub fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Returns the number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
