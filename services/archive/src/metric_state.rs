//! One metric in memory: what waits to be applied to its window, and how the window becomes stored aggregates.

use crate::aggregate::Rows;
use crate::object::{Stretch, decode_window, encode, encode_window};
use crate::policy::{Definition, Policy};
use crate::storage::{Key, Storage};
use crate::window::Window;
use crate::{Error, Method, Nanos, Point};
use std::collections::VecDeque;
use uuid::Uuid;

/// The account of a metric: what became of its measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Measures that are in the aggregates, or replaced one that was.
    pub accepted: u64,
    /// Measures that came too late for the back window of the policy.
    pub too_late: u64,
    /// The latest measure.
    pub last: Option<Nanos>,
}

impl Window {
    /// Returns what became of the measures.
    pub fn account(&self) -> Account {
        Account { accepted: self.accepted, too_late: self.too_late, last: self.last }
    }
}

#[derive(Default)]
pub(crate) struct MetricState {
    /// Read from the storage when it is needed first.
    pub window: Option<Window>,
    /// Batches that are acknowledged and not applied, in order.
    pub pending: VecDeque<(u64, Vec<Point>)>,
}

/// Objects that are put, or deleted.
pub(crate) type Changes = Vec<(Key, Option<Vec<u8>>)>;

/// Bytes of a metric in memory beside its points, with the room that the tables leave free.
const METRIC: usize = size_of::<(Uuid, MetricState)>() * 3 / 2;
/// Bytes of a batch beside its points.
const BATCH: usize = size_of::<(u64, Vec<Point>)>() + 16;

/// The window of a metric.
pub(crate) fn window_key(metric: Uuid) -> Key {
    Key { metric, granularity: 0, stretch: 0 }
}

impl MetricState {
    /// Applies what waits. The window is read when it is not here.
    pub fn settle(&mut self, metric: Uuid, policy: &Policy, storage: &dyn Storage) -> Result<&mut Window, Error> {
        let window = match self.window.take() {
            Some(window) => window,
            None => load(metric, policy, storage)?,
        };
        let window = self.window.insert(window);
        // The queue goes with its room: few of very many metrics have something that waits.
        for (sequence, points) in std::mem::take(&mut self.pending) {
            window.apply(sequence, points, policy);
        }
        Ok(window)
    }

    /// Stores what changed.
    pub fn flush(&mut self, metric: Uuid, policy: &Policy, storage: &dyn Storage) -> Result<(), Error> {
        let mut changes = Changes::new();
        if let Some(settled) = self.changes(metric, policy, storage, &mut changes)? {
            storage.put(&changes)?;
            self.window = Some(settled);
        }
        Ok(())
    }

    /// Adds what is to be stored: the aggregates first, the window behind them, so that a batch is applied again unless all of it is stored.
    /// Returns the window as it is when that is done; none where nothing changed.
    pub fn changes(
        &mut self,
        metric: Uuid,
        policy: &Policy,
        storage: &dyn Storage,
        changes: &mut Changes,
    ) -> Result<Option<Window>, Error> {
        let window = self.settle(metric, policy, storage)?;
        if !window.touched {
            return Ok(None);
        }
        let methods = policy.methods();
        for definition in policy.definitions() {
            let rows = window.changed(definition, &methods, 0);
            store(metric, definition, &methods, rows, window.last.unwrap_or(0), storage, changes)?;
        }
        let settled = window.settled(policy);
        changes.push((window_key(metric), Some(encode_window(&settled))));
        Ok(Some(settled))
    }

    /// Returns `true` when everything is stored as it is.
    pub fn is_stored(&self) -> bool {
        self.pending.is_empty() && self.window.as_ref().is_none_or(|window| !window.touched)
    }

    /// Returns the measures that wait, and about how many bytes of memory all of it takes.
    pub fn load(&self) -> (u64, u64) {
        let (mut waiting, mut bytes) = (0, METRIC + self.window.as_ref().map_or(0, Window::memory));
        for (_, points) in &self.pending {
            let (measures, memory) = MetricState::load_of(points);
            (waiting, bytes) = (waiting + measures, bytes + memory as usize);
        }
        (waiting, bytes as u64)
    }

    /// Returns the measures of a batch that waits, and about how many bytes of memory it takes.
    pub fn load_of(points: &[Point]) -> (u64, u64) {
        (points.len() as u64, (BATCH + size_of_val(points)) as u64)
    }
}

