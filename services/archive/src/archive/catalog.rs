//! Policies, rules, metrics and resources of an archive: the index, and what else a change of it changes.

use super::Archive;
use crate::index::{Index, NewMetric, ResourceChange, ResourceQuery, TypeChange};
use crate::making::Making;
use crate::policy::{Definition, Policy};
use crate::search::{Filter, Page};
use crate::sqlite::Sqlite;
use crate::{Error, Metric, Resource, ResourceType, Rule, rule};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

impl Archive {
    /// Returns the policies, by name.
    pub fn policies(&self) -> Vec<Arc<Policy>> {
        self.catalog.policies()
    }

    /// Returns the names of the policies that an archive would have if it were opened, by name. Nothing is opened, made or locked, so a server may have
    /// it open meanwhile.
    ///
    /// ```
    /// use ferrometer_archive::Archive;
    ///
    /// let nowhere = std::env::temp_dir().join("no-archive-is-here");
    /// assert_eq!(Archive::policies_in(&nowhere, true)?, ["bool", "high", "low", "medium"]);
    /// # Ok::<(), ferrometer_archive::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Index`] when there is an index and it cannot be read.
    pub fn policies_in(directory: &Path, default_policies: bool) -> Result<Vec<String>, Error> {
        let index = directory.join("index.sqlite");
        let stored = if index.exists() { Sqlite::policies_of(&index)? } else { Vec::new() };
        if !stored.is_empty() || !default_policies {
            return Ok(stored);
        }
        let mut names = Policy::defaults().map(|policy| policy.name).to_vec();
        names.sort();
        Ok(names)
    }

    /// Returns a policy.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`].
    pub fn policy(&self, name: &str) -> Result<Arc<Policy>, Error> {
        self.catalog.policy(name)
    }

    /// Adds a policy.
    ///
    /// # Errors
    /// [`Error::PolicyExists`].
    pub fn add_policy(&self, policy: &Policy) -> Result<(), Error> {
        self.catalog.index.set_policy(policy, false)?;
        self.catalog.remember_policy(policy);
        Ok(())
    }

    /// Changes how much a policy keeps. What was acknowledged before is accepted or refused by the policy as it was.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`], [`Error::PolicyChange`].
    pub fn resize_policy(
        &self,
        name: &str,
        definitions: Vec<Definition>,
        back_window: Option<u32>,
    ) -> Result<Arc<Policy>, Error> {
        let changed = self.policy(name)?.resized(definitions, back_window)?;
        self.store()?;
        self.catalog.index.set_policy(&changed, true)?;
        Ok(self.catalog.remember_policy(&changed))
    }

    /// Removes a policy that no metric and no rule has.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`], [`Error::PolicyInUse`].
    pub fn remove_policy(&self, name: &str) -> Result<(), Error> {
        self.catalog.index.remove_policy(name)?;
        self.catalog.forget_policy(name);
        Ok(())
    }

