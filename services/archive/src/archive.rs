//! The engine: takes measures, and answers with aggregates.

mod catalog;
mod changes;
mod expiry;
#[cfg(test)]
mod full_disk;

pub use changes::{Removed, Repolicied};

use crate::aggregate::Rows;
use crate::catalog::Catalog;
use crate::directory_lock;
use crate::engine::{Engine, State};
use crate::incoming::{Batch, Incoming, Sink};
use crate::index::Index;
use crate::local::Local;
use crate::log::{Log, Sync};
use crate::metric_state::{Account, read};
use crate::options::Options;
use crate::packs::Packs;
use crate::policy::Definition;
use crate::shards::Shards;
use crate::shared::Shared;
use crate::sqlite::Sqlite;
use crate::storage::Storage;
use crate::{Error, Method, Nanos, Point};
use ferrometer_fork::FileLock;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// A range of time, the start in and the stop out; the start is brought down to the granularity that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first time stamp; `None` from the oldest on.
    pub start: Option<Nanos>,
    /// The time stamp that is not in any more.
    pub stop: Option<Nanos>,
}

/// An archive: measures in, aggregates out. Dropping it stores what changed.
pub struct Archive {
    catalog: Arc<Catalog>,
    engine: Box<dyn Engine>,
    /// Locked as long as the archive is open.
    _lock: Option<FileLock>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens the archive of a directory, which is made when it is not there. Batches that were acknowledged and not stored are applied.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process has it open; [`Error::Io`], [`Error::Index`].
    pub fn open(directory: &Path, options: Options) -> Result<Archive, Error> {
        std::fs::create_dir_all(directory)?;
        let lock = directory_lock::take(directory)?;
        let index = Arc::new(Sqlite::open(&directory.join("index.sqlite"), options.sync == Sync::Group)?);
        let storage = Arc::new(Packs::open(&directory.join("aggregates"), options.memory / 8)?);
        if storage.damaged() > 0 {
            tracing::warn!(
                places = storage.damaged(),
                "stored aggregates are unreadable in places; all others are there"
            );
        }
        let (sync, log_file) = (options.sync, options.log_file);
        let mut archive = Archive::with(
            index,
            storage,
            |sink| Log::open(&directory.join("incoming"), sync, log_file, sink).map(|log| Box::new(log) as _),
            options,
        )?;
        archive._lock = Some(lock);
        Ok(archive)
    }

    /// Opens an archive on other places than a directory's.
    ///
    /// # Errors
    /// Those of the places.
    pub fn with(
        index: Arc<dyn Index>,
        storage: Arc<dyn Storage>,
        incoming: impl FnOnce(Sink) -> Result<Box<dyn Incoming>, Error>,
        options: Options,
    ) -> Result<Archive, Error> {
        let shards = Arc::new(Shards::new(options.memory));
        let sink: Sink = {
            let shards = Arc::clone(&shards);
            Arc::new(move |sequence, batch| shards.deliver(sequence, batch))
        };
        let incoming = incoming(sink)?;
        let catalog = Arc::new(Catalog::open(index, options.default_policies, false, options.memory / 8)?);
        let shared = Shared::new(incoming, storage, Arc::clone(&catalog), shards, options);
        let replayed = shared.incoming.replay()?;
        if replayed.damaged > 0 {
            tracing::warn!(
                places = replayed.damaged,
                "the incoming log is unreadable in places; all other batches are there"
            );
        }
        Ok(Archive::of(catalog, Box::new(Local::start(shared)?)))
    }

    /// Returns the archive of an engine.
    pub(crate) fn of(catalog: Arc<Catalog>, engine: Box<dyn Engine>) -> Archive {
        Archive { catalog, engine, _lock: None }
    }

    /// Returns the parts that a repair works on.
    pub(crate) fn parts(&self) -> (&Arc<Catalog>, &dyn Engine) {
        (&self.catalog, &*self.engine)
    }

    /// Takes measures of several metrics, all or none. When it returns they are as safe as [`Options::sync`] asks, and every query
    /// sees them. Measures of a metric that does not exist are dropped.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that is not finite or a time stamp before 1970; [`Error::Busy`] when memory is full and does not
    /// empty; [`Error::Io`]. Then none of them is taken.
    pub fn append(&self, batch: Batch) -> Result<(), Error> {
        let mut count = 0;
        for (_, points) in &batch {
            count += points.len();
            if let Some(wrong) = points.iter().find(|point| !point.value.is_finite() || point.at < 0) {
                return Err(Error::Invalid(if wrong.at < 0 {
                    "Timestamp must be after Epoch".into()
                } else {
                    format!("the value {} at {} is no finite number", wrong.value, crate::time::timestamp(wrong.at))
                }));
            }
        }
        if count == 0 {
            return Ok(());
        }
        self.engine.append(batch)
    }