/// Reads the window of a metric. Where it is damaged, or not there beside aggregates, it begins behind everything that is stored, so that no bucket that lost its raw
/// points is written again from a few.
fn load(metric: Uuid, policy: &Policy, storage: &dyn Storage) -> Result<Window, Error> {
    let reason =
        match storage.get(&window_key(metric)).and_then(|bytes| bytes.map(|bytes| decode_window(&bytes)).transpose()) {
            Ok(Some(window)) => return Ok(window),
            // A metric without a measure has neither raw points nor aggregates.
            Ok(None) => "they are not there".to_owned(),
            Err(Error::Damaged(reason)) => reason,
            Err(error) => return Err(error),
        };
    let mut window = Window::default();
    for definition in policy.definitions() {
        let stretches = storage.stretches(metric, definition.granularity, i64::MIN..=i64::MAX)?;
        if let Some(last) = stretches.last() {
            let rows = read(metric, definition, *last, storage, &[])?;
            let end = rows.buckets.last().map_or(0, |bucket| (bucket + 1) * definition.granularity);
            window.complete_from = window.complete_from.max(end);
            window.last = Some(window.last.unwrap_or(0).max(end - 1));
        }
    }
    if window.last.is_none() {
        return Ok(window);
    }
    tracing::warn!(%metric, reason, "the raw points of a metric are damaged: its stored aggregates stay, points before their end are refused");
    Ok(window)
}

/// Reads the rows of a stretch; where it is damaged or not there, none.
pub(crate) fn read(
    metric: Uuid,
    definition: &Definition,
    stretch: i64,
    storage: &dyn Storage,
    methods: &[Method],
) -> Result<Rows, Error> {
    let key = Key { metric, granularity: definition.granularity, stretch };
    let object = storage.get(&key);
    let rows = object.and_then(|bytes| match bytes {
        Some(bytes) => {
            Stretch::read(&bytes, first_bucket(definition, stretch)).and_then(|stretch| stretch.rows(methods))
        }
        None => Ok(Rows::with_columns(methods.len())),
    });
    match rows {
        Err(Error::Damaged(reason)) => {
            tracing::warn!(%metric, granularity = definition.granularity, stretch, reason, "a stretch of aggregates is damaged and left out");
            Ok(Rows::with_columns(methods.len()))
        }
        other => other,
    }
}

fn first_bucket(definition: &Definition, stretch: i64) -> i64 {
    stretch.saturating_mul(definition.stretch as i64)
}

/// Adds the objects that changed to the changes, and the deletion of those that are too old.
pub(crate) fn store(
    metric: Uuid,
    definition: &Definition,
    methods: &[Method],
    mut rows: Rows,
    last: Nanos,
    storage: &dyn Storage,
    changes: &mut Vec<(Key, Option<Vec<u8>>)>,
) -> Result<(), Error> {
    let size = definition.stretch as i64;
    let oldest = definition.oldest_bucket(last);
    let mut from = 0;
    while from < rows.buckets.len() {
        let stretch = rows.buckets[from].div_euclid(size);
        let to = from + rows.buckets[from..].partition_point(|bucket| bucket.div_euclid(size) == stretch);
        // Mostly all of them are of one stretch.
        let part = if (from, to) == (0, rows.buckets.len()) {
            std::mem::take(&mut rows)
        } else {
            Rows {
                buckets: rows.buckets[from..to].to_vec(),
                columns: rows.columns.iter().map(|column| column[from..to].to_vec()).collect(),
            }
        };
        let before = read(metric, definition, stretch, storage, methods)?;
        let mut merged = before.overlay(part);
        let cut = merged.buckets.partition_point(|bucket| *bucket < oldest);
        merged.buckets.drain(..cut);
        merged.columns.iter_mut().for_each(|column| drop(column.drain(..cut)));
        let key = Key { metric, granularity: definition.granularity, stretch };
        changes.push((key, Some(encode(&merged, methods, first_bucket(definition, stretch)))));
        from = to;
    }
    for stretch in storage.stretches(metric, definition.granularity, i64::MIN..=oldest.div_euclid(size) - 1)? {
        changes.push((Key { metric, granularity: definition.granularity, stretch }, None));
    }
    Ok(())
}
