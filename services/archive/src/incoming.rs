//! Where measures are safe before they are aggregated: the trait, and what a batch is.

use crate::{Error, Point};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Measures of several metrics that are accepted together or not at all.
pub type Batch = Vec<(Uuid, Vec<Point>)>;

/// A place for batches that have been acknowledged and not aggregated yet.
///
/// Batches have sequence numbers, ascending from 1, that are never used twice.
pub trait Incoming: Send + Sync {
    /// Keeps a batch and hands it to the sink. It returns its sequence number when the batch is as safe as the configuration asks.
    /// Batches reach the sink in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Io`] when the batch is not kept; then the sink has not seen it and never will.
    fn append(&self, batch: Batch) -> Result<u64, Error>;

    /// Hands every batch that is kept to the sink, in order. It is called once, before the first [`append`](Incoming::append).
    ///
    /// # Errors
    /// [`Error::Io`] when what is kept cannot be read.
    fn replay(&self) -> Result<Replayed, Error>;

    /// Returns the number of the last batch that the sink has seen.
    fn last(&self) -> u64;

    /// Forgets the batches up to this number: their aggregates are stored.
    ///
    /// # Errors
    /// [`Error::Io`]; then the batches are kept, and applied no second time.
    fn discard(&self, through: u64) -> Result<(), Error>;

    /// Returns the bytes that are kept.
    fn bytes(&self) -> u64;

    /// Copies what is kept at this moment into a directory, which is there and empty. Nothing is deleted meanwhile; what is added may be in it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] of a place that is backed up by other means.
    fn copy_to(&self, directory: &Path) -> Result<(), Error> {
        Err(Error::Invalid(format!(
            "nothing is copied to {}: a server is backed up by its own means",
            directory.display()
        )))
    }
}

/// Takes batches in the order of their sequence numbers.
pub type Sink = Arc<dyn Fn(u64, Batch) + Send + Sync>;

/// Account of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Batches handed over.
    pub batches: u64,
    /// Bytes behind the last whole batch: of a write that was cut short, never acknowledged.
    pub cut: u64,
    /// Places in older files where a batch was unreadable.
    pub damaged: u64,
}
