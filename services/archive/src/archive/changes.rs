//! Changes of what a metric has kept: a range of time is removed, or its policy becomes another one.

use super::{Archive, Range};
use crate::aggregate::{Rows, rows};
use crate::metric_state::{read, store, window_key};
use crate::object::{encode, encode_window};
use crate::policy::{Definition, Policy};
use crate::storage::{Key, Storage};
use crate::window::Window;
use crate::{Error, Method, Nanos};
use uuid::Uuid;

/// Account of a removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Raw points of the window.
    pub points: u64,
    /// Aggregates' buckets, over all granularities.
    pub buckets: u64,
    /// Buckets that the range covers in part, and whose raw points are gone: they stay as they are.
    pub kept: u64,
    /// From here on measures are accepted.
    pub accepted_from: Nanos,
}

/// Tells what became of the aggregates of a metric whose policy was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repolicied {
    /// Granularities whose aggregates stay.
    pub kept: Vec<Nanos>,
    /// Granularities that are new: their aggregates begin where the raw points do.
    pub added: Vec<Nanos>,
    /// Granularities that are gone with their aggregates.
    pub removed: Vec<Nanos>,
    /// Methods that are new: of the granularities that stay, they begin where the raw points do.
    pub added_methods: Vec<Method>,
    /// Methods that are gone.
    pub removed_methods: Vec<Method>,
    /// Where the raw points begin; none where no measure has come.
    pub points_from: Option<Nanos>,
}

type Changes = Vec<(Key, Option<Vec<u8>>)>;

/// One definition while a range is removed.
struct Removal<'a> {
    metric: Uuid,
    storage: &'a dyn Storage,
    methods: &'a [Method],
    /// The range, without an open end.
    start: Nanos,
    stop: Nanos,
    /// The earliest point that changed since the window was stored: what it changes is stored along with the removal.
    changed_from: Nanos,
}

impl Removal<'_> {
    /// Adds the changes of one definition; returns the end of its last bucket that is left.
    fn definition(
        &self,
        definition: &Definition,
        after: &Window,
        changes: &mut Changes,
        removed: &mut Removed,
    ) -> Result<Option<Nanos>, Error> {
        let (granularity, size) = (definition.granularity, definition.stretch as i64);
        let first = self.start.min(self.changed_from).div_euclid(granularity);
        let complete = after.first_complete(granularity);
        let fresh = rows(&after.points, granularity, self.methods, complete.max(first));
        let mut end = None;
        let mut stretches = self.storage.stretches(self.metric, granularity, i64::MIN..=i64::MAX)?;
        stretches.extend(fresh.buckets.iter().map(|bucket| bucket.div_euclid(size)));
        stretches.sort_unstable();
        stretches.dedup();
        for stretch in stretches {
            let before = read(self.metric, definition, stretch, self.storage, self.methods)?;
            if (stretch + 1).saturating_mul(size) <= first {
                end = before.buckets.last().copied().or(end);
                continue;
            }
            let (mut keep, mut gone) = (Vec::with_capacity(before.buckets.len()), 0);
            for bucket in &before.buckets {
                let (from, to) = (bucket.saturating_mul(granularity), (bucket + 1).saturating_mul(granularity));
                let apart = to <= self.start || from >= self.stop;
                let stays = if *bucket < first || (*bucket < complete && apart) {
                    true
                } else if *bucket >= complete {
                    fresh.buckets.binary_search(bucket).is_ok()
                } else {
                    let inside = from >= self.start && to <= self.stop;
                    removed.kept += u64::from(!inside);
                    !inside
                };
                gone += u64::from(!stays);
                keep.push(stays);
            }
            removed.buckets += gone;
            let part = within(&fresh, stretch.saturating_mul(size), (stretch + 1).saturating_mul(size));
            let merged = filtered(&before, &keep).overlay(part);
            end = merged.buckets.last().copied().or(end);
            if merged == before {
                continue;
            }
            let key = Key { metric: self.metric, granularity, stretch };
            let bytes =
                (!merged.buckets.is_empty()).then(|| encode(&merged, self.methods, stretch.saturating_mul(size)));
            changes.push((key, bytes));
        }
        Ok(end.map(|bucket| (bucket + 1).saturating_mul(granularity)))
    }
}

/// Returns the rows that are kept.
fn filtered(rows: &Rows, keep: &[bool]) -> Rows {
    fn of<T: Copy>(list: &[T], keep: &[bool]) -> Vec<T> {
        list.iter().zip(keep).filter(|(_, keep)| **keep).map(|(item, _)| *item).collect()
    }
    Rows { buckets: of(&rows.buckets, keep), columns: rows.columns.iter().map(|column| of(column, keep)).collect() }
}

/// Returns the rows from one bucket up to another.
fn within(rows: &Rows, from: i64, to: i64) -> Rows {
    let range =
        rows.buckets.partition_point(|bucket| *bucket < from)..rows.buckets.partition_point(|bucket| *bucket < to);
    let columns = rows.columns.iter().map(|column| column[range.clone()].to_vec()).collect();
    Rows { buckets: rows.buckets[range].to_vec(), columns }
}

