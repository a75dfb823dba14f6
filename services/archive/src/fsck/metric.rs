//! One metric: its window of raw points and its stretches of aggregates, read, judged and mended, wherever they are kept.

use super::{Remedy, Report};
use crate::aggregate::{Rows, rows};
use crate::metric_state::{MetricState, window_key};
use crate::object::{Stretch, decode_window, encode, encode_window};
use crate::policy::{Definition, Policy};
use crate::storage::{Key, Storage};
use crate::window::Window;
use crate::{Error, Kind, Method, Nanos};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Result of an examination of a metric.
#[derive(Default)]
pub(super) struct Examined {
    /// Number of the last batch that its stored window has.
    pub applied: u64,
    /// Something has to be written again.
    pub needs_mending: bool,
}

/// Reads everything of a metric, and adds what is wrong to the report.
///
/// # Errors
/// Those of the storage, damage excepted.
pub(super) fn examine(
    metric: Uuid,
    policy: &Policy,
    storage: &dyn Storage,
    report: &mut Report,
) -> Result<Examined, Error> {
    let mut examined = Examined::default();
    let mut is_empty = true;
    let window = readable_window(metric, storage)?;
    report.objects += u64::from(!matches!(window, Ok(None)));
    let whole = window.as_ref().ok().and_then(Option::as_ref);
    let methods = policy.methods();
    for definition in policy.definitions() {
        let told = whole.map_or_else(|| Rows::with_columns(methods.len()), |window| told(window, policy, definition));
        for stretch in stretches(metric, definition, &told, storage)? {
            let read = readable_stretch(metric, definition, stretch, &methods, storage)?;
            let reason = match &read {
                Ok(Some(rows)) => {
                    is_empty = false;
                    report.objects += 1;
                    if !lacks(rows, &of_stretch(&told, definition, stretch)) {
                        continue;
                    }
                    "it is not what the raw points tell".to_owned()
                }
                Ok(None) => "it is not there, and the raw points tell of it".to_owned(),
                Err(reason) => {
                    is_empty = false;
                    reason.clone()
                }
            };
            let (first, _) = buckets(definition, stretch);
            let is_told = whole.is_some_and(|window| first >= window.first_complete(definition.granularity));
            let remedy = if read.is_ok() || is_told { Remedy::Possible } else { Remedy::InPart };
            let place = format!("granularity {}, stretch {stretch}", definition.granularity as f64 / 1e9);
            report.add(Some(metric), place, reason, remedy);
            examined.needs_mending = true;
        }
    }
    match window {
        Ok(Some(window)) => examined.applied = window.applied,
        Ok(None) if is_empty => {}
        Ok(None) => {
            report.add(Some(metric), "raw points", "there are none, and aggregates are there", Remedy::InPart);
            examined.needs_mending = true;
        }
        Err(reason) => {
            report.add(Some(metric), "raw points", reason, Remedy::InPart);
            examined.needs_mending = true;
        }
    }
    Ok(examined)
}

/// Returns the rows of which the window has all points, and that are not too old to be kept.
fn told(window: &Window, policy: &Policy, definition: &Definition) -> Rows {
    let Some(last) = window.last else { return Rows::with_columns(policy.methods().len()) };
    // The first difference needs the point before it, which a window that was started over has not.
    let first = window.first_complete(definition.granularity) + i64::from(policy.has_rate());
    rows(&window.points, definition.granularity, &policy.methods(), first.max(definition.oldest_bucket(last)))
}

/// Returns the first bucket of a stretch, and the one behind its last.
fn buckets(definition: &Definition, stretch: i64) -> (i64, i64) {
    let size = definition.stretch as i64;
    (stretch.saturating_mul(size), stretch.saturating_add(1).saturating_mul(size))
}

/// Returns the rows of one stretch.
fn of_stretch(rows: &Rows, definition: &Definition, stretch: i64) -> Rows {
    let (first, end) = buckets(definition, stretch);
    let from = rows.buckets.partition_point(|bucket| *bucket < first);
    let to = rows.buckets.partition_point(|bucket| *bucket < end);
    let columns = rows.columns.iter().map(|column| column[from..to].to_vec()).collect();
    Rows { buckets: rows.buckets[from..to].to_vec(), columns }
}

/// Returns the stretches that are stored, and those that rows belong to.
fn stretches(
    metric: Uuid,
    definition: &Definition,
    told: &Rows,
    storage: &dyn Storage,
) -> Result<BTreeSet<i64>, Error> {
    let stored = storage.stretches(metric, definition.granularity, i64::MIN..=i64::MAX)?;
    let size = definition.stretch as i64;
    Ok(stored.into_iter().chain(told.buckets.iter().map(|bucket| bucket.div_euclid(size))).collect())
}

/// Returns true when a row that is told is not stored so, to the bit.
fn lacks(stored: &Rows, told: &Rows) -> bool {
    told.buckets.iter().enumerate().any(|(row, bucket)| match stored.buckets.binary_search(bucket) {
        Ok(at) => {
            let bits = |value: Option<f64>| value.map(f64::to_bits);
            stored.columns.iter().zip(&told.columns).any(|(stored, told)| bits(stored[at]) != bits(told[row]))
        }
        Err(_) => true,
    })
}

