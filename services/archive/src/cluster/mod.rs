//! The engine of one process of many: it holds nothing that another could not go on with.
//!
//! ```text
//!  any process ──► SharedIncoming ──► a worker with the sack's lease ──► Storage (bundles)
//!                       │                        │ commit: one conditional update
//!                       │                        ▼
//!  any process ◄────────┴──────────────── SharedIndex (heads, leases)
//! ```
//!
//! Files in the order of the flow: `places` (the traits), `head`, `view`, `round`, `workers`, and `connect`, which finds the places by their
//! addresses.

#[cfg(feature = "postgresql")]
pub(crate) mod connect;
pub(crate) mod head;
pub(crate) mod places;
pub(crate) mod round;
#[cfg(feature = "postgresql")]
pub(crate) mod salvage;
pub(crate) mod view;
mod workers;

use crate::catalog::Catalog;
use crate::engine::{Change, Engine, Newest, State};
use crate::incoming::Batch;
use crate::metric_state::Account;
use crate::policy::{Definition, Policy};
use crate::storage::Storage;
use crate::{Archive, Error, Method, Options};
use places::{Part, SharedIncoming, SharedIndex};
use round::{Places, sack_of};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use view::Cache;
use workers::Workers;

/// Settings of one process of many.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The name of this worker, which no other has.
    pub worker: String,
    /// Time after which the sacks of a worker that does not answer go to others.
    pub lease: Duration,
    /// Time between two rounds over a sack. Queries see what waits meanwhile.
    pub every: Duration,
}

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster { worker: Uuid::new_v4().to_string(), lease: Duration::from_secs(10), every: Duration::from_secs(30) }
    }
}

/// Most metrics that [`Archive::waiting`] tells.
const TOLD: usize = 10_000;

struct Member {
    places: Places,
    workers: Workers,
}

impl Archive {
    /// Joins an archive that many processes share. With [`Options::workers`] 0 this process takes measures and answers, and leaves the
    /// aggregating to others. [`Options::memory`] bounds the bytes of aggregates that are remembered.
    ///
    /// # Errors
    /// Those of the places.
    pub fn join(
        index: Arc<dyn SharedIndex>,
        incoming: Arc<dyn SharedIncoming>,
        storage: Arc<dyn Storage>,
        cluster: Cluster,
        options: Options,
    ) -> Result<Archive, Error> {
        let sacks = index.sacks()?;
        let catalog = Arc::new(Catalog::open(Arc::clone(&index) as _, options.default_policies, true, 0)?);
        let cache = Arc::new(Cache::new(options.memory));
        let places = Places { index, incoming, storage, cache, sacks };
        let workers = Workers::start(&places, &catalog, cluster, options.workers)?;
        Ok(Archive::of(catalog, Box::new(Member { places, workers })))
    }
}

impl Engine for Member {
    fn append(&self, batch: Batch) -> Result<(), Error> {
        let parts: Vec<Part> = (batch.into_iter())
            .filter(|(_, points)| !points.is_empty())
            .map(|(metric, points)| (sack_of(metric, self.places.sacks), metric, points))
            .collect();
        self.places.incoming.append(&parts)
    }

    fn newest(
        &self,
        metric: Uuid,
        policy: &Policy,
        definition: &Definition,
        methods: &[Method],
        first: i64,
    ) -> Result<Option<Newest>, Error> {
        let (state, storage) = self.places.read(metric, policy)?;
        let rows = state.window.and_then(|window| Some((window.last?, window.changed(definition, methods, first))));
        Ok(rows.map(|(last, rows)| Newest { last, rows, storage }))
    }

    fn account(&self, metric: Uuid, policy: &Policy) -> Result<Account, Error> {
        let (state, _) = self.places.read(metric, policy)?;
        Ok(state.window.map(|window| window.account()).unwrap_or_default())
    }

    fn change(&self, metric: Uuid, policy: &Policy, run: Change<'_>) -> Result<(), Error> {
        self.places.change(metric, policy, run)
    }

    fn forget(&self, metrics: &[Uuid]) -> Result<(), Error> {
        self.places.clear(metrics)
    }

    fn backup(&self, to: &Path) -> Result<(), Error> {
        let text = format!("nothing is copied to {}: servers are backed up by their own means", to.display());
        Err(Error::Invalid(text))
    }

    /// Does nothing: measures that wait are in the incoming, and workers apply them. This process alone holds nothing.
    fn store(&self) -> Result<(), Error> {
        Ok(())
    }

    fn state(&self) -> Result<State, Error> {
        let (metrics_waiting, measures_waiting) = self.places.incoming.load()?;
        let storage = self.places.index.usage()?;
        Ok(State { metrics_waiting, measures_waiting, memory: self.places.cache.bytes() as u64, log: 0, storage })
    }

    fn backlog(&self) -> Result<(u64, u64), Error> {
        self.places.incoming.load()
    }

    fn waiting(&self) -> Result<Vec<(Uuid, u64)>, Error> {
        self.places.incoming.loads(TOLD)
    }

    fn end(&mut self) {
        self.workers.stop();
    }
}
