//! Where aggregates are kept: the trait.

use crate::{Error, Nanos};
use std::ops::RangeInclusive;
use std::path::Path;
use uuid::Uuid;

/// Names an object: a stretch of time of one granularity of a metric, or, with granularity 0, its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The metric.
    pub metric: Uuid,
    /// Length of a bucket in nanoseconds; 0 for the window of raw points.
    pub granularity: Nanos,
    /// Number of the stretch, counted from the epoch.
    pub stretch: i64,
}

impl Key {
    /// The least of all.
    pub(crate) const FIRST: Key = Key { metric: Uuid::nil(), granularity: Nanos::MIN, stretch: i64::MIN };
}

/// A place for objects, each of which is replaced whole.
pub trait Storage: Send + Sync {
    /// Returns an object whose checksum is right.
    ///
    /// # Errors
    /// [`Error::Damaged`] for one whose checksum is wrong, [`Error::Io`].
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error>;

    /// Returns the numbers of the stretches that are there, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn stretches(&self, metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error>;

    /// Hands every key that is there to `each`, in no order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Away`].
    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error>;

    /// Replaces objects, or deletes those without bytes, in this order: whatever ends the process, no later one is there without the
    /// ones before it.
    ///
    /// # Errors
    /// [`Error::Io`]; then some of the first may be there.
    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error>;

    /// Deletes all objects of a metric.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn forget(&self, metric: Uuid) -> Result<(), Error>;

    /// Returns when everything that was put is on disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn sync(&self) -> Result<(), Error>;

    /// Returns what is kept; a server that does not tell it without a walk over everything gives zeros.
    ///
    /// # Errors
    /// [`Error::Away`].
    fn usage(&self) -> Result<Usage, Error>;

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

/// Account of a storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Objects.
    pub objects: u64,
    /// Bytes of the objects with their heads.
    pub live: u64,
    /// Bytes of all files, with what has been replaced and not swept yet.
    pub disk: u64,
    /// Files.
    pub files: u64,
}