/// Returns the window, or the reason why it cannot be read.
fn readable_window(metric: Uuid, storage: &dyn Storage) -> Result<Result<Option<Window>, String>, Error> {
    match storage.get(&window_key(metric)).and_then(|bytes| bytes.map(|bytes| decode_window(&bytes)).transpose()) {
        Ok(window) => Ok(Ok(window)),
        Err(Error::Damaged(reason)) => Ok(Err(reason)),
        Err(error) => Err(error),
    }
}

/// Returns the rows of a stretch, none where there is no object, or the reason why they cannot be read.
fn readable_stretch(
    metric: Uuid,
    definition: &Definition,
    stretch: i64,
    methods: &[Method],
    storage: &dyn Storage,
) -> Result<Result<Option<Rows>, String>, Error> {
    let (first, end) = buckets(definition, stretch);
    let key = Key { metric, granularity: definition.granularity, stretch };
    let read = storage.get(&key).and_then(|bytes| {
        bytes.map(|bytes| Stretch::read(&bytes, first).and_then(|stretch| stretch.rows(methods))).transpose()
    });
    match read {
        Ok(None) => Ok(Ok(None)),
        Ok(Some(rows)) => {
            let ascend = rows.buckets.windows(2).all(|pair| pair[0] < pair[1]);
            let inside = rows.buckets.iter().all(|bucket| (first..end).contains(bucket));
            Ok(if ascend && inside { Ok(Some(rows)) } else { Err("its buckets are not those of its stretch".into()) })
        }
        Err(Error::Damaged(reason)) => Ok(Err(reason)),
        Err(error) => Err(error),
    }
}

/// Writes again what is damaged of a metric: the raw points tell their part of a stretch, and start over where they are unreadable.
///
/// # Errors
/// Those of the storage.
pub(super) fn mend(metric: Uuid, policy: &Policy, state: &mut MetricState, storage: &dyn Storage) -> Result<(), Error> {
    let had_window = matches!(readable_window(metric, storage)?, Ok(Some(_)));
    let methods = policy.methods();
    // Batches that wait change what the raw points tell.
    let before = state.settle(metric, policy, storage)?.clone();
    let mut counts = 0.0_f64;
    let mut mended = Vec::new();
    for definition in policy.definitions() {
        let told = told(&before, policy, definition);
        let mut count = 0.0;
        for stretch in stretches(metric, definition, &told, storage)? {
            let part = of_stretch(&told, definition, stretch);
            let (stored, is_damaged) = match readable_stretch(metric, definition, stretch, &methods, storage)? {
                Ok(rows) => (rows.unwrap_or_else(|| Rows::with_columns(methods.len())), false),
                Err(_) => (Rows::with_columns(methods.len()), true),
            };
            count += counted(&stored, &methods);
            if !is_damaged && !lacks(&stored, &part) {
                continue;
            }
            let rows = stored.overlay(part);
            let key = Key { metric, granularity: definition.granularity, stretch };
            let bytes = (!rows.buckets.is_empty()).then(|| encode(&rows, &methods, buckets(definition, stretch).0));
            mended.push((key, bytes));
        }
        counts = counts.max(count);
    }
    // The rows that changed since the window was stored are among those that the raw points tell.
    state.flush(metric, policy, storage)?;
    let window = state.settle(metric, policy, storage)?;
    if !had_window {
        // The account went with the raw points; the aggregates tell as much of it as they count.
        window.accepted = window.accepted.max(counts as u64);
        mended.push((window_key(metric), Some(encode_window(window))));
    }
    storage.put(&mended)
}

/// Returns how many points the rows count, where they do.
fn counted(rows: &Rows, methods: &[Method]) -> f64 {
    let column = methods.iter().position(|method| *method == Method::of(Kind::Count));
    column.map_or(0.0, |column| rows.columns[column].iter().flatten().sum())
}

/// Returns the policy whose aggregates the objects of a metric can be: it has their granularities and methods, and the last bucket of each
/// is the one of the latest point. Of several the smallest counts, then the first by name.
///
/// # Errors
/// Those of the storage, damage excepted.
pub(super) fn fitting_policy<'a>(
    metric: Uuid,
    policies: impl Iterator<Item = &'a Policy>,
    granularities: &BTreeSet<Nanos>,
    storage: &dyn Storage,
) -> Result<Option<&'a Policy>, Error> {
    let Ok(Some(Window { last: Some(last), .. })) = readable_window(metric, storage)? else { return Ok(None) };
    let mut fitting = Vec::new();
    'policies: for policy in policies {
        if granularities.is_empty() || granularities.iter().any(|found| policy.definition(*found).is_none()) {
            continue;
        }
        for definition in policy.definitions() {
            let stretches = storage.stretches(metric, definition.granularity, i64::MIN..=i64::MAX)?;
            let Some(newest) = stretches.last() else { continue 'policies };
            let key = Key { metric, granularity: definition.granularity, stretch: *newest };
            let first = newest.saturating_mul(definition.stretch as i64);
            let fits = match storage.get(&key) {
                Ok(Some(bytes)) => Stretch::read(&bytes, first).is_ok_and(|stretch| {
                    stretch.buckets.last() == Some(&last.div_euclid(definition.granularity))
                        && stretch.methods() == policy.methods()
                }),
                Ok(None) | Err(Error::Damaged(_)) => false,
                Err(error) => return Err(error),
            };
            if !fits {
                continue 'policies;
            }
        }
        fitting.push(policy);
    }
    Ok(fitting.into_iter().min_by_key(|policy| (policy.definitions().len(), policy.name.clone())))
}