    /// Returns the aggregates of a method and granularity, in order of time. Measures that wait are applied first.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`]; [`Error::Invalid`] for a granularity or method that the policy has not.
    pub fn measures(
        &self,
        metric: Uuid,
        method: Method,
        granularity: Nanos,
        range: Range,
    ) -> Result<Vec<Point>, Error> {
        let policy = self.catalog.policy_of(metric)?.ok_or_else(|| Error::NoSuchMetric(metric.to_string()))?;
        let definition = policy.definition(granularity).filter(|_| policy.keeps(method)).ok_or_else(|| {
            let seconds = granularity as f64 / 1e9;
            Error::Invalid(format!(
                "Aggregation method '{method}' at granularity '{seconds:?}' for metric {metric} does not exist"
            ))
        })?;
        let methods = [method];
        let first = range.start.map_or(0, |start| start.max(0).div_euclid(granularity));
        let found = self.engine.newest(metric, &policy, definition, &methods, first)?;
        let Some(newest) = found else { return Ok(Vec::new()) };
        let first = first.max(definition.oldest_bucket(newest.last));
        let end = range.stop.unwrap_or(Nanos::MAX);
        let rows = stored(metric, definition, &methods, first..end, &*newest.storage)?.overlay(newest.rows);
        let points = rows.buckets.iter().zip(rows.columns.first().into_iter().flatten());
        let points = points.filter_map(|(bucket, value)| Some(Point { at: bucket * granularity, value: (*value)? }));
        Ok(points.filter(|point| point.at >= first * granularity && point.at < end).collect())
    }

    /// Returns the account of a metric.
    ///
    /// # Errors
    /// [`Error::NoSuchMetric`], [`Error::Io`].
    pub fn account(&self, metric: Uuid) -> Result<Account, Error> {
        let policy = self.catalog.policy_of(metric)?.ok_or_else(|| Error::NoSuchMetric(metric.to_string()))?;
        self.engine.account(metric, &policy)
    }

    /// Stores everything that changed, and shortens the log.
    ///
    /// # Errors
    /// [`Error::Io`]; then what was not stored is still in the log.
    pub fn store(&self) -> Result<(), Error> {
        self.engine.store()
    }

    /// Copies the archive into a new directory, while it goes on. What was acknowledged before the call is in the copy, and perhaps more.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a directory that is not empty, or an archive on servers; [`Error::Io`].
    pub fn backup(&self, directory: &Path) -> Result<(), Error> {
        self.engine.backup(directory)
    }

    /// Makes the directory of an archive out of a [`backup`](Archive::backup).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a backup that is not whole, or a directory that is not empty; [`Error::Io`].
    pub fn restore(backup: &Path, directory: &Path) -> Result<(), Error> {
        crate::backup::restore(backup, directory)
    }

    /// Returns how the archive is doing. An archive on servers sums up the heads of all metrics for it: who only wants to know what waits
    /// asks for the [`backlog`](Archive::backlog).
    ///
    /// # Errors
    /// [`Error::Away`] while a server that knows it is away; [`Error::Index`], [`Error::Io`].
    pub fn state(&self) -> Result<State, Error> {
        self.engine.state()
    }

    /// Returns how many metrics have measures that wait to be aggregated, and how many measures these are.
    ///
    /// # Errors
    /// Those of [`state`](Archive::state).
    ///
    /// ```
    /// use ferrometer_archive::{Archive, Options};
    ///
    /// let directory = std::env::temp_dir().join(format!("ferrometer-backlog-doc-{}", std::process::id()));
    /// let archive = Archive::open(&directory, Options::default())?;
    /// assert_eq!(archive.backlog()?, (0, 0));
    /// # drop(archive);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backlog(&self) -> Result<(u64, u64), Error> {
        self.engine.backlog()
    }

    /// Returns the metrics whose measures wait, and how many do. An archive on servers tells at most 10,000 of them.
    ///
    /// # Errors
    /// Those of [`state`](Archive::state).
    pub fn waiting(&self) -> Result<Vec<(Uuid, u64)>, Error> {
        self.engine.waiting()
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.engine.end();
    }
}

/// Reads the stored rows from a bucket to a time stamp.
fn stored(
    metric: Uuid,
    definition: &Definition,
    methods: &[Method],
    range: std::ops::Range<i64>,
    storage: &dyn Storage,
) -> Result<Rows, Error> {
    let size = definition.stretch as i64;
    let last = range.end.div_euclid(definition.granularity).div_euclid(size);
    let mut rows = Rows::with_columns(methods.len());
    for stretch in storage.stretches(metric, definition.granularity, range.start.div_euclid(size)..=last)? {
        let more = read(metric, definition, stretch, storage, methods)?;
        rows.buckets.extend(more.buckets);
        rows.columns.iter_mut().zip(more.columns).for_each(|(column, more)| column.extend(more));
    }
    Ok(rows)
}
