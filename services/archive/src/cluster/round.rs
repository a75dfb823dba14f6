//! One round of a worker over one metric: what waits goes into the aggregates, once.
//!
//! 1. Read the head. Remove the entries from the incoming that it says are in the aggregates.
//! 2. Read the entries that wait, apply them to the window, aggregate.
//! 3. Put what changed as a bundle with a version of this lease's own.
//! 4. Commit a head that names the bundle and the entries, if generation and fence are still those.
//! 5. Remove the entries; delete bundles that nothing refers to.
//!
//! Whatever ends the process between two steps, the next round begins with step 1 and ends the same.

use super::head::{BUNDLE, Head, Place, add_copy, bundle};
use super::places::{Lease, SharedIncoming, SharedIndex};
use super::view::{Cache, View};
use crate::engine::Change;
use crate::metric_state::MetricState;
use crate::policy::Policy;
use crate::storage::{Key, Storage};
use crate::{Error, Point};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Most entries of a round.
const ENTRIES: usize = 4096;
/// Most bundles of a metric: beyond, those with the fewest bytes in use are written together.
const BUNDLES: usize = 3;

/// The places of a cluster.
#[derive(Clone)]
pub(crate) struct Places {
    pub index: Arc<dyn SharedIndex>,
    pub incoming: Arc<dyn SharedIncoming>,
    pub storage: Arc<dyn Storage>,
    pub cache: Arc<Cache>,
    pub sacks: u32,
}

/// A sack that this worker may work on.
pub(crate) struct Held {
    pub lease: Lease,
    /// Versions given out under this lease.
    given: AtomicU32,
    done: Mutex<Finished>,
}

/// Knowledge of a worker about its rounds under one lease. Without it, they do more than they need.
#[derive(Default)]
struct Finished {
    /// Generations of metrics behind which nothing is left to remove.
    generations: HashMap<Uuid, i64>,
    /// Bundles of commits without an answer.
    uncertain: HashMap<Uuid, Vec<i64>>,
}

/// Most metrics that are known of a sack.
const KNOWN: usize = 1 << 16;

impl Held {
    pub fn new(lease: Lease) -> Held {
        Held { lease, given: AtomicU32::new(0), done: Mutex::default() }
    }

    fn done(&self) -> MutexGuard<'_, Finished> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a version that nobody has used and nobody will.
    pub(super) fn version(&self) -> Option<i64> {
        let number = self.given.fetch_update(Relaxed, Relaxed, |given| given.checked_add(1)).ok()?;
        Some((self.lease.fence << 32) | i64::from(number))
    }
}

/// End of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing waits any more.
    Done,
    /// More waits.
    More,
    /// Somebody else has the sack or the metric now; nothing was changed.
    Lost,
}

/// Returns the sack of a metric.
pub(crate) fn sack_of(metric: Uuid, sacks: u32) -> u32 {
    // Ids that were made from names or numbers differ in few bytes.
    crc32fast::hash(metric.as_bytes()) % sacks.max(1)
}

impl Places {
    /// Does one round over a metric.
    ///
    /// # Errors
    /// [`Error::Away`] and others of the places; then it is as if the round had not been begun, or as if it had been finished.
    pub fn round(&self, held: &Held, metric: Uuid, policy: &Policy) -> Result<Outcome, Error> {
        self.round_with(held, metric, policy, &mut |state, storage| state.flush(metric, policy, storage), false)
    }

