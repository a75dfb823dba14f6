//! Accounts of daemons, as the API's status tells them.

use super::{Statsd, StatsdCause, StatsdCounts};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use uuid::Uuid;

/// The daemons whose accounts a status tells ([`Gnocchi::with_statsd`](crate::Gnocchi::with_statsd)). Clones are of the same daemons; one that
/// ended is not told any more.
#[derive(Clone, Debug, Default)]
pub struct StatsdAccounts(Arc<Mutex<Vec<Weak<Statsd>>>>);

impl StatsdAccounts {
    /// Adds a daemon.
    pub fn add(&self, daemon: &Arc<Statsd>) {
        let mut daemons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        daemons.retain(|known| known.strong_count() > 0);
        daemons.push(Arc::downgrade(daemon));
    }

    /// Returns the accounts as JSON: one for each daemon, by the resource that it writes to.
    pub(crate) fn json(&self) -> Value {
        let daemons = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        daemons.iter().filter_map(Weak::upgrade).map(|daemon| account(daemon.resource(), &daemon.counts())).collect()
    }
}

fn account(resource: Uuid, counts: &StatsdCounts) -> Value {
    let causes = StatsdCause::ALL.into_iter().filter(|cause| counts.of(*cause) > 0);
    let causes: Map<String, Value> = causes.map(|cause| (cause.as_str().into(), counts.of(cause).into())).collect();
    json!({
        "resource_id": resource.to_string(),
        "lines_taken": counts.taken,
        "lines_dropped": causes,
        "datagrams_lost": counts.datagrams_lost,
        "measures_refused": counts.refused,
        "measures_waiting": counts.waiting,
        "connections_refused": counts.connections_refused,
    })
}
