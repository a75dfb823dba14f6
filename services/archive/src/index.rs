//! The trait of the index: policies, rules, metrics, resources.

use crate::making::Making;
use crate::search::{Filter, Page};
use crate::{Attribute, Error, Metric, Nanos, Policy, Resource, ResourceType, Rule};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use uuid::Uuid;

/// A change of a resource: what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceChange {
    /// Another user, or none.
    pub user: Option<Option<String>>,
    /// Another project, or none.
    pub project: Option<Option<String>>,
    /// Another beginning.
    pub started_at: Option<Nanos>,
    /// Another end, or none.
    pub ended_at: Option<Option<Nanos>>,
    /// Attributes that are set.
    pub attributes: Map<String, Value>,
    /// When the change happens.
    pub at: Nanos,
    /// Keep what was as a revision.
    pub revision: bool,
}

/// A metric that a resource gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewMetric {
    /// One that is made.
    Create(Metric),
    /// One that exists, of the same creator.
    Link(Uuid),
}

/// A change of the attributes of a resource type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeChange {
    /// Attributes that are new, with the value that resources which exist get.
    pub add: BTreeMap<String, (Attribute, Option<Value>)>,
    /// Attributes that go.
    pub remove: Vec<String>,
    /// Attributes whose bounds change.
    pub update: BTreeMap<String, Attribute>,
}

/// Asks for resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceQuery {
    /// The type; `generic` asks for all.
    pub kind: String,
    /// The condition.
    pub filter: Option<Filter>,
    /// Revisions of the past as well.
    pub history: bool,
    /// Order and page.
    pub page: Page,
}

/// Policies, rules, metrics, resources and their types, all durable when a call returns.
pub trait Index: Send + Sync {
    /// Returns all policies.
    ///
    /// # Errors
    /// As every method: [`Error::Index`] when the index cannot be read or written, besides those named.
    fn policies(&self) -> Result<Vec<Policy>, Error>;
    /// Adds a policy, or replaces the one of its name.
    ///
    /// # Errors
    /// [`Error::PolicyExists`] unless `replace`.
    fn set_policy(&self, policy: &Policy, replace: bool) -> Result<(), Error>;
    /// Removes a policy.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`]; [`Error::PolicyInUse`] when a metric or a rule has it.
    fn remove_policy(&self, name: &str) -> Result<(), Error>;

    /// Returns all rules.
    ///
    /// # Errors
    /// [`Error::Index`].
    fn rules(&self) -> Result<Vec<Rule>, Error>;
    /// Adds a rule.
    ///
    /// # Errors
    /// [`Error::RuleExists`], [`Error::NoSuchPolicy`].
    fn add_rule(&self, rule: &Rule) -> Result<(), Error>;
    /// Gives a rule another name.
    ///
    /// # Errors
    /// [`Error::NoSuchRule`]; [`Error::RuleChange`] when the new name is taken.
    fn rename_rule(&self, name: &str, to: &str) -> Result<(), Error>;
    /// Removes a rule.
    ///
    /// # Errors
    /// [`Error::NoSuchRule`].
    fn remove_rule(&self, name: &str) -> Result<(), Error>;

