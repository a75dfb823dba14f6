//! The aggregates of one metric as one head tells them, seen as a storage that never changes.

use super::head::{Head, bundle};
use crate::storage::{Key, Storage, Usage};
use crate::{Error, Nanos};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Bundles that were read or written last. They never change, so what is here is right for ever.
pub(crate) struct Cache {
    bundles: Mutex<Bundles>,
    most: usize,
}

#[derive(Default)]
struct Bundles {
    by_version: HashMap<(Uuid, i64), Arc<Vec<u8>>>,
    bytes: usize,
}

impl Cache {
    /// Returns a cache of at most this many bytes.
    pub fn new(most: usize) -> Cache {
        Cache { bundles: Mutex::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, Bundles> {
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, metric: Uuid, version: i64, bytes: Arc<Vec<u8>>) {
        if bytes.len() > self.most / 8 {
            return;
        }
        let mut cache = self.lock();
        cache.bytes += bytes.len();
        if let Some(old) = cache.by_version.insert((metric, version), bytes) {
            cache.bytes -= old.len();
        }
        if cache.bytes > self.most {
            // Half of them go, whichever: a bundle that is missed is read again.
            let mut kept = 0;
            let half = self.most / 2;
            cache.by_version.retain(|_, bytes| {
                kept += bytes.len();
                kept <= half
            });
            cache.bytes = cache.by_version.values().map(|bytes| bytes.len()).sum();
        }
    }

    pub fn remove(&self, metric: Uuid, version: i64) {
        let mut cache = self.lock();
        if let Some(old) = cache.by_version.remove(&(metric, version)) {
            cache.bytes -= old.len();
        }
    }

    /// Returns the bytes that are held.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Returns a bundle, read when it is not here.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn get(&self, storage: &dyn Storage, metric: Uuid, version: i64) -> Result<Option<Arc<Vec<u8>>>, Error> {
        if let Some(bytes) = self.lock().by_version.get(&(metric, version)) {
            return Ok(Some(Arc::clone(bytes)));
        }
        let Some(bytes) = storage.get(&bundle(metric, version))? else { return Ok(None) };
        let bytes = Arc::new(bytes);
        self.put(metric, version, Arc::clone(&bytes));
        Ok(Some(bytes))
    }
}

/// The aggregates of one metric under one head. What is put into it stays in memory.
pub(crate) struct View {
    pub metric: Uuid,
    pub head: Head,
    storage: Arc<dyn Storage>,
    cache: Arc<Cache>,
    /// Bundles that were read: they stay readable when a worker deletes them.
    held: Mutex<HashMap<i64, Arc<Vec<u8>>>>,
    /// Objects that were put, in order.
    changes: Mutex<Vec<(Key, Option<Vec<u8>>)>>,
    /// A bundle that the head names was not there: the head is old.
    missed: Mutex<bool>,
}

impl View {
    pub fn new(metric: Uuid, head: Head, storage: Arc<dyn Storage>, cache: Arc<Cache>) -> View {
        View {
            metric,
            head,
            storage,
            cache,
            held: Mutex::default(),
            changes: Mutex::default(),
            missed: Mutex::default(),
        }
    }

    /// Reads a bundle, or remembers that it was not there.
    ///
    /// # Errors
    /// Those of the storage, damage excepted: it is met again where its bytes are needed.
    pub fn hold(&self, version: i64) -> Result<Option<Arc<Vec<u8>>>, Error> {
        if let Some(bytes) = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&version) {
            return Ok(Some(Arc::clone(bytes)));
        }
        let bytes = match self.cache.get(&*self.storage, self.metric, version) {
            Err(Error::Damaged(_)) => return Ok(None),
            other => other?,
        };
        match &bytes {
            Some(bytes) => {
                self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(version, Arc::clone(bytes));
            }
            None => *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = true,
        }
        Ok(bytes)
    }

    /// Takes what was put.
    pub fn take_changes(&self) -> Vec<(Key, Option<Vec<u8>>)> {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns true when a bundle that the head names was not there.
    pub fn has_missed(&self) -> bool {
        *self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for View {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let Some(place) = self.head.places.get(&(key.granularity, key.stretch)) else { return Ok(None) };
        let Some(bytes) = self.hold(place.version)? else {
            return Err(Error::Damaged(format!(
                "bundle {} of metric {} is not there or damaged",
                place.version, self.metric
            )));
        };
        let (from, length) = (place.offset as usize, place.length as usize);
        let part = bytes.get(from..from + length);
        let part = part.ok_or_else(|| {
            Error::Damaged(format!("bundle {} of metric {} is too short", place.version, self.metric))
        })?;
        Ok(Some(part.to_vec()))
    }

    fn stretches(&self, _metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let keys = (granularity, *range.start())..=(granularity, *range.end());
        Ok(self.head.places.range(keys).map(|((_, stretch), _)| *stretch).collect())
    }

    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error> {
        let metric = self.metric;
        self.head.places.keys().for_each(|(granularity, stretch)| {
            each(Key { metric, granularity: *granularity, stretch: *stretch });
        });
        Ok(())
    }

    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(changes);
        Ok(())
    }

    fn forget(&self, metric: Uuid) -> Result<(), Error> {
        self.storage.forget(metric)
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    fn usage(&self) -> Result<Usage, Error> {
        self.storage.usage()
    }
}