impl Archive {
    /// Removes the measures of a range of time, the start in and the stop out, and opens the window again as far as what is left allows: after a
    /// measure of a wrong clock was removed, those of the right one are accepted. Buckets that the range covers whole are removed; those that it covers in
    /// part are computed again where their raw points are there, and else stay.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`], [`Error::Io`].
    pub fn remove_measures(&self, metric: Uuid, range: Range) -> Result<Removed, Error> {
        let policy = self.catalog.policy_of(metric)?.ok_or_else(|| Error::NoSuchMetric(metric.to_string()))?;
        let (start, stop) = (range.start.unwrap_or(0).max(0), range.stop.unwrap_or(Nanos::MAX));
        let mut done = Removed::default();
        self.engine.change(metric, &policy, &mut |state, storage| {
            let window = state.settle(metric, &policy, storage)?;
            let mut removed = Removed { accepted_from: accepted_from(window, &policy), ..Removed::default() };
            if start >= stop {
                done = removed;
                return Ok(());
            }
            let mut after = window.clone();
            after.points.retain(|point| point.at < start || point.at >= stop);
            removed.points = (window.points.len() - after.points.len()) as u64;
            let methods = policy.methods();
            let changed_from = window.changed_from.unwrap_or(Nanos::MAX);
            let removal = Removal { metric, storage, methods: &methods, start, stop, changed_from };
            let (mut changes, mut ends) = (Changes::new(), Vec::new());
            for definition in policy.definitions() {
                ends.extend(removal.definition(definition, &after, &mut changes, &mut removed)?);
            }
            match after.points.last().filter(|point| point.at >= after.complete_from) {
                Some(last) => after.last = Some(last.at),
                None => {
                    // Behind everything that is left nothing was lost.
                    after.complete_from = after.complete_from.min(ends.iter().copied().max().unwrap_or(0));
                    after.last = ends.iter().copied().min().map(|end| end - 1);
                }
            }
            after = after.settled(&policy);
            removed.accepted_from = accepted_from(&after, &policy);
            changes.push((window_key(metric), Some(encode_window(&after))));
            storage.put(&changes)?;
            *window = after;
            done = removed;
            Ok(())
        })?;
        Ok(done)
    }

    /// Gives a metric another policy. Aggregates of granularities and methods that both policies have stay; what is new is computed from the raw
    /// points that are there, and what the new policy has not is removed.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`], [`Error::NoSuchPolicy`]; [`Error::PolicyChange`] where a granularity of both is stored in objects of different sizes;
    /// [`Error::Io`].
    pub fn change_metric_policy(&self, metric: Uuid, name: &str) -> Result<Repolicied, Error> {
        let old = self.catalog.policy_of(metric)?.ok_or_else(|| Error::NoSuchMetric(metric.to_string()))?;
        let new = self.policy(name)?;
        for definition in new.definitions() {
            let before = old.definition(definition.granularity).filter(|before| before.stretch != definition.stretch);
            if let Some(before) = before {
                let seconds = definition.granularity as f64 / 1e9;
                let reason = format!(
                    "the granularity {seconds:?} of {name} is stored {} buckets at a time, and here {}",
                    definition.stretch, before.stretch
                );
                return Err(Error::PolicyChange(old.name.clone(), reason));
            }
        }
        let mut outcome = Repolicied::default();
        self.engine.change(metric, &old, &mut |state, storage| {
            state.flush(metric, &old, storage)?;
            // First: what is stored under the old policy can be read under the new one.
            self.catalog.index.set_metric_policy(metric, name)?;
            self.catalog.know_policy(metric, name);
            let window = state.settle(metric, &new, storage)?;
            let (mut changes, mut done) = (Changes::new(), difference(&old, &new));
            done.points_from = window.last.map(|_| window.complete_from);
            for definition in new.definitions() {
                let is_kept = old.definition(definition.granularity).is_some();
                if is_kept && done.added_methods.is_empty() && done.removed_methods.is_empty() {
                    continue;
                }
                // Methods that stay are not computed from a part of their points; new ones have no others.
                let first = if is_kept {
                    window.first_complete(definition.granularity)
                } else {
                    window.complete_from.div_euclid(definition.granularity)
                };
                let fresh = rows(&window.points, definition.granularity, &new.methods(), first);
                store(metric, definition, &new.methods(), fresh, window.last.unwrap_or(0), storage, &mut changes)?;
            }
            for granularity in &done.removed {
                for stretch in storage.stretches(metric, *granularity, i64::MIN..=i64::MAX)? {
                    changes.push((Key { metric, granularity: *granularity, stretch }, None));
                }
            }
            let mut settled = window.clone();
            settled = settled.settled(&new);
            changes.push((window_key(metric), Some(encode_window(&settled))));
            storage.put(&changes)?;
            *window = settled;
            outcome = done;
            Ok(())
        })?;
        Ok(outcome)
    }
}

fn accepted_from(window: &Window, policy: &Policy) -> Nanos {
    window.last.map_or(0, |last| policy.accept_from(last).max(window.complete_from))
}

fn difference(old: &Policy, new: &Policy) -> Repolicied {
    let has = |policy: &Policy, definition: &Definition| policy.definition(definition.granularity).is_some();
    let only = |of: &Policy, other: &Policy, wanted: bool| -> Vec<Nanos> {
        of.definitions().iter().filter(|d| has(other, d) == wanted).map(|d| d.granularity).collect()
    };
    Repolicied {
        kept: only(new, old, true),
        added: only(new, old, false),
        removed: only(old, new, false),
        added_methods: new.methods().into_iter().filter(|method| !old.keeps(*method)).collect(),
        removed_methods: old.methods().into_iter().filter(|method| !new.keeps(*method)).collect(),
        points_from: None,
    }
}
