//! Policies and rules of the index, as they are remembered in memory.

use crate::index::Index;
use crate::known::Known;
use crate::making::Making;
use crate::policy::Policy;
use crate::search::{Filter, Page};
use crate::{Error, Metric, Nanos, Rule};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest that policies and rules are believed when other processes may change them.
const BELIEVED: Duration = Duration::from_secs(1);

/// The index, and what is remembered of it.
pub(crate) struct Catalog {
    pub index: Arc<dyn Index>,
    policies: RwLock<HashMap<String, Arc<Policy>>>,
    rules: RwLock<Vec<Rule>>,
    /// Policies of metrics that were asked for last; empty when other processes change the index.
    known: Mutex<Known>,
    /// Counts changes of what a metric's policy is.
    generation: AtomicU64,
    /// When policies and rules were read last; none when nobody else changes them.
    read: Option<Mutex<Instant>>,
}

impl Catalog {
    /// Reads policies and rules. An index that has neither gets the usual ones when `defaults` says so. With `shared`, other processes
    /// change it too; else `room` bytes are for policies of metrics that are remembered.
    ///
    /// # Errors
    /// Those of the index.
    pub fn open(index: Arc<dyn Index>, defaults: bool, shared: bool, room: usize) -> Result<Catalog, Error> {
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
            known: Mutex::new(Known::new(if shared { 0 } else { room })),
            generation: AtomicU64::new(0),
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
        self.generation.fetch_add(1, SeqCst);
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

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the policy of a metric, or none for one that does not exist.
    pub fn policy_of(&self, metric: Uuid) -> Result<Option<Arc<Policy>>, Error> {
        Ok(self.policies_of(&[metric])?.pop().flatten())
    }

    /// Returns the policy of each metric, or none for one that does not exist. The index is asked once for all that are not remembered.
    pub fn policies_of(&self, metrics: &[Uuid]) -> Result<Vec<Option<Arc<Policy>>>, Error> {
        let mut found: Vec<Option<Arc<Policy>>> = {
            let known = self.known();
            let names = metrics.iter().map(|metric| known.get(*metric).cloned()).collect::<Vec<_>>();
            drop(known);
            // Most metrics have the policy of the one before.
            let mut last: Option<(Arc<str>, Option<Arc<Policy>>)> = None;
            let policy = |name: Option<Arc<str>>| {
                let name = name?;
                match &last {
                    Some((known, policy)) if Arc::ptr_eq(known, &name) => policy.clone(),
                    _ => last.insert((Arc::clone(&name), self.policy(&name).ok())).1.clone(),
                }
            };
            names.into_iter().map(policy).collect()
        };
        let missing: Vec<usize> = (0..metrics.len()).filter(|at| found[*at].is_none()).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let generation = self.generation();
        let asked: Vec<Uuid> = missing.iter().map(|at| metrics[*at]).collect();
        let names = self.index.metric_policies(&asked)?;
        for (at, name) in missing.iter().zip(&names) {
            found[*at] = name.as_ref().map(|name| self.policy(name)).transpose()?;
        }
        let mut known = self.known();
        // A policy that changed meanwhile is not remembered as it was.
        if self.read.is_none() && self.generation() == generation {
            for (metric, name) in asked.into_iter().zip(names) {
                name.iter().for_each(|name| known.set(metric, name));
            }
        }
        Ok(found)
    }

    /// Adds metrics to the index, all or none, and remembers their policies.
    ///
    /// # Errors
    /// Those of the index.
    pub fn add_metrics(&self, metrics: &[Metric]) -> Result<(), Error> {
        let generation = self.generation();
        self.index.add_metrics(metrics)?;
        self.remember(generation, metrics.iter().map(|metric| (metric.id, &*metric.policy)));
        Ok(())
    }

    /// Begins to add metrics to the index, all or none, as `begin` of the index does; their policies are remembered when they are there.
    pub fn begin_metrics(
        self: &Arc<Self>,
        metrics: Vec<Metric>,
        begin: fn(&dyn Index, Vec<Metric>) -> Making,
    ) -> Making {
        let generation = self.generation();
        let policies: Vec<(Uuid, String)> = metrics.iter().map(|metric| (metric.id, metric.policy.clone())).collect();
        let catalog = Arc::clone(self);
        begin(&*self.index, metrics).then(move || {
            catalog.remember(generation, policies.iter().map(|(metric, policy)| (*metric, &**policy)));
        })
    }

    /// Remembers the policies of metrics that were added.
    fn remember<'m>(&self, generation: u64, policies: impl Iterator<Item = (Uuid, &'m str)>) {
        let mut known = self.known();
        // One that was removed meanwhile, or got another policy, is not remembered as it was.
        if self.read.is_none() && self.generation() == generation {
            policies.for_each(|(metric, policy)| known.set(metric, policy));
        }
    }

    /// Returns a number that is another one when the policy of a metric became another one, or changed.
    pub fn generation(&self) -> u64 {
        self.generation.load(SeqCst)
    }

    /// Remembers that a metric has another policy now.
    pub fn know_policy(&self, metric: Uuid, name: &str) {
        let mut known = self.known();
        self.generation.fetch_add(1, SeqCst);
        if self.read.is_none() {
            known.set(metric, name);
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
        let mut known = self.known();
        self.generation.fetch_add(1, SeqCst);
        known.remove(metric);
    }
}

/// Takes it as done when somebody else did it meanwhile.
fn unless_there(made: Result<(), Error>) -> Result<(), Error> {
    match made {
        Err(Error::PolicyExists(_) | Error::RuleExists(_)) => Ok(()),
        other => other,
    }
}