    /// Returns the rules, by pattern from Z to A, then by name.
    pub fn rules(&self) -> Vec<Rule> {
        self.catalog.rules()
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// [`Error::RuleExists`], [`Error::NoSuchPolicy`].
    pub fn add_rule(&self, rule: &Rule) -> Result<(), Error> {
        self.catalog.index.add_rule(rule)?;
        self.catalog.reload_rules()
    }

    /// Gives a rule another name.
    ///
    /// # Errors
    /// [`Error::NoSuchRule`], [`Error::RuleChange`].
    pub fn rename_rule(&self, name: &str, to: &str) -> Result<(), Error> {
        self.catalog.index.rename_rule(name, to)?;
        self.catalog.reload_rules()
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// [`Error::NoSuchRule`].
    pub fn remove_rule(&self, name: &str) -> Result<(), Error> {
        self.catalog.index.remove_rule(name)?;
        self.catalog.reload_rules()
    }

    /// Returns the name of the policy that the rules give to a metric of this name.
    ///
    /// # Errors
    /// [`Error::NoRuleMatch`].
    pub fn policy_for(&self, metric: Option<&str>) -> Result<String, Error> {
        match rule::choose(&self.catalog.rules(), metric.unwrap_or("")) {
            Some(rule) => Ok(rule.policy.clone()),
            None => Err(Error::NoRuleMatch(metric.unwrap_or("None").into())),
        }
    }

    /// Returns a metric with a new id and the policy that the rules give it; it is not added.
    ///
    /// # Errors
    /// [`Error::NoRuleMatch`].
    pub fn new_metric(&self, creator: &str, name: Option<&str>) -> Result<Metric, Error> {
        let policy = self.policy_for(name)?;
        Ok(Metric {
            id: Metric::new_id(),
            creator: creator.into(),
            name: name.map(Into::into),
            unit: None,
            policy,
            resource: None,
        })
    }

    /// Adds metrics, all or none.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`], [`Error::NoSuchResource`], [`Error::MetricNameExists`].
    pub fn add_metrics(&self, metrics: &[Metric]) -> Result<(), Error> {
        self.catalog.add_metrics(metrics)
    }

    /// Begins to add metrics, all or none, and returns while that is on its way: what comes from many at once is one write, and nobody needs a
    /// thread to wait for it.
    ///
    /// ```
    /// use ferrometer_archive::{Archive, Options};
    ///
    /// let directory = std::env::temp_dir().join(format!("ferrometer-begin-doc-{}", std::process::id()));
    /// let archive = Archive::open(&directory, Options::default())?;
    /// let making: Vec<_> = ["a", "b"].map(|name| archive.new_metric("me", Some(name))).into_iter().collect::<Result<_, _>>()?;
    /// let making: Vec<_> = making.into_iter().map(|metric| archive.begin_metrics(vec![metric])).collect();
    /// // In an asynchronous program: `making.await?`.
    /// making.into_iter().try_for_each(|making| making.wait())?;
    /// assert_eq!(archive.metrics(None, &Default::default())?.len(), 2);
    /// # drop(archive);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_metrics(&self, metrics: Vec<Metric>) -> Making {
        self.catalog.begin_metrics(metrics, |index, metrics| index.begin_metrics(metrics))
    }

    /// Makes metrics as [`begin_metrics`](Archive::begin_metrics) does, of a thread that may wait for the disk: where nobody makes any, it makes them
    /// itself, with those that come beside them, which saves waking another thread and being told by it. Else it returns while they are on their way.
    pub fn make_metrics(&self, metrics: Vec<Metric>) -> Making {
        self.catalog.begin_metrics(metrics, |index, metrics| index.make_metrics(metrics))
    }

    /// Removes a metric with its aggregates.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`].
    pub fn remove_metric(&self, id: Uuid) -> Result<(), Error> {
        self.catalog.index.remove_metric(id)?;
        self.forget(&[id])
    }

    /// Returns what is known about metrics and resources. Changes go through this archive, which knows what else they change.
    pub fn index(&self) -> &dyn Index {
        &*self.catalog.index
    }

    /// Adds a resource type after having checked its attributes.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::ResourceTypeExists`].
    pub fn add_resource_type(&self, kind: &ResourceType) -> Result<(), Error> {
        kind.attributes.iter().try_for_each(|(name, attribute)| attribute.check(name))?;
        self.catalog.index.add_resource_type(kind)
    }

    /// Changes the attributes of a resource type.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoSuchResourceType`].
    pub fn change_resource_type(&self, name: &str, change: &TypeChange) -> Result<ResourceType, Error> {
        change.add.iter().try_for_each(|(name, (attribute, _))| attribute.check(name))?;
        change.update.iter().try_for_each(|(name, attribute)| attribute.check(name))?;
        self.catalog.index.change_resource_type(name, change)
    }

    /// Removes a resource type that no resource has.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`], [`Error::ResourceTypeInUse`].
    pub fn remove_resource_type(&self, name: &str) -> Result<(), Error> {
        self.catalog.index.remove_resource_type(name)
    }

    /// Adds a resource with its metrics.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it ends before it starts; [`Error::ResourceExists`], [`Error::NoSuchMetric`], [`Error::NoSuchPolicy`].
    pub fn add_resource(&self, resource: &Resource, metrics: &[NewMetric]) -> Result<(), Error> {
        in_order(resource)?;
        self.catalog.index.add_resource(resource, metrics)
    }

    /// Adds a resource with its metrics, as [`make_metrics`](Archive::make_metrics) adds metrics alone.
    ///
    /// # Errors
    /// The [`Making`]'s are those of [`add_resource`](Archive::add_resource).
    pub fn make_resource(&self, resource: Resource, metrics: Vec<NewMetric>) -> Making {
        match in_order(&resource) {
            Ok(()) => self.catalog.index.make_resource(resource, metrics),
            Err(error) => Making::ended(Err(error)),
        }
    }

    /// Changes a resource; see [`Index::change_resource`].
    ///
    /// # Errors
    /// Those of [`Index::change_resource`].
    pub fn change_resource(
        &self,
        id: Uuid,
        change: &ResourceChange,
        metrics: Option<(&[NewMetric], bool)>,
    ) -> Result<Resource, Error> {
        self.catalog.index.change_resource(id, change, metrics)
    }

    /// Removes resources by a condition, with their metrics and aggregates; returns how many.
    ///
    /// # Errors
    /// Those of [`Index::remove_resources`].
    pub fn remove_resources(&self, kind: &str, filter: &Filter) -> Result<u64, Error> {
        let (count, metrics) = self.catalog.index.remove_resources(kind, filter)?;
        self.forget(&metrics)?;
        Ok(count)
    }

    /// Returns resources.
    ///
    /// # Errors
    /// Those of [`Index::resources`].
    pub fn resources(&self, query: &ResourceQuery) -> Result<Vec<Resource>, Error> {
        self.catalog.index.resources(query)
    }

    /// Returns metrics by a condition.
    ///
    /// # Errors
    /// Those of [`Index::metrics`].
    pub fn metrics(&self, filter: Option<&Filter>, page: &Page) -> Result<Vec<Metric>, Error> {
        self.catalog.index.metrics(filter, page)
    }

    fn forget(&self, metrics: &[Uuid]) -> Result<(), Error> {
        metrics.iter().for_each(|metric| self.catalog.forget(*metric));
        self.engine.forget(metrics)
    }
}

/// Refuses a resource that ends before it starts.
fn in_order(resource: &Resource) -> Result<(), Error> {
    if resource.ended_at.is_some_and(|end| end < resource.started_at) {
        return Err(Error::Invalid("Start timestamp cannot be after end timestamp".into()));
    }
    Ok(())
}