    /// Changes what is kept of a metric, as a round of its own that anybody may do: its fence is newer than that of the sack, and older than that of
    /// the next claim.
    ///
    /// # Errors
    /// Those of a round; [`Error::Busy`] when others are always quicker.
    pub fn change(&self, metric: Uuid, policy: &Policy, run: Change<'_>) -> Result<(), Error> {
        for _ in 0..TRIES {
            let lease = Lease { sack: sack_of(metric, self.sacks), fence: self.index.fence()?, taken_over: false };
            if self.round_with(&Held::new(lease), metric, policy, run, true)? != Outcome::Lost {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Err(Error::Busy(format!("metric {metric} is changing faster than it can be changed")))
    }

    /// `always` runs it also when nothing waits.
    fn round_with(
        &self,
        held: &Held,
        metric: Uuid,
        policy: &Policy,
        run: Change<'_>,
        always: bool,
    ) -> Result<Outcome, Error> {
        let sack = held.lease.sack;
        let found = self.index.found(metric)?;
        let head = Head::decode(&found.head)?;
        let known = held.done().generations.get(&metric).copied();
        if known != Some(found.generation) {
            if !head.applied.is_empty() {
                self.incoming.remove(sack, metric, &head.applied)?;
            }
            self.drop_bundles(metric, &head.stale)?;
        }
        let entries = self.incoming.pending(sack, metric, ENTRIES)?;
        if entries.is_empty() && !always {
            return Ok(Outcome::Done);
        }
        if known.is_none() && held.lease.taken_over {
            self.drop_uncommitted(held, metric, &head)?;
        }
        let ids: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
        let view = View::new(metric, head, Arc::clone(&self.storage), Arc::clone(&self.cache));
        let mut state = MetricState::default();
        state.settle(metric, policy, &view)?;
        let applied = state.window.as_ref().map_or(0, |window| window.applied);
        state.pending.extend(numbered(applied, entries.into_iter().map(|entry| entry.points)));
        state.settle(metric, policy, &view)?;
        run(&mut state, &view)?;
        // A bundle that was not there although the head is the newest is damage; one of an old head is none.
        if view.has_missed() && self.index.found(metric)?.generation != found.generation {
            return Ok(Outcome::Lost);
        }
        let changes = view.take_changes();
        if changes.is_empty() {
            return Ok(Outcome::Done);
        }
        let Some(version) = held.version() else { return Ok(Outcome::Lost) };
        let (mut bytes, mut next) = self.pack(&view, changes, version)?;
        next.applied = ids;
        let uncertain = held.done().uncertain.get(&metric).cloned().unwrap_or_default();
        let before: BTreeSet<i64> = view.head.versions().into_iter().chain(uncertain).collect();
        next.stale = before.difference(&next.versions()).copied().collect();
        add_copy(&mut bytes, &next, found.generation + 1);
        // A storage that gave no answer may have the bundle all the same: the next commit removes it.
        let put = self.storage.put(&[(bundle(metric, version), Some(bytes.clone()))]);
        put.and_then(|()| self.storage.sync()).inspect_err(|_| {
            held.done().uncertain.entry(metric).or_default().push(version);
        })?;
        let committed = self.index.commit(held.lease, metric, found.generation, &next.encode(), next.bytes());
        match committed {
            Ok(true) => {}
            Ok(false) => {
                self.storage.put(&[(bundle(metric, version), None)])?;
                return Ok(Outcome::Lost);
            }
            // It may have been committed, or still be: only a later commit tells that it never will.
            Err(error) => {
                held.done().uncertain.entry(metric).or_default().push(version);
                return Err(error);
            }
        }
        self.cache.put(metric, version, Arc::new(bytes));
        self.incoming.remove(sack, metric, &next.applied)?;
        self.drop_bundles(metric, &next.stale)?;
        let mut done = held.done();
        if done.generations.len() >= KNOWN {
            done.generations.clear();
        }
        done.generations.insert(metric, found.generation + 1);
        done.uncertain.remove(&metric);
        Ok(if next.applied.len() == ENTRIES { Outcome::More } else { Outcome::Done })
    }

    /// Deletes the bundles that a worker before this one has put and not committed. With its fence, it never will.
    fn drop_uncommitted(&self, held: &Held, metric: Uuid, head: &Head) -> Result<(), Error> {
        let used = head.versions();
        let mut older = self.storage.stretches(metric, BUNDLE, 0..=(held.lease.fence << 32) - 1)?;
        older.retain(|version| !used.contains(version));
        self.drop_bundles(metric, &older)
    }

    pub(crate) fn drop_bundles(&self, metric: Uuid, versions: &[i64]) -> Result<(), Error> {
        let changes: Vec<(Key, Option<Vec<u8>>)> =
            versions.iter().map(|version| (bundle(metric, *version), None)).collect();
        versions.iter().for_each(|version| self.cache.remove(metric, *version));
        if changes.is_empty() { Ok(()) } else { self.storage.put(&changes) }
    }

    /// Packs what changed into a bundle, with the rest of bundles of which little is used, and returns it with the new head.
    pub(super) fn pack(
        &self,
        view: &View,
        changes: Vec<(Key, Option<Vec<u8>>)>,
        version: i64,
    ) -> Result<(Vec<u8>, Head), Error> {
        let mut head = Head { places: view.head.places.clone(), ..Head::default() };
        let mut bytes = Vec::new();
        let mut add = |head: &mut Head, key: (i64, i64), object: &[u8]| {
            let place = Place { version, offset: bytes.len() as u32, length: object.len() as u32 };
            bytes.extend_from_slice(object);
            head.places.insert(key, place);
        };
        for (key, object) in changes {
            let key = (key.granularity, key.stretch);
            match object {
                Some(object) => add(&mut head, key, &object),
                None => drop(head.places.remove(&key)),
            }
        }
        let mut used: BTreeMap<i64, u64> = BTreeMap::new();
        for place in head.places.values().filter(|place| place.version != version) {
            *used.entry(place.version).or_default() += u64::from(place.length);
        }
        let mut smallest: Vec<(u64, i64)> = used.iter().map(|(version, bytes)| (*bytes, *version)).collect();
        smallest.sort_unstable();
        smallest.truncate((smallest.len() + 1).saturating_sub(BUNDLES));
        let moved: HashSet<i64> = smallest.into_iter().map(|(_, version)| version).collect();
        let places: Vec<((i64, i64), Place)> = head.places.iter().map(|(key, place)| (*key, *place)).collect();
        for (key, _) in places.into_iter().filter(|(_, place)| moved.contains(&place.version)) {
            let named = Key { metric: view.metric, granularity: key.0, stretch: key.1 };
            match view.get(&named) {
                Ok(Some(object)) => add(&mut head, key, &object),
                // A damaged object stays where it is: it stops nothing but itself.
                Ok(None) | Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((bytes, head))
    }

    /// Returns the state of a metric with everything that was acknowledged before the call, and what is stored of it.
    ///
    /// The entries are read before the head: what is not among them was removed, and so is in the head's aggregates. What is among them and
    /// not named by the head waits, unless two rounds went by meanwhile; then it has been removed, which the last look tells.
    pub fn read(&self, metric: Uuid, policy: &Policy) -> Result<(MetricState, Arc<View>), Error> {
        let sack = sack_of(metric, self.sacks);
        for _ in 0..TRIES {
            let mut entries = self.incoming.pending(sack, metric, usize::MAX)?;
            let head = Head::decode(&self.index.found(metric)?.head)?;
            let applied: HashSet<i64> = head.applied.iter().copied().collect();
            entries.retain(|entry| !applied.contains(&entry.id));
            if !entries.is_empty() {
                let still = self.incoming.pending(sack, metric, usize::MAX)?;
                let still: HashSet<i64> = still.iter().map(|entry| entry.id).collect();
                if !entries.iter().all(|entry| still.contains(&entry.id)) {
                    continue;
                }
            }
            let view = View::new(metric, head, Arc::clone(&self.storage), Arc::clone(&self.cache));
            let mut state = MetricState::default();
            // All bundles have been read before the answer is made from them.
            for version in view.head.versions() {
                view.hold(version)?;
            }
            // Where one is not there, the head is old; where the head is the newest, it is damage.
            if view.has_missed() && Head::decode(&self.index.found(metric)?.head)?.versions() != view.head.versions() {
                continue;
            }
            state.settle(metric, policy, &view)?;
            let from = state.window.as_ref().map_or(0, |window| window.applied);
            state.pending.extend(numbered(from, entries.into_iter().map(|entry| entry.points)));
            state.settle(metric, policy, &view)?;
            return Ok((state, Arc::new(view)));
        }
        Err(Error::Busy(format!("metric {metric} is changing faster than it can be read")))
    }
}

/// Tries to read a metric while workers replace its aggregates.
const TRIES: usize = 50;

/// Numbers batches for a window, which skips what is not behind the last one that it has.
fn numbered(applied: u64, batches: impl Iterator<Item = Vec<Point>>) -> impl Iterator<Item = (u64, Vec<Point>)> {
    (applied + 1..).zip(batches)
}
