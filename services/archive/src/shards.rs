//! The metrics in memory: their waiting batches and raw points, and the account of both.

use crate::incoming::Batch;
use crate::metric_state::MetricState;
use crate::{Error, Point};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

const SHARDS: usize = 64;
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

    pub fn is_full(&self) -> bool {
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

    /// Returns the bytes in memory.
    pub fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    /// Returns the next metric with waiting batches; where none waits, it is waited for a little.
    pub fn next(&self) -> Option<Uuid> {
        let mut queue = lock(&self.queue);
        if queue.is_empty() {
            queue = self.work.wait_timeout(queue, Duration::from_millis(500)).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.pop_front()
    }

    /// Queues a metric once more whose batches could not be applied.
    pub fn again(&self, metric: Uuid) {
        lock(&self.queue).push_back(metric);
    }

    /// Wakes everyone who waits for work.
    pub fn wake(&self) {
        let _queue = lock(&self.queue);
        self.work.notify_all();
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
    pub fn metrics(&self) -> Vec<Uuid> {
        self.shards.iter().flat_map(|shard| lock(shard).keys().copied().collect::<Vec<_>>()).collect()
    }

    /// Forgets metrics of which everything is stored.
    pub fn evict(&self) {
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
