//! The metrics in memory: their waiting batches and raw points, and the account of both.
//!
//! They are spread over shards, each with a queue of its metrics that wait. A worker takes some of one queue at a time, so that what a step
//! costs beside the points, a look into the index or a write, is paid once for many metrics.

use crate::Error;
use crate::incoming::Batch;
use crate::metric_state::MetricState;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

const SHARDS: usize = 64;
/// Most metrics that a worker takes at a time.
const TOGETHER: usize = 256;
/// Longest that an append waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

/// The states of the metrics of a shard.
pub(crate) type States = HashMap<Uuid, MetricState>;

#[derive(Default)]
struct Shard {
    states: States,
    /// Metrics with waiting batches; one that was asked for meanwhile may be here and wait no more.
    queue: VecDeque<Uuid>,
    /// It stands among those that have a queue.
    is_busy: bool,
}

/// Metrics in memory, by a part of their id.
pub(crate) struct Shards {
    shards: Vec<Mutex<Shard>>,
    /// Shards with a queue, each once.
    busy: Mutex<VecDeque<usize>>,
    work: Condvar,
    room: Condvar,
    /// Metrics with waiting batches, and their measures.
    metrics_waiting: AtomicU64,
    waiting: AtomicU64,
    memory: AtomicU64,
    /// Bytes in memory at which a metric is stored and forgotten as soon as its batch is applied.
    full: u64,
}

/// Load of a metric: if it waits, how many measures do, and the bytes of all of it.
#[derive(Clone, Copy, Default)]
struct Load {
    waits: bool,
    measures: u64,
    memory: u64,
}

