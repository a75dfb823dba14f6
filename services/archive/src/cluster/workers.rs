//! Threads of a worker: one keeps the leases, the others do rounds over the sacks that it holds.

use super::Cluster;
use super::round::{Held, Outcome, Places, sack_of};
use crate::believed::Believed;
use crate::catalog::Catalog;
use crate::policy::Policy;
use crate::{Error, Nanos};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Metrics that are asked for at once.
const METRICS: usize = 1000;
/// Pause of a thread after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two looks for metrics that outlived their policy's time to live.
const EXPIRE_EVERY: Duration = Duration::from_secs(300);

/// Threads of a worker.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    places: Places,
    catalog: Arc<Catalog>,
    cluster: Cluster,
    stopped: AtomicBool,
    sacks: Mutex<HashMap<u32, Sack>>,
    changed: Condvar,
    /// When a failure was told last.
    told: Mutex<Option<Instant>>,
}

struct Sack {
    held: Arc<Held>,
    /// A thread is at it.
    busy: bool,
    due: Instant,
}

impl Workers {
    /// Starts this many threads that do rounds, and one for the leases; with 0, none.
    ///
    /// # Errors
    /// [`Error::Io`] when no thread can be started.
    pub fn start(places: &Places, catalog: &Arc<Catalog>, cluster: Cluster, count: usize) -> Result<Workers, Error> {
        let shared = Arc::new(Shared {
            places: places.clone(),
            catalog: Arc::clone(catalog),
            cluster,
            stopped: AtomicBool::new(false),
            sacks: Mutex::default(),
            changed: Condvar::new(),
            told: Mutex::default(),
        });
        let mut workers = Workers { shared, threads: Vec::new() };
        for number in 0..if count == 0 { 0 } else { count + 1 } {
            let shared = Arc::clone(&workers.shared);
            let run = move || if number == 0 { shared.keep_leases() } else { shared.work() };
            workers.threads.push(std::thread::Builder::new().name(format!("archive-{number}")).spawn(run)?);
        }
        Ok(workers)
    }

    /// Ends the threads after the rounds that they are at, and gives the sacks back.
    pub fn stop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        self.shared.stopped.store(true, Relaxed);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        if let Err(error) = self.shared.places.index.release(&self.shared.cluster.worker) {
            tracing::debug!(%error, "the leases end by themselves");
        }
    }
}

impl Shared {
    fn sacks(&self) -> MutexGuard<'_, HashMap<u32, Sack>> {
        self.sacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a failure, once a minute.
    fn tell(&self, error: &Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= Duration::from_secs(60)) {
            tracing::warn!(%error, "the archive cannot aggregate; what is acknowledged waits in the incoming");
            *told = Some(Instant::now());
        }
    }

    /// Waits, or until the end.
    fn pause(&self, time: Duration) {
        let sacks = self.sacks();
        if !self.stopped.load(Relaxed) {
            drop(self.changed.wait_timeout(sacks, time));
        }
    }

    fn keep_leases(&self) {
        let length = self.cluster.lease;
        let (mut asked, mut expired) = (Instant::now(), Instant::now());
        let mut clock = Believed::new();
        while !self.stopped.load(Relaxed) {
            match self.places.index.lease(&self.cluster.worker, length) {
                Ok(leases) => {
                    asked = Instant::now();
                    let mut sacks = self.sacks();
                    sacks.retain(|number, sack| leases.iter().any(|l| l.sack == *number && *l == sack.held.lease));
                    for lease in leases {
                        let new = || Sack { held: Arc::new(Held::new(lease)), busy: false, due: Instant::now() };
                        sacks.entry(lease.sack).or_insert_with(new);
                    }
                    drop(sacks);
                    self.changed.notify_all();
                    self.clear_removed();
                    // One worker looks for all.
                    if expired.elapsed() > EXPIRE_EVERY && self.sacks().contains_key(&0) {
                        expired = Instant::now();
                        self.expire(clock.now());
                    }
                    self.pause_until(asked + length / 3);
                }
                Err(error) => {
                    self.tell(&error);
                    // Others may have the sacks by now. To go on would be right, and in vain.
                    if asked.elapsed() > length {
                        self.sacks().clear();
                    }
                    self.pause_until(Instant::now() + PAUSE);
                }
            }
        }
    }

    fn pause_until(&self, end: Instant) {
        while !self.stopped.load(Relaxed) {
            match end.checked_duration_since(Instant::now()) {
                Some(rest) if !rest.is_zero() => self.pause(rest),
                _ => return,
            }
        }
    }

    /// Clears what the end of a process left of removed metrics.
    fn clear_removed(&self) {
        let cleared = self.places.index.removed(METRICS).and_then(|metrics| self.places.clear(&metrics));
        if let Err(error) = cleared {
            self.tell(&error);
        }
    }

    fn expire(&self, now: Nanos) {
        let last = |metric, policy: &Policy| {
            let (state, _) = self.places.read(metric, policy)?;
            Ok(state.window.and_then(|window| window.last))
        };
        if let Err(error) = self.catalog.expire(now, last, |metrics| self.places.clear(metrics)) {
            self.tell(&error);
        }
    }

    fn work(&self) {
        while !self.stopped.load(Relaxed) {
            let now = Instant::now();
            let next = {
                let mut sacks = self.sacks();
                let due = sacks.values_mut().filter(|sack| !sack.busy && sack.due <= now).min_by_key(|sack| sack.due);
                due.map(|sack| {
                    sack.busy = true;
                    Arc::clone(&sack.held)
                })
            };
            let Some(held) = next else {
                self.pause(self.cluster.every.min(PAUSE).max(Duration::from_millis(5)));
                continue;
            };
            let done = self.sack(&held);
            if let Err(error) = &done {
                self.tell(error);
                self.pause(PAUSE);
            }
            let mut sacks = self.sacks();
            if let Some(sack) = sacks.get_mut(&held.lease.sack).filter(|sack| Arc::ptr_eq(&sack.held, &held)) {
                sack.busy = false;
                // A sack with more is due at once, behind those that are due for longer.
                let full = matches!(done, Ok(true));
                sack.due = if full { Instant::now() } else { now + self.cluster.every };
            }
        }
    }

    /// Does a round over the metrics of a sack that wait; returns true when there are more.
    fn sack(&self, held: &Held) -> Result<bool, Error> {
        let metrics = self.places.incoming.waiting(held.lease.sack, METRICS)?;
        let mut more = metrics.len() >= METRICS;
        let mut failed = None;
        for metric in metrics {
            if self.stopped.load(Relaxed) {
                break;
            }
            match self.metric(held, metric) {
                Ok(again) => more |= again,
                Err(error @ Error::Away(_)) => return Err(error),
                // One metric that cannot be aggregated stops no other.
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(more),
        }
    }

    fn metric(&self, held: &Held, metric: Uuid) -> Result<bool, Error> {
        let Some(policy) = self.catalog.policy_of(metric)? else {
            self.places.incoming.forget(held.lease.sack, metric)?;
            return Ok(false);
        };
        Ok(self.places.round(held, metric, &policy)? == Outcome::More)
    }
}

impl Places {
    /// Clears everything of metrics that the index does not have any more.
    ///
    /// # Errors
    /// Those of the places; then the rest is cleared another time.
    pub fn clear(&self, metrics: &[Uuid]) -> Result<(), Error> {
        if metrics.is_empty() {
            return Ok(());
        }
        for metric in metrics {
            self.incoming.forget(sack_of(*metric, self.sacks), *metric)?;
            self.storage.forget(*metric)?;
        }
        self.index.cleared(metrics)
    }
}