    /// Adds metrics, all or none.
    ///
    /// # Errors
    /// [`Error::NoSuchPolicy`], [`Error::NoSuchResource`], [`Error::MetricNameExists`].
    fn add_metrics(&self, metrics: &[Metric]) -> Result<(), Error>;
    /// Begins to add metrics, all or none. An index that makes those of many together does it meanwhile; any other has done it when this returns.
    fn begin_metrics(&self, metrics: Vec<Metric>) -> Making {
        Making::ended(self.add_metrics(&metrics))
    }
    /// As [`begin_metrics`](Index::begin_metrics), of a thread that may wait for the disk: where nobody makes metrics it makes them itself.
    fn make_metrics(&self, metrics: Vec<Metric>) -> Making {
        Making::ended(self.add_metrics(&metrics))
    }
    /// Returns metrics by id; those that do not exist are left out.
    ///
    /// # Errors
    /// [`Error::Index`].
    fn metrics_by_id(&self, ids: &[Uuid]) -> Result<Vec<Metric>, Error>;
    /// Returns the name of the policy of each metric, or none for one that does not exist.
    ///
    /// # Errors
    /// [`Error::Index`].
    fn metric_policies(&self, ids: &[Uuid]) -> Result<Vec<Option<String>>, Error> {
        let found = self.metrics_by_id(ids)?;
        let mut policies: HashMap<Uuid, String> = found.into_iter().map(|metric| (metric.id, metric.policy)).collect();
        Ok(ids.iter().map(|id| policies.remove(id)).collect())
    }
    /// Returns metrics by a condition on `id`, `name`, `unit`, `creator`, `archive_policy_name`, `resource_id`.
    ///
    /// # Errors
    /// [`Error::NoSuchAttribute`], [`Error::Pagination`].
    fn metrics(&self, filter: Option<&Filter>, page: &Page) -> Result<Vec<Metric>, Error>;
    /// Gives a metric another policy.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`], [`Error::NoSuchPolicy`]; [`Error::Index`] of an index that cannot.
    fn set_metric_policy(&self, id: Uuid, policy: &str) -> Result<(), Error> {
        Err(Error::Index(format!("the policy of {id} cannot become {policy}: this index has no such change")))
    }
    /// Removes a metric.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`].
    fn remove_metric(&self, id: Uuid) -> Result<(), Error>;

    /// Returns all resource types.
    ///
    /// # Errors
    /// [`Error::Index`].
    fn resource_types(&self) -> Result<Vec<ResourceType>, Error>;
    /// Returns a resource type.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`].
    fn resource_type(&self, name: &str) -> Result<ResourceType, Error>;
    /// Adds a resource type.
    ///
    /// # Errors
    /// [`Error::ResourceTypeExists`].
    fn add_resource_type(&self, kind: &ResourceType) -> Result<(), Error>;
    /// Changes the attributes of a type and of its resources, and returns the type as it is then.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`].
    fn change_resource_type(&self, name: &str, change: &TypeChange) -> Result<ResourceType, Error>;
    /// Removes a resource type.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`], [`Error::ResourceTypeInUse`].
    fn remove_resource_type(&self, name: &str) -> Result<(), Error>;

    /// Adds a resource with its metrics.
    ///
    /// # Errors
    /// [`Error::ResourceExists`], [`Error::NoSuchMetric`], [`Error::NoSuchPolicy`].
    fn add_resource(&self, resource: &Resource, metrics: &[NewMetric]) -> Result<(), Error>;
    /// Adds a resource with its metrics, of a thread that may wait for the disk: where nobody changes the index it does so itself; else an index
    /// that makes changes of many together may return meanwhile.
    fn make_resource(&self, resource: Resource, metrics: Vec<NewMetric>) -> Making {
        Making::ended(self.add_resource(&resource, &metrics))
    }
    /// Returns a resource of a type, or of any with `generic`.
    ///
    /// # Errors
    /// [`Error::Index`].
    fn resource(&self, kind: &str, id: Uuid) -> Result<Option<Resource>, Error>;
    /// Changes a resource, and, when told, its metrics: `true` adds them, `false` puts them in place of those it has.
    ///
    /// # Errors
    /// [`Error::NoSuchResource`], [`Error::NoSuchMetric`], [`Error::MetricNameExists`].
    fn change_resource(
        &self,
        id: Uuid,
        change: &ResourceChange,
        metrics: Option<(&[NewMetric], bool)>,
    ) -> Result<Resource, Error>;
    /// Removes resources by a condition, with their metrics; returns how many, and the metrics.
    ///
    /// # Errors
    /// [`Error::NoSuchAttribute`], [`Error::AttributeValue`].
    fn remove_resources(&self, kind: &str, filter: &Filter) -> Result<(u64, Vec<Uuid>), Error>;
    /// Copies what is kept at this moment into a directory, which is there and empty.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] of a place that is backed up by other means.
    fn copy_to(&self, directory: &Path) -> Result<(), Error> {
        Err(Error::Invalid(format!(
            "nothing is copied to {}: a server is backed up by its own means",
            directory.display()
        )))
    }

    /// Returns resources, or revisions of them.
    ///
    /// # Errors
    /// [`Error::NoSuchAttribute`], [`Error::AttributeValue`], [`Error::Pagination`].
    fn resources(&self, query: &ResourceQuery) -> Result<Vec<Resource>, Error>;
}
