//! The parts of an archive that one process has to itself, and the steps that its threads take with them: apply, store, forget.

use crate::catalog::Catalog;
use crate::incoming::Incoming;
use crate::metric_state::MetricState;
use crate::options::Options;
use crate::policy::Policy;
use crate::shards::Shards;
use crate::storage::Storage;
use crate::{Error, Nanos};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use uuid::Uuid;

/// Bytes of a log that is not worth a storing.
const LEAST_LOG: u64 = 64 << 20;

/// The parts of an archive, which its threads and those that ask it share.
pub(crate) struct Shared {
    pub incoming: Box<dyn Incoming>,
    pub storage: Arc<dyn Storage>,
    pub catalog: Arc<Catalog>,
    pub shards: Arc<Shards>,
    pub options: Options,
    /// One storing at a time.
    storing: Mutex<()>,
}

impl Shared {
    /// Brings the places of an archive together.
    pub fn new(
        incoming: Box<dyn Incoming>,
        storage: Arc<dyn Storage>,
        catalog: Arc<Catalog>,
        shards: Arc<Shards>,
        options: Options,
    ) -> Shared {
        Shared { incoming, storage, catalog, shards, options, storing: Mutex::new(()) }
    }

    /// Runs something with the state of a metric, which nobody else has meanwhile.
    pub fn with_metric<T>(
        &self,
        metric: Uuid,
        run: impl FnOnce(&mut MetricState) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.shards.with(metric, run)
    }

    pub fn forget(&self, metrics: &[Uuid]) -> Result<(), Error> {
        for metric in metrics {
            self.catalog.forget(*metric);
            self.shards.remove(*metric, || self.storage.forget(*metric))?;
        }
        Ok(())
    }

    /// Applies what waits of a metric; a metric that does not exist any more is forgotten.
    pub fn apply(&self, metric: Uuid) -> Result<(), Error> {
        match self.catalog.policy_of(metric)? {
            Some(policy) => self.with_metric(metric, |state| {
                state.settle(metric, &policy, &*self.storage)?;
                if self.shards.is_full() { state.flush(metric, &policy, &*self.storage) } else { Ok(()) }
            }),
            None => self.shards.remove(metric, || Ok(())),
        }
    }

    /// Stores what changed, and forgets the log up to there. Without `wait`, it does nothing while another thread does it.
    pub fn store(&self, wait: bool) -> Result<(), Error> {
        let _one = match self.storing.try_lock() {
            Ok(guard) => guard,
            Err(_) if wait => self.storing.lock().unwrap_or_else(PoisonError::into_inner),
            Err(_) => return Ok(()),
        };
        let through = self.incoming.last();
        for metric in self.shards.metrics() {
            match self.catalog.policy_of(metric)? {
                Some(policy) => self.with_metric(metric, |state| state.flush(metric, &policy, &*self.storage))?,
                None => self.shards.remove(metric, || Ok(()))?,
            }
        }
        self.storage.sync()?;
        self.incoming.discard(through)?;
        if self.shards.load().2 > self.options.memory as u64 / 4 {
            self.shards.evict();
        }
        Ok(())
    }

    /// Removes the metrics that outlived the time to live of their policy.
    pub fn expire(&self, now: Nanos) -> Result<u64, Error> {
        let last = |metric, policy: &Policy| {
            self.with_metric(metric, |state| Ok(state.settle(metric, policy, &*self.storage)?.last))
        };
        self.catalog.expire(now, last, |metrics| self.forget(metrics))
    }

    pub fn should_store(&self, since: Instant) -> bool {
        self.shards.memory() > self.options.memory as u64 / 2
            || self.incoming.bytes() > self.options.log.max(LEAST_LOG)
            || since.elapsed() > self.options.store_every
    }
}
