//! Policies and rules of the index, as they are remembered in memory.

use crate::index::Index;
use crate::policy::Policy;
use crate::search::{Filter, Page};
use crate::{Error, Nanos, Rule};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most metrics whose policy is remembered.
const KNOWN: usize = 1 << 17;
/// Longest that policies and rules are believed when other processes may change them.
const BELIEVED: Duration = Duration::from_secs(1);

/// The index, and what is remembered of it.
pub(crate) struct Catalog {
    pub index: Arc<dyn Index>,
    policies: RwLock<HashMap<String, Arc<Policy>>>,
    rules: RwLock<Vec<Rule>>,
    /// Policies of metrics that were asked for last; empty when other processes change the index.
    known: Mutex<HashMap<Uuid, String>>,
    /// When policies and rules were read last; none when nobody else changes them.
    read: Option<Mutex<Instant>>,
}

impl Catalog {
    /// Reads policies and rules. An index that has neither gets the usual ones when `defaults` says so. With `shared`, other processes
    /// change it too.
    ///
    /// # Errors
    /// Those of the index.
    pub fn open(index: Arc<dyn Index>, defaults: bool, shared: bool) -> Result<Catalog, Error> {
        if defaults && index.policies()?.is_empty() && index.rules()?.is_empty() {
            for policy in Policy::defaults() {
                unless_there(index.set_policy(&policy, false))?;
            }
            unless_there(index.add_rule(&Rule { name: "default".into(), pattern: "*".into(), policy: "low".into() }))?;
        }
        let catalog = Catalog {
            index,
            policies: RwLock::default(),
            rules: RwLock::default(),
            known: Mutex::default(),
            read: shared.then(|| Mutex::new(Instant::now())),
        };
        catalog.reload()?;
        Ok(catalog)
    }

    fn reload(&self) -> Result<(), Error> {
        let policies = self.index.policies()?;
        let policies = policies.into_iter().map(|policy| (policy.name.clone(), Arc::new(policy))).collect();
        *self.policies.write().unwrap_or_else(PoisonError::into_inner) = policies;
        self.reload_rules()
    }

    /// Reads everything again when it is old and others may have changed it.
    fn refresh(&self) -> Result<(), Error> {
        let Some(read) = &self.read else { return Ok(()) };
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.elapsed() > BELIEVED {
            self.reload()?;
            *read = Instant::now();
        }
        Ok(())
    }

    /// Returns the policies, by name. While the index is away they are those that were read last.
    pub fn policies(&self) -> Vec<Arc<Policy>> {
        if let Err(error) = self.refresh() {
            tracing::debug!(%error, "policies are those that were read last");
        }
        let mut policies: Vec<_> =
            self.policies.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        policies
    }

    /// Returns a policy by name.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`]; those of the index.
    pub fn policy(&self, name: &str) -> Result<Arc<Policy>, Error> {
        self.refresh()?;
        let find = || self.policies.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if find().is_none() && self.read.is_some() {
            self.reload()?;
        }
        find().ok_or_else(|| Error::NoSuchPolicy(name.into()))
    }

    pub fn remember_policy(&self, policy: &Policy) -> Arc<Policy> {
        let policy = Arc::new(policy.clone());
        self.policies.write().unwrap_or_else(PoisonError::into_inner).insert(policy.name.clone(), Arc::clone(&policy));
        policy
    }

    pub fn forget_policy(&self, name: &str) {
        self.policies.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Returns the rules, by pattern from Z to A, then by name.
    pub fn rules(&self) -> Vec<Rule> {
        if let Err(error) = self.refresh() {
            tracing::debug!(%error, "rules are those that were read last");
        }
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn reload_rules(&self) -> Result<(), Error> {
        let rules = self.index.rules()?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Uuid, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the policy of a metric, or none for one that does not exist.
    pub fn policy_of(&self, metric: Uuid) -> Result<Option<Arc<Policy>>, Error> {
        let known = self.known().get(&metric).cloned();
        if let Some(policy) = known.and_then(|name| self.policy(&name).ok()) {
            return Ok(Some(policy));
        }
        let Some(found) = self.index.metrics_by_id(&[metric])?.pop() else { return Ok(None) };
        let policy = self.policy(&found.policy)?;
        if self.read.is_none() {
            let mut known = self.known();
            if known.len() >= KNOWN {
                known.clear();
            }
            known.insert(metric, found.policy);
        }
        Ok(Some(policy))
    }

    /// Remembers that a metric has another policy now.
    pub fn know_policy(&self, metric: Uuid, name: &str) {
        if self.read.is_none() {
            self.known().insert(metric, name.to_owned());
        }
    }

    /// Removes from the index the metrics whose latest measure, which `last` tells, is older than their policy's time to live; `forget`
    /// clears the rest of them. Returns how many.
    ///
    /// # Errors
    /// Those of the index and of the two.
    pub fn expire(
        &self,
        now: Nanos,
        last: impl Fn(Uuid, &Policy) -> Result<Option<Nanos>, Error>,
        forget: impl Fn(&[Uuid]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut removed = 0;
        for policy in self.policies() {
            let Some(life) = policy.time_to_live() else { continue };
            let of_policy = Filter::is("archive_policy_name", policy.name.clone());
            for metric in self.index.metrics(Some(&of_policy), &Page::default())? {
                // One that has no measure yet may just have been made.
                if last(metric.id, &policy)?.is_none_or(|last| last.saturating_add(life) >= now) {
                    continue;
                }
                match self.index.remove_metric(metric.id) {
                    Ok(()) => removed += 1,
                    Err(Error::NoSuchMetric(_)) => {}
                    Err(error) => return Err(error),
                }
                self.forget(metric.id);
                forget(&[metric.id])?;
            }
        }
        Ok(removed)
    }

    /// Forgets what is known of a metric that is removed.
    pub fn forget(&self, metric: Uuid) {
        self.known().remove(&metric);
    }
}

/// Takes it as done when somebody else did it meanwhile.
fn unless_there(made: Result<(), Error>) -> Result<(), Error> {
    match made {
        Err(Error::PolicyExists(_) | Error::RuleExists(_)) => Ok(()),
        other => other,
    }
}