impl Load {
    fn of(state: &MetricState) -> Load {
        let (measures, memory) = state.load();
        Load { waits: !state.pending.is_empty(), measures, memory }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the number of the shard of a metric. Metrics whose ids were made one after the other, some 64 of them, have the same one: they are
/// beside each other on disk too.
fn number(metric: Uuid) -> usize {
    if metric.get_version_num() != 7 {
        return usize::from(metric.as_bytes()[15]) % SHARDS;
    }
    // The upper half is the time, down to a part of a millisecond, or the time and a part of a counter. The lower one begins with a counter.
    let (high, low) = metric.as_u64_pair();
    let mixed = ((high >> 6) ^ (low >> 38).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % SHARDS
}

impl Shards {
    pub fn new(memory: usize) -> Shards {
        Shards {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            busy: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            metrics_waiting: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            full: memory as u64 / 4 * 3,
        }
    }

    fn shard(&self, metric: Uuid) -> MutexGuard<'_, Shard> {
        lock(&self.shards[number(metric)])
    }

    /// Takes a batch that is safe.
    pub fn deliver(&self, sequence: u64, mut batch: Batch) {
        // Each shard is locked once. The order of batches of one metric stays.
        batch.sort_by_key(|(metric, _)| number(*metric));
        let mut busy = Vec::new();
        let mut batch = batch.into_iter().peekable();
        while let Some(at) = batch.peek().map(|(metric, _)| number(*metric)) {
            let mut shard = lock(&self.shards[at]);
            while let Some((metric, points)) = batch.next_if(|(metric, _)| number(*metric) == at) {
                let is_new = !shard.states.contains_key(&metric);
                let state = shard.states.entry(metric).or_default();
                let waited = !state.pending.is_empty();
                let new = if is_new { state.load().1 } else { 0 };
                let (measures, memory) = MetricState::load_of(&points);
                if !waited {
                    // Few have more than one batch that waits.
                    state.pending.reserve_exact(1);
                }
                state.pending.push_back((sequence, points));
                self.waiting.fetch_add(measures, Relaxed);
                self.memory.fetch_add(memory + new, Relaxed);
                if !waited {
                    self.metrics_waiting.fetch_add(1, Relaxed);
                    shard.queue.push_back(metric);
                }
            }
            if !shard.queue.is_empty() && !std::mem::replace(&mut shard.is_busy, true) {
                busy.push(at);
            }
        }
        if !busy.is_empty() {
            lock(&self.busy).extend(busy);
            self.work.notify_all();
        }
    }

    /// Runs something with the state of a metric, and keeps the accounts of memory and of what waits.
    pub fn with<T>(&self, metric: Uuid, run: impl FnOnce(&mut MetricState) -> Result<T, Error>) -> Result<T, Error> {
        self.with_all(&[metric], |states| run(states.entry(metric).or_default()))
    }

    /// Runs something with the states of different metrics of one shard, as [`with`](Shards::with) does with one.
    pub fn with_all<T>(&self, metrics: &[Uuid], run: impl FnOnce(&mut States) -> Result<T, Error>) -> Result<T, Error> {
        let Some(first) = metrics.first() else { return run(&mut States::new()) };
        let mut shard = self.shard(*first);
        let states = &mut shard.states;
        let before = metrics.iter().map(|metric| states.get(metric).map_or_else(Load::default, Load::of));
        let before: Vec<Load> = before.collect();
        let result = run(states);
        let is_full = self.is_full();
        for (metric, before) in metrics.iter().zip(before) {
            let Some(state) = states.get(metric) else {
                self.settle_account(before, Load::default());
                continue;
            };
            let stored = state.window.as_ref().is_none_or(|window| window.applied == 0 || (is_full && !window.touched));
            if state.pending.is_empty() && stored {
                // A metric that never had a measure takes no memory for having been asked for, and none stays while others need it.
                states.remove(metric);
                self.settle_account(before, Load::default());
            } else {
                self.settle_account(before, Load::of(state));
            }
        }
        result
    }

    pub fn is_full(&self) -> bool {
        self.memory.load(Relaxed) > self.full
    }

    fn settle_account(&self, before: Load, after: Load) {
        self.metrics_waiting.fetch_add(u64::from(after.waits).wrapping_sub(u64::from(before.waits)), Relaxed);
        self.waiting.fetch_add(after.measures.wrapping_sub(before.measures), Relaxed);
        self.memory.fetch_add(after.memory.wrapping_sub(before.memory), Relaxed);
        if after.measures < before.measures || after.memory < before.memory {
            self.room.notify_all();
        }
    }

    /// Removes a metric, and does something while nobody can bring it back.
    pub fn remove(&self, metric: Uuid, meanwhile: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let mut shard = self.shard(metric);
        if let Some(state) = shard.states.remove(&metric) {
            self.settle_account(Load::of(&state), Load::default());
        }
        meanwhile()
    }

    /// Returns when memory has room for one more batch.
    pub fn wait_for_room(&self, memory: usize) -> Result<(), Error> {
        let begun = Instant::now();
        let mut busy = lock(&self.busy);
        loop {
            let used = self.memory.load(Relaxed);
            if used <= memory as u64 {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::Busy(format!("memory is full: {used} of {memory} bytes wait to be stored")));
            }
            self.work.notify_all();
            busy = self.room.wait_timeout(busy, Duration::from_millis(50)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns metrics and measures that wait, and the bytes in memory.
    pub fn load(&self) -> (u64, u64, u64) {
        (self.metrics_waiting.load(Relaxed), self.waiting.load(Relaxed), self.memory.load(Relaxed))
    }

    /// Returns the bytes in memory.
    pub fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    /// Returns metrics of one shard with waiting batches; where none waits, they are waited for a little.
    pub fn next(&self) -> Vec<Uuid> {
        let mut busy = lock(&self.busy);
        if busy.is_empty() {
            busy = self.work.wait_timeout(busy, Duration::from_millis(500)).unwrap_or_else(PoisonError::into_inner).0;
        }
        let Some(at) = busy.pop_front() else { return Vec::new() };
        drop(busy);
        let mut shard = lock(&self.shards[at]);
        let many = shard.queue.len().min(TOGETHER);
        let mut metrics: Vec<Uuid> = shard.queue.drain(..many).collect();
        metrics.sort_unstable();
        metrics.dedup();
        metrics.retain(|metric| shard.states.get(metric).is_some_and(|state| !state.pending.is_empty()));
        shard.is_busy = !shard.queue.is_empty();
        if shard.is_busy {
            lock(&self.busy).push_back(at);
            self.work.notify_one();
        } else if shard.queue.capacity() > TOGETHER {
            shard.queue = VecDeque::new();
        }
        metrics
    }

    /// Queues metrics of one shard once more whose batches could not be applied.
    pub fn again(&self, metrics: &[Uuid]) {
        let Some(first) = metrics.first() else { return };
        let mut shard = self.shard(*first);
        shard.queue.extend(metrics);
        if !std::mem::replace(&mut shard.is_busy, true) {
            lock(&self.busy).push_back(number(*first));
        }
    }

    /// Wakes everyone who waits for work.
    pub fn wake(&self) {
        let _busy = lock(&self.busy);
        self.work.notify_all();
    }

    pub fn waiting(&self) -> Vec<(Uuid, u64)> {
        let mut waiting = Vec::new();
        for shard in &self.shards {
            for (metric, state) in lock(shard).states.iter().filter(|(_, state)| !state.pending.is_empty()) {
                waiting.push((*metric, state.load().0));
            }
        }
        waiting
    }

    /// Hands the metrics that are not stored as they are to `each`, some of one shard at a time.
    pub fn changed(&self, mut each: impl FnMut(&[Uuid]) -> Result<(), Error>) -> Result<(), Error> {
        for shard in &self.shards {
            let changed = |(metric, state): (&Uuid, &MetricState)| (!state.is_stored()).then_some(*metric);
            let mut metrics: Vec<Uuid> = lock(shard).states.iter().filter_map(changed).collect();
            // Metrics that are beside each other on disk are asked for and written together.
            metrics.sort_unstable();
            metrics.chunks(TOGETHER).try_for_each(&mut each)?;
        }
        Ok(())
    }

    /// Forgets metrics of which everything is stored.
    pub fn evict(&self) {
        for shard in &self.shards {
            let states = &mut lock(shard).states;
            states.retain(|_, state| {
                let stored = state.is_stored();
                if stored {
                    self.settle_account(Load::of(state), Load::default());
                }
                !stored
            });
            states.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn metrics_that_were_made_together_share_a_shard_and_all_are_spread() {
        // A hundred in each of a thousand milliseconds: the time, the number of the version, a counter of 42 bits around the variant, and the rest.
        let id = |at: u64| {
            let (time, counter) = (1_700_000_000_000 + at / 100, (at / 100 * 7_919_000_017) % (1 << 41) + at % 100);
            let high = time << 16 | 0x7000 | counter >> 30;
            let low = 1 << 63 | (counter % (1 << 30)) << 32 | ((at * 2_654_435_761) % (1 << 32));
            Uuid::from_u64_pair(high, low)
        };
        let numbers: Vec<usize> = (0..100_000).map(|at| number(id(at))).collect();
        let mut shards: BTreeMap<usize, usize> = BTreeMap::new();
        numbers.iter().for_each(|number| *shards.entry(*number).or_default() += 1);
        let most = shards.values().max().copied().unwrap_or(0);
        assert!(shards.len() == SHARDS && most < 100_000 / SHARDS * 3, "{most} of 100,000 are in one shard");
        let together = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(together > 95_000, "{together} of 100,000 are in the shard of the one before");
        let others: BTreeMap<usize, ()> = (0..1000).map(|at| (number(Uuid::from_u128(at)), ())).collect();
        assert_eq!(others.len(), SHARDS);
    }
}
