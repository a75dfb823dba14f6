//! The two ways in which an archive works, behind one trait: a process with everything to itself, or one of many.

use crate::aggregate::Rows;
use crate::incoming::Batch;
use crate::metric_state::{Account, MetricState};
use crate::policy::{Definition, Policy};
use crate::storage::{Storage, Usage};
use crate::{Error, Method, Nanos};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// How an archive is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Metrics with measures that are acknowledged and not in the aggregates yet. Queries apply them first.
    pub metrics_waiting: u64,
    /// These measures.
    pub measures_waiting: u64,
    /// Bytes of raw points and waiting batches in memory.
    pub memory: u64,
    /// Bytes of the log.
    pub log: u64,
    /// Account of the stored aggregates.
    pub storage: Usage,
}

/// The newest rows of a metric, which lie over what is stored.
pub(crate) struct Newest {
    /// The latest point.
    pub last: Nanos,
    /// Rows that changed since they were stored.
    pub rows: Rows,
    /// Stored rows, as they were when they were asked for or later.
    pub storage: Arc<dyn Storage>,
}

/// A change of the state of a metric, and of what is stored of it.
pub(crate) type Change<'a> = &'a mut dyn FnMut(&mut MetricState, &dyn Storage) -> Result<(), Error>;

/// Operations of an archive on measures.
pub(crate) trait Engine: Send + Sync {
    /// Takes a batch that has been checked, all or none.
    fn append(&self, batch: Batch) -> Result<(), Error>;
    /// Returns the newest rows of a definition from a bucket on, after having applied what waits; none for a metric without measures.
    fn newest(
        &self,
        metric: Uuid,
        policy: &Policy,
        definition: &Definition,
        methods: &[Method],
        first: i64,
    ) -> Result<Option<Newest>, Error>;
    /// Returns the account of a metric.
    fn account(&self, metric: Uuid, policy: &Policy) -> Result<Account, Error>;
    /// Changes what is kept of a metric, which nobody else changes meanwhile. What is put into the storage is durable when it returns. `run` is
    /// called again, with the state as it is then, when another process was quicker.
    fn change(&self, metric: Uuid, policy: &Policy, run: Change<'_>) -> Result<(), Error>;
    /// Forgets metrics that the index does not have any more.
    fn forget(&self, metrics: &[Uuid]) -> Result<(), Error>;
    /// Copies everything into a new directory.
    fn backup(&self, to: &Path) -> Result<(), Error>;
    /// Stores what changed.
    fn store(&self) -> Result<(), Error>;
    /// Returns how it is doing.
    fn state(&self) -> Result<State, Error>;
    /// Returns how many metrics and measures wait.
    fn backlog(&self) -> Result<(u64, u64), Error>;
    /// Returns the metrics whose measures wait, and how many do.
    fn waiting(&self) -> Result<Vec<(Uuid, u64)>, Error>;
    /// Ends the threads, after what is in progress.
    fn end(&mut self);
}
