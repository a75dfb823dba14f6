//! Output and checkpoints of the command: a file or a pipe, with a journal, with leases, or without either.

use super::failure::Failure;
use crate::checkpoints::Checkpoints;
use crate::collect::Collector;
use crate::config::Config;
use crate::error::clean;
use crate::journal::Journal;
#[cfg(feature = "leases")]
use crate::leases::Leases;
use crate::period::{due_until, month_start, now};
use crate::run::Task;
use crate::sink::{ArchiveSink, FileSink, Sink};
use crate::transport::Limits;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Output and checkpoints.
pub(super) struct Store {
    sink: Box<dyn Sink>,
    journal: Option<Journal>,
    #[cfg(feature = "leases")]
    pub leases: Option<Leases>,
}

impl Store {
    pub fn open(config: &Config, limits: Limits) -> Result<Store, Failure> {
        let options = &config.options;
        let named = |path: &Path, e: io::Error| Failure::Work(format!("{}: {e}", clean(&path.to_string_lossy())));
        // Checkpoints first: their lock keeps another processor of this name away from the output.
        let journal = match &options.state {
            Some(state) => {
                Some(Journal::open(state, &options.processor, &options.processors).map_err(|e| named(state, e))?)
            }
            None => None,
        };
        #[cfg(feature = "leases")]
        let leases = options.leases.as_ref().map(|address| {
            Leases::connect(address, options.leases_cafile.as_deref(), &options.processor, options.lease)
        });
        let sink: Box<dyn Sink> = match (&options.archive, options.output.as_deref()) {
            (Some(archive), None) => Box::new(ArchiveSink::open(archive, config, limits)?),
            (_, Some(path)) if path != Path::new("-") => {
                Box::new(FileSink::open(path, options.format).map_err(|e| named(path, e))?)
            }
            _ => Box::new(FileSink::stdout(options.format)),
        };
        Ok(Store {
            sink,
            journal,
            #[cfg(feature = "leases")]
            leases: leases.transpose()?,
        })
    }

    pub fn shares(&self) -> bool {
        #[cfg(feature = "leases")]
        return self.leases.is_some();
        #[cfg(not(feature = "leases"))]
        false
    }

    /// Returns the sink, and the checkpoints where there are any.
    pub fn checkpoints(&mut self) -> (&mut dyn Sink, Option<&mut dyn Checkpoints>) {
        #[cfg(feature = "leases")]
        if let Some(leases) = &mut self.leases {
            return (&mut *self.sink, Some(leases));
        }
        (&mut *self.sink, self.journal.as_mut().map(|j| j as &mut dyn Checkpoints))
    }

    /// Makes tasks of scopes: of a stretch of time, or of what is due since the checkpoint, or since the begin of the month.
    pub fn tasks(&mut self, collector: &Collector, scopes: Vec<String>, span: Option<(i64, i64)>) -> Vec<Task> {
        let (_, checkpoints) = self.checkpoints();
        let tasks = scopes.into_iter().map(|scope| {
            let known = checkpoints.as_ref().and_then(|c| c.next(&scope));
            let (from, to) = match span {
                Some((from, to)) => (known.map_or(from, |next| next.max(from)), to),
                None => {
                    let from = known.unwrap_or_else(|| month_start(now()));
                    (from, due(collector, from))
                }
            };
            Task { scope: Arc::from(scope), from, to }
        });
        tasks.collect()
    }
}

/// Returns the end of the last period that is due, of those that are counted from a moment.
pub(super) fn due(collector: &Collector, from: i64) -> i64 {
    due_until(from, collector.config().period, collector.config().wait_periods, now())
}
