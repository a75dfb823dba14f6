//! The parts of an archive, and the steps that its threads take with them: apply, store, forget.

use crate::incoming::Incoming;
use crate::index::Index;
use crate::metric_state::MetricState;
use crate::options::Options;
use crate::policy::Policy;
use crate::shards::Shards;
use crate::storage::Storage;
use crate::{Error, Rule};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;
use uuid::Uuid;

/// Bytes of a log that is not worth a storing.
const LEAST_LOG: u64 = 64 << 20;

/// The parts of an archive, which its threads and those that ask it share.
pub(crate) struct Shared {
    pub incoming: Box<dyn Incoming>,
    pub storage: Arc<dyn Storage>,
    pub index: Arc<dyn Index>,
    pub shards: Arc<Shards>,
    pub options: Options,
    pub policies: RwLock<HashMap<String, Arc<Policy>>>,
    pub rules: RwLock<Vec<Rule>>,
    /// Policies of metrics that were asked for last.
    known: Mutex<HashMap<Uuid, String>>,
    /// One storing at a time.
    storing: Mutex<()>,
}

/// Most metrics whose policy is remembered.
const KNOWN: usize = 1 << 17;

impl Shared {
    /// Brings the places of an archive together, with the policies and rules of its index.
    pub fn new(
        incoming: Box<dyn Incoming>,
        storage: Arc<dyn Storage>,
        index: Arc<dyn Index>,
        shards: Arc<Shards>,
        options: Options,
        (policies, rules): (Vec<Policy>, Vec<Rule>),
    ) -> Shared {
        Shared {
            incoming,
            storage,
            index,
            shards,
            options,
            policies: RwLock::new(policies.into_iter().map(|policy| (policy.name.clone(), Arc::new(policy))).collect()),
            rules: RwLock::new(rules),
            known: Mutex::default(),
            storing: Mutex::new(()),
        }
    }

    pub fn policy(&self, name: &str) -> Option<Arc<Policy>> {
        self.policies.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub fn remember_policy(&self, policy: &Policy) -> Arc<Policy> {
        let policy = Arc::new(policy.clone());
        self.policies.write().unwrap_or_else(PoisonError::into_inner).insert(policy.name.clone(), Arc::clone(&policy));
        policy
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Uuid, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the policy of a metric, or none for one that does not exist.
    pub fn policy_of(&self, metric: Uuid) -> Result<Option<Arc<Policy>>, Error> {
        if let Some(name) = self.known().get(&metric)
            && let Some(policy) = self.policy(name)
        {
            return Ok(Some(policy));
        }
        let Some(found) = self.index.metrics_by_id(&[metric])?.pop() else { return Ok(None) };
        let mut known = self.known();
        if known.len() >= KNOWN {
            known.clear();
        }
        let policy = self.policy(&found.policy);
        known.insert(metric, found.policy);
        Ok(policy)
    }

    /// Remembers that a metric has another policy now.
    pub fn know_policy(&self, metric: Uuid, name: &str) {
        self.known().insert(metric, name.to_owned());
    }

    /// Returns the policies whose metrics have a time to live, with it.
    pub fn lives(&self) -> Vec<(Arc<Policy>, crate::Nanos)> {
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policies.values().filter_map(|policy| Some((Arc::clone(policy), policy.time_to_live()?))).collect()
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
            self.known().remove(metric);
            self.shards.remove(*metric, || self.storage.forget(*metric))?;
        }
        Ok(())
    }

    /// Applies what waits of a metric; a metric that does not exist any more is forgotten.
    pub fn apply(&self, metric: Uuid) -> Result<(), Error> {
        match self.policy_of(metric)? {
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
            match self.policy_of(metric)? {
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

    pub fn should_store(&self, since: Instant) -> bool {
        self.shards.memory() > self.options.memory as u64 / 2
            || self.incoming.bytes() > self.options.log.max(LEAST_LOG)
            || since.elapsed() > self.options.store_every
    }
}
