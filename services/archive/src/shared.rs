//! The parts of an archive that one process has to itself, and the steps that its threads take with them: apply, store, forget.

use crate::catalog::Catalog;
use crate::incoming::Incoming;
use crate::metric_state::{Changes, MetricState};
use crate::options::Options;
use crate::policy::Policy;
use crate::shards::{Shards, States};
use crate::storage::Storage;
use crate::window::Window;
use crate::{Error, Nanos};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use uuid::Uuid;

/// Bytes of a log that is not worth a storing.
const LEAST_LOG: u64 = 64 << 20;
/// Bytes of objects that are put together, about.
const PUT: usize = 1 << 20;

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

/// Objects of several metrics that are put together, and the windows that are stored with them.
struct Together<'s> {
    storage: &'s dyn Storage,
    changes: Changes,
    /// Changes whose bytes are counted, and these bytes.
    counted: (usize, usize),
    settled: Vec<(Uuid, Window)>,
}

impl<'s> Together<'s> {
    fn new(storage: &'s dyn Storage) -> Together<'s> {
        Together { storage, changes: Changes::new(), counted: (0, 0), settled: Vec::new() }
    }

    /// Puts what has come together, if it is as many bytes.
    fn put(&mut self, states: &mut States, bytes: usize) -> Result<(), Error> {
        let (counted, size) = &mut self.counted;
        *size += self.changes[*counted..].iter().filter_map(|(_, object)| Some(object.as_ref()?.len())).sum::<usize>();
        *counted = self.changes.len();
        if *size < bytes {
            return Ok(());
        }
        self.storage.put(&self.changes)?;
        self.changes.clear();
        self.counted = (0, 0);
        for (metric, window) in self.settled.drain(..) {
            states.entry(metric).or_default().window = Some(window);
        }
        Ok(())
    }
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

    /// Applies what waits of metrics of one shard.
    pub fn apply(&self, metrics: &[Uuid]) -> Result<(), Error> {
        self.step(metrics, &|shards| shards.is_full())
    }

    /// Applies what waits of metrics of one shard, and stores them when told so: what is put together is one write. Metrics that do not exist any
    /// more are forgotten.
    fn step(&self, metrics: &[Uuid], stores: &impl Fn(&Shards) -> bool) -> Result<(), Error> {
        if metrics.is_empty() {
            return Ok(());
        }
        loop {
            let generation = self.catalog.generation();
            let policies = self.catalog.policies_of(metrics)?;
            let done = self.shards.with_all(metrics, |states| {
                // A metric may be removed meanwhile, or get another policy: that is done before or after all of this.
                if self.catalog.generation() != generation {
                    return Ok(false);
                }
                let stores = stores(&self.shards);
                let mut put = Together::new(&*self.storage);
                for (metric, policy) in metrics.iter().zip(&policies) {
                    let Some(policy) = policy else {
                        states.remove(metric);
                        continue;
                    };
                    let Some(state) = states.get_mut(metric) else { continue };
                    state.settle(*metric, policy, put.storage)?;
                    if stores && let Some(window) = state.changes(*metric, policy, put.storage, &mut put.changes)? {
                        put.settled.push((*metric, window));
                        put.put(states, PUT)?;
                    }
                }
                put.put(states, 0)?;
                Ok(true)
            })?;
            if done {
                return Ok(());
            }
            // While many metrics are removed, a look at few of them is done before the next one is.
            if metrics.len() > 1 {
                let (some, others) = metrics.split_at(metrics.len() / 2);
                self.step(some, stores)?;
                return self.step(others, stores);
            }
        }
    }

    /// Does something while nothing is stored, swept or deleted from the log.
    pub fn while_nothing_is_stored<T>(&self, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let _one = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        run()
    }

    /// Stores what changed, and forgets the log up to there. Without `wait`, it does nothing while another thread does it.
    pub fn store(&self, wait: bool) -> Result<(), Error> {
        let _one = match self.storing.try_lock() {
            Ok(guard) => guard,
            Err(_) if wait => self.storing.lock().unwrap_or_else(PoisonError::into_inner),
            Err(_) => return Ok(()),
        };
        let through = self.incoming.last();
        self.shards.changed(|metrics| self.step(metrics, &|_| true))?;
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
        let memory = self.options.memory as u64;
        // A metric that is stored before more of it comes is stored twice. The rest of memory is for what comes while the storing is at it, and with a
        // log that is shorter than half of memory, the points that memory has room for would never be in it.
        self.shards.memory() > memory / 8 * 5
            || self.incoming.bytes() > self.options.log.max(memory / 2).max(LEAST_LOG)
            || since.elapsed() > self.options.store_every
    }
}
