//! The repair of heads: a lost one is made again from the bundles, and bundles that no head names are deleted.
//!
//! Both end in a commit under a fence of their own, so that they are right whatever workers do meanwhile. A bundle that was listed before
//! such a commit, and that no head names behind it, can never be committed: its round began with an older generation.

use super::head::{BUNDLE, Head, add_copy, bundle, copy_in};
use super::places::Lease;
use super::round::{Held, Places, sack_of};
use super::view::View;
use crate::storage::{Key, Storage};
use crate::{Error, Nanos};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

impl Places {
    /// Returns the newest head of which a bundle has a copy, and whose bundles are all there.
    ///
    /// # Errors
    /// Those of the places, damage excepted.
    pub fn head_in_bundles(&self, metric: Uuid, versions: &BTreeSet<i64>) -> Result<Option<Head>, Error> {
        let mut copies = Vec::new();
        let mut readable = BTreeSet::new();
        for version in versions {
            match self.storage.get(&bundle(metric, *version)) {
                Ok(Some(bytes)) => {
                    readable.insert(*version);
                    copies.extend(copy_in(&bytes));
                }
                Ok(None) | Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        copies.retain(|(_, head)| head.versions().is_subset(&readable));
        let Some(newest) = copies.iter().map(|(generation, _)| *generation).max() else { return Ok(None) };
        copies.retain(|(generation, _)| *generation == newest);
        // At most one of several was committed, and only entries of that one can have been removed.
        let waiting = self.incoming.pending(sack_of(metric, self.sacks), metric, usize::MAX)?;
        let waiting: BTreeSet<i64> = waiting.iter().map(|entry| entry.id).collect();
        let left = |head: &Head| head.applied.iter().filter(|id| waiting.contains(id)).count();
        Ok(copies.into_iter().map(|(_, head)| head).min_by_key(left))
    }

    /// Commits a head that was found in bundles, with all that it names in one new bundle, in the place of the one of this generation.
    /// Returns `false` when somebody else was quicker.
    ///
    /// # Errors
    /// Those of the places.
    pub fn commit_again(
        &self,
        metric: Uuid,
        generation: i64,
        head: Head,
        listed: &BTreeSet<i64>,
    ) -> Result<bool, Error> {
        let held = self.own_fence(metric)?;
        let Some(version) = held.version() else { return Ok(false) };
        let (applied, keys) = (head.applied.clone(), head.places.keys().copied().collect::<Vec<(Nanos, i64)>>());
        let view = View::new(metric, head, Arc::clone(&self.storage), Arc::clone(&self.cache));
        let mut changes: BTreeMap<Key, Option<Vec<u8>>> = BTreeMap::new();
        for (granularity, stretch) in keys {
            let key = Key { metric, granularity, stretch };
            changes.insert(key, view.get(&key)?);
        }
        let (mut bytes, mut next) = self.pack(&view, changes.into_iter().collect(), version)?;
        next.applied = applied;
        next.stale = listed.iter().copied().collect();
        add_copy(&mut bytes, &next, generation + 1);
        self.storage.put(&[(bundle(metric, version), Some(bytes))])?;
        if !self.index.commit(held.lease, metric, generation, &next.encode(), next.bytes())? {
            self.drop_bundles(metric, &[version])?;
            return Ok(false);
        }
        self.drop_bundles(metric, &next.stale)?;
        Ok(true)
    }

    /// Commits a head once more as it is, with its size counted again, and deletes the listed bundles that it does not name. Returns `false` when
    /// somebody else was quicker.
    ///
    /// # Errors
    /// Those of the places.
    pub fn drop_left_over(&self, metric: Uuid, listed: &BTreeSet<i64>) -> Result<bool, Error> {
        let held = self.own_fence(metric)?;
        let found = self.index.found(metric)?;
        let mut head = Head::decode(&found.head)?;
        let stale: BTreeSet<i64> = listed.difference(&head.versions()).copied().collect();
        head.stale = stale.iter().copied().chain(head.stale).collect::<BTreeSet<i64>>().into_iter().collect();
        if !self.index.commit(held.lease, metric, found.generation, &head.encode(), head.bytes())? {
            return Ok(false);
        }
        self.drop_bundles(metric, &head.stale)?;
        Ok(true)
    }

    /// Returns the versions of all bundles, by metric.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn bundles(&self) -> Result<BTreeMap<Uuid, BTreeSet<i64>>, Error> {
        let mut found: BTreeMap<Uuid, BTreeSet<i64>> = BTreeMap::new();
        self.storage.keys(&mut |key| {
            if key.granularity == BUNDLE {
                found.entry(key.metric).or_default().insert(key.stretch);
            }
        })?;
        Ok(found)
    }

    fn own_fence(&self, metric: Uuid) -> Result<Held, Error> {
        let lease = Lease { sack: sack_of(metric, self.sacks), fence: self.index.fence()?, taken_over: false };
        Ok(Held::new(lease))
    }
}
