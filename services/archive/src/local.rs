//! The engine of a process that has everything to itself: windows in memory, batches in a log.

use crate::engine::{Change, Engine, Newest, State};
use crate::incoming::Batch;
use crate::metric_state::Account;
use crate::policy::{Definition, Policy};
use crate::shared::Shared;
use crate::workers::Workers;
use crate::{Error, Method};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// An archive of one process.
pub(crate) struct Local {
    shared: Arc<Shared>,
    workers: Workers,
}

impl Local {
    /// Starts the threads, after the batches that were acknowledged and not stored have been handed over.
    ///
    /// # Errors
    /// [`Error::Io`] when no thread can be started.
    pub fn start(shared: Shared) -> Result<Local, Error> {
        let shared = Arc::new(shared);
        let workers = Workers::start(&shared)?;
        Ok(Local { shared, workers })
    }
}

impl Engine for Local {
    fn append(&self, batch: Batch) -> Result<(), Error> {
        self.shared.shards.wait_for_room(self.shared.options.memory)?;
        self.shared.incoming.append(batch).map(drop)
    }

    fn newest(
        &self,
        metric: Uuid,
        policy: &Policy,
        definition: &Definition,
        methods: &[Method],
        first: i64,
    ) -> Result<Option<Newest>, Error> {
        let storage = &self.shared.storage;
        // The window is read before the storage: rows that are stored in between are in both.
        self.shared.with_metric(metric, |state| {
            let window = state.settle(metric, policy, &**storage)?;
            let rows =
                |last| Newest { last, rows: window.changed(definition, methods, first), storage: Arc::clone(storage) };
            Ok(window.last.map(rows))
        })
    }

    fn account(&self, metric: Uuid, policy: &Policy) -> Result<Account, Error> {
        self.shared.with_metric(metric, |state| Ok(state.settle(metric, policy, &*self.shared.storage)?.account()))
    }

    fn change(&self, metric: Uuid, _policy: &Policy, run: Change<'_>) -> Result<(), Error> {
        self.shared.while_nothing_is_stored(|| {
            self.shared.with_metric(metric, |state| run(state, &*self.shared.storage))?;
            self.shared.storage.sync()
        })
    }

    fn forget(&self, metrics: &[Uuid]) -> Result<(), Error> {
        self.shared.forget(metrics)
    }

    fn backup(&self, to: &Path) -> Result<(), Error> {
        self.shared.backup(to)
    }

    fn store(&self) -> Result<(), Error> {
        self.shared.store(true)
    }

    fn state(&self) -> Result<State, Error> {
        let (metrics_waiting, measures_waiting, memory) = self.shared.shards.load();
        Ok(State {
            metrics_waiting,
            measures_waiting,
            memory,
            log: self.shared.incoming.bytes(),
            storage: self.shared.storage.usage()?,
        })
    }

    fn backlog(&self) -> Result<(u64, u64), Error> {
        let (metrics, measures, _) = self.shared.shards.load();
        Ok((metrics, measures))
    }

    fn waiting(&self) -> Result<Vec<(Uuid, u64)>, Error> {
        Ok(self.shared.shards.waiting())
    }

    fn end(&mut self) {
        self.workers.stop();
        if let Err(error) = self.shared.store(true) {
            tracing::warn!(%error, "what changed was not stored at the end; it is in the log");
        }
    }
}
