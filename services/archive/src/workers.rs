//! The metrics in memory, and the threads that apply what waits and store what changed.

use crate::archive::Shared;
use crate::incoming::Batch;
use crate::metric_state::MetricState;
use crate::{Error, Point};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

const SHARDS: usize = 64;
/// Bytes of a log that is not worth a storing.
const LEAST_LOG: u64 = 64 << 20;
/// Longest that an append waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

type Shard = HashMap<Uuid, MetricState>;

/// Metrics in memory, by a part of their id.
pub(crate) struct Shards {
    shards: Vec<Mutex<Shard>>,
    /// Metrics with waiting batches, each once.
    queue: Mutex<VecDeque<Uuid>>,
    work: Condvar,
    room: Condvar,
    waiting: AtomicU64,
    memory: AtomicU64,
    /// Bytes in memory at which a metric is stored and forgotten as soon as its batch is applied.
    full: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shards {
    pub fn new(memory: usize) -> Shards {
        Shards {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            queue: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            waiting: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            full: memory as u64 / 4 * 3,
        }
    }

    fn shard(&self, metric: Uuid) -> &Mutex<Shard> {
        &self.shards[usize::from(metric.as_bytes()[15]) % SHARDS]
    }

    /// Takes a batch that is safe.
    pub fn deliver(&self, sequence: u64, batch: Batch) {
        let mut new = Vec::new();
        for (metric, points) in batch {
            let (count, bytes) = (points.len() as u64, (points.len() * size_of::<Point>()) as u64);
            self.waiting.fetch_add(count, Relaxed);
            self.memory.fetch_add(bytes, Relaxed);
            let mut shard = lock(self.shard(metric));
            let state = shard.entry(metric).or_default();
            if state.pending.is_empty() {
                new.push(metric);
            }
            state.pending.push_back((sequence, points));
        }
        if !new.is_empty() {
            lock(&self.queue).extend(new);
            self.work.notify_all();
        }
    }

    /// Runs something with the state of a metric, and keeps the accounts of memory and of what waits.
    pub fn with<T>(&self, metric: Uuid, run: impl FnOnce(&mut MetricState) -> Result<T, Error>) -> Result<T, Error> {
        let mut shard = lock(self.shard(metric));
        let state = shard.entry(metric).or_default();
        let before = state.load();
        let result = run(state);
        let after = state.load();
        let stored =
            state.window.as_ref().is_none_or(|window| window.applied == 0 || (self.is_full() && !window.touched));
        if state.pending.is_empty() && stored {
            // A metric that never had a measure takes no memory for having been asked for, and none stays while others need it.
            shard.remove(&metric);
            self.settle_account(before, (0, 0));
        } else {
            self.settle_account(before, after);
        }
        result
    }

    fn is_full(&self) -> bool {
        self.memory.load(Relaxed) > self.full
    }

    fn settle_account(&self, before: (u64, u64), after: (u64, u64)) {
        self.waiting.fetch_add(after.0.wrapping_sub(before.0), Relaxed);
        self.memory.fetch_add(after.1.wrapping_sub(before.1), Relaxed);
        if after.0 < before.0 || after.1 < before.1 {
            self.room.notify_all();
        }
    }

    /// Removes a metric, and does something while nobody can bring it back.
    pub fn remove(&self, metric: Uuid, meanwhile: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let mut shard = lock(self.shard(metric));
        if let Some(state) = shard.remove(&metric) {
            self.settle_account(state.load(), (0, 0));
        }
        meanwhile()
    }

    /// Returns when memory has room for one more batch.
    pub fn wait_for_room(&self, memory: usize) -> Result<(), Error> {
        let begun = Instant::now();
        let mut queue = lock(&self.queue);
        loop {
            let used = self.memory.load(Relaxed);
            if used <= memory as u64 {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::Busy(format!("memory is full: {used} of {memory} bytes wait to be stored")));
            }
            self.work.notify_all();
            queue = self.room.wait_timeout(queue, Duration::from_millis(50)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns metrics and measures that wait, and the bytes in memory.
    pub fn load(&self) -> (u64, u64, u64) {
        (self.waiting().len() as u64, self.waiting.load(Relaxed), self.memory.load(Relaxed))
    }

    pub fn waiting(&self) -> Vec<(Uuid, u64)> {
        let mut waiting = Vec::new();
        for shard in &self.shards {
            for (metric, state) in lock(shard).iter().filter(|(_, state)| !state.pending.is_empty()) {
                waiting.push((*metric, state.load().0));
            }
        }
        waiting
    }

    /// Returns every metric in memory.
    fn metrics(&self) -> Vec<Uuid> {
        self.shards.iter().flat_map(|shard| lock(shard).keys().copied().collect::<Vec<_>>()).collect()
    }

    /// Forgets metrics of which everything is stored.
    fn evict(&self) {
        for shard in &self.shards {
            lock(shard).retain(|_, state| {
                let stored = state.pending.is_empty() && state.window.as_ref().is_none_or(|window| !window.touched);
                if stored {
                    self.settle_account(state.load(), (0, 0));
                }
                !stored
            });
        }
    }
}

impl Shared {
    /// Applies what waits of a metric; a metric that does not exist any more is forgotten.
    fn apply(&self, metric: Uuid) -> Result<(), Error> {
        match self.policy_of(metric)? {
            Some(policy) => self.with_metric(metric, |state| {
                state.settle(metric, &policy, &*self.storage)?;
                if self.shards.is_full() { state.flush(metric, &policy, &*self.storage) } else { Ok(()) }
            }),
            None => self.shards.remove(metric, || Ok(())),
        }
    }

    /// Stores what changed, and forgets the log up to there. Without `wait`, it does nothing while another thread does it.
    pub fn store(&self, wait: bool) -> Result<(), Error> {
        let _one = match self.storing.try_lock() {
            Ok(guard) => guard,
            Err(_) if wait => lock(&self.storing),
            Err(_) => return Ok(()),
        };
        let through = self.incoming.last();
        for metric in self.shards.metrics() {
            match self.policy_of(metric)? {
                Some(policy) => self.with_metric(metric, |state| state.flush(metric, &policy, &*self.storage))?,
                None => self.shards.remove(metric, || Ok(()))?,
            }
        }
        self.storage.sync()?;
        self.incoming.discard(through)?;
        if self.shards.load().2 > self.options.memory as u64 / 4 {
            self.shards.evict();
        }
        Ok(())
    }

    fn should_store(&self, since: Instant) -> bool {
        self.shards.memory.load(Relaxed) > self.options.memory as u64 / 2
            || self.incoming.bytes() > self.options.log.max(LEAST_LOG)
            || since.elapsed() > self.options.store_every
    }
}

/// Threads of an archive.
pub(crate) struct Workers {
    stopped: Arc<AtomicBool>,
    shards: Arc<Shards>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub fn start(shared: &Arc<Shared>) -> Result<Workers, Error> {
        let stopped = Arc::new(AtomicBool::new(false));
        let mut workers = Workers { stopped, shards: Arc::clone(&shared.shards), threads: Vec::new() };
        for number in 0..shared.options.workers.max(1) {
            let (shared, stopped) = (Arc::clone(shared), Arc::clone(&workers.stopped));
            let name = format!("archive-{number}");
            workers
                .threads
                .push(std::thread::Builder::new().name(name).spawn(move || work(&shared, &stopped, number == 0))?);
        }
        Ok(workers)
    }

    /// Ends the threads, and waits for them.
    pub fn stop(&mut self) {
        self.stopped.store(true, Relaxed);
        {
            let _queue = lock(&self.shards.queue);
            self.shards.work.notify_all();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, stopped: &AtomicBool, stores: bool) {
    let mut stored = Instant::now();
    let mut failed = Instant::now().checked_sub(Duration::from_secs(60));
    while !stopped.load(Relaxed) {
        let metric = {
            let mut queue = lock(&shared.shards.queue);
            if queue.is_empty() {
                queue = shared
                    .shards
                    .work
                    .wait_timeout(queue, Duration::from_millis(500))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            queue.pop_front()
        };
        let applied = metric.map_or(Ok(()), |metric| {
            shared.apply(metric).inspect_err(|_| lock(&shared.shards.queue).push_back(metric))
        });
        let result = applied.and_then(|()| {
            if stores && shared.should_store(stored) {
                stored = Instant::now();
                shared.store(false)?;
            }
            Ok(())
        });
        if let Err(error) = result {
            // One line a minute; the disk is asked again a little later.
            if failed.is_none_or(|at| at.elapsed() >= Duration::from_secs(60)) {
                tracing::warn!(%error, "the archive cannot store; what is acknowledged stays in the log");
                failed = Some(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
