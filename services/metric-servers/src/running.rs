//! The servers at work: which backend is installed for which, what its last delivery said, and the accounts of those before it.

use crate::pipeline::Pipeline;
use ferrometer_core::{Amount, Backend, BackendError, Delivery, Ledger, Preview, SnapshotView, Wants};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

/// What the deliveries of a backend said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The last error, and when.
    pub(crate) error: Option<(SystemTime, String)>,
    /// When a delivery last ended without one.
    pub(crate) success: Option<SystemTime>,
    /// The last delivery was an error.
    pub(crate) is_failing: bool,
}

/// A backend whose deliveries are listened to.
struct Watched {
    backend: Box<dyn Backend>,
    heard: Arc<Mutex<Heard>>,
}

impl Watched {
    fn note(&self, outcome: &Result<Delivery, BackendError>) {
        let mut heard = lock(&self.heard);
        heard.is_failing = outcome.is_err();
        match outcome {
            Ok(_) => heard.success = Some(SystemTime::now()),
            Err(error) => heard.error = Some((SystemTime::now(), error.to_string())),
        }
    }
}

impl Backend for Watched {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let outcome = self.backend.publish(view);
        self.note(&outcome);
        outcome
    }

    fn wants(&self) -> Wants {
        self.backend.wants()
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        let outcome = self.backend.flush(view, deadline);
        // A flush with nothing to do says nothing of the server.
        if !matches!(&outcome, Ok(delivery) if delivery.packets == 0) {
            self.note(&outcome);
        }
        outcome
    }

    fn preview(&mut self, view: &SnapshotView<'_>) -> Option<Vec<Preview>> {
        self.backend.preview(view)
    }
}

/// What earlier backends of a server have come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earlier {
    pub(crate) recorded: Amount,
    pub(crate) sent: Amount,
    pub(crate) superseded: Amount,
    pub(crate) dropped: Amount,
}

impl Earlier {
    fn add(&mut self, ledger: Option<Ledger>) {
        let Some(ledger) = ledger else { return };
        self.recorded += ledger.recorded;
        self.sent += ledger.sent;
        self.superseded += ledger.superseded;
        self.dropped += ledger.dropped_in_all();
        // A last account has nothing pending; were it otherwise, it would be lost.
        self.dropped += ledger.pending;
    }
}

#[derive(Clone, Debug, Default)]
struct Entry {
    heard: Arc<Mutex<Heard>>,
    earlier: Earlier,
    is_installed: bool,
    /// Why no backend is installed although the server is enabled.
    fault: Option<String>,
}

/// One server as it is at work.
#[derive(Clone, Debug, Default)]
pub(crate) struct AtWork {
    pub(crate) is_installed: bool,
    pub(crate) fault: Option<String>,
    pub(crate) heard: Heard,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) earlier: Earlier,
}

/// All servers that are, or were, at work.
pub(crate) struct Running {
    pipeline: Arc<dyn Pipeline>,
    servers: Mutex<BTreeMap<String, Entry>>,
}

/// The name of a server's backend: in the ledger, in metrics, in the log.
pub(crate) fn backend_name(id: &str) -> String {
    format!("server-{id}")
}

impl Running {
    pub(crate) fn new(pipeline: Arc<dyn Pipeline>) -> Running {
        Running { pipeline, servers: Mutex::default() }
    }

    /// Installs a server's backend in the place of the one before.
    ///
    /// # Errors
    /// Why it could not be started; the one before stays.
    pub(crate) fn put(&self, id: &str, backend: Box<dyn Backend>) -> Result<(), String> {
        let heard = Arc::<Mutex<Heard>>::default();
        let backend = Box::new(Watched { backend, heard: Arc::clone(&heard) });
        // The lock is not held while the one before has its last delivery: others may look meanwhile.
        let before = self.pipeline.put(&backend_name(id), backend)?;
        let mut servers = lock(&self.servers);
        let entry = servers.entry(id.to_owned()).or_default();
        entry.earlier.add(before);
        (entry.heard, entry.is_installed, entry.fault) = (heard, true, None);
        Ok(())
    }

    /// Removes a server's backend. The server may come back, and its account goes on.
    pub(crate) fn disable(&self, id: &str) {
        let before = self.pipeline.take(&backend_name(id));
        let mut servers = lock(&self.servers);
        let entry = servers.entry(id.to_owned()).or_default();
        entry.earlier.add(before);
        (entry.is_installed, entry.fault) = (false, None);
    }

    /// Notes why a server is not at work.
    pub(crate) fn fault(&self, id: &str, why: String) {
        lock(&self.servers).entry(id.to_owned()).or_default().fault = Some(why);
    }

    /// Removes a server's backend, and forgets it.
    pub(crate) fn forget(&self, id: &str) {
        let _ = self.pipeline.take(&backend_name(id));
        lock(&self.servers).remove(id);
    }

    /// The servers that have a backend.
    pub(crate) fn installed(&self) -> Vec<String> {
        let servers = lock(&self.servers);
        servers.iter().filter(|(_, entry)| entry.is_installed).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn at_work(&self, id: &str) -> AtWork {
        let entry = lock(&self.servers).get(id).cloned().unwrap_or_default();
        let ledger = entry.is_installed.then(|| self.pipeline.ledger(&backend_name(id))).flatten();
        let heard = lock(&entry.heard).clone();
        AtWork { is_installed: entry.is_installed, fault: entry.fault, heard, ledger, earlier: entry.earlier }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
