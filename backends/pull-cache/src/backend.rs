//! The backend: makes a generation of each snapshot, and says in the account what became of each series.

use crate::catalog::Catalog;
use crate::handle::{LeftOut, PullCacheHandle, Shared};
use crate::instruments::Instruments;
use crate::points::{self, Distributions, RecordNames};
use crate::prometheus::Families;
use crate::settings::Settings;
use crate::store::Place;
use ferrometer_core::{Backend, BackendError, Change, Delivery, Naming, SnapshotView, Total};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The writing end of a pull cache, to be [installed](ferrometer_core::install); see the [crate](crate) for an example.
///
/// It takes everything: apart from instruments whose name is refused, all that was recorded counts as sent once it
/// stands in a generation.
#[derive(Debug)]
pub struct PullCacheBackend {
    shared: Arc<Shared>,
    instruments: Instruments,
    names: RecordNames,
    families: Families,
    catalog: Catalog,
    /// Where the interval of the newest generation began.
    before: Distributions,
    /// Where it ended when it was first made: where the next interval begins.
    newest: Distributions,
}

impl PullCacheBackend {
    /// An empty cache. Quantiles of its first generation begin here, so make it when it is to be installed.
    #[must_use]
    pub fn new(settings: Settings) -> PullCacheBackend {
        PullCacheBackend {
            shared: Arc::new(Shared::new(settings)),
            instruments: Instruments::default(),
            names: RecordNames::default(),
            families: Families::default(),
            catalog: Catalog::default(),
            before: Distributions::default(),
            newest: Distributions::of(ferrometer_core::snapshot().totals()),
        }
    }

    /// The reading end.
    #[must_use]
    pub fn handle(&self) -> PullCacheHandle {
        PullCacheHandle { shared: Arc::clone(&self.shared) }
    }

    /// Makes a generation; returns how many bytes it takes.
    fn make(&mut self, time: SystemTime, totals: &[Total], naming: &Naming) -> usize {
        let second = whole_seconds(time);
        let place = self.shared.lock().store.place(second);
        let before = if place == Place::New { &self.newest } else { &self.before };
        self.instruments.update(totals);
        let mut made = Vec::new();
        for (at, instrument) in self.instruments.iter().filter(|(_, i)| points::has_value(i, totals)) {
            if let Ok(identities) = self.names.get(at, instrument, naming) {
                points::push(&mut made, identities, instrument, totals, before);
            }
        }
        made.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
        let exposition = Arc::new(self.families.exposition(&self.instruments, totals, naming));
        let catalog = self.catalog.update(&self.instruments, &self.names, naming);
        let left_out = LeftOut { records: self.names.count_refused(), prometheus: self.families.count_refused() };

        let mut kept = self.shared.lock();
        let (generation, old) = kept.store.push(second, made.into_boxed_slice());
        let old_exposition = std::mem::replace(&mut kept.exposition, exposition);
        kept.left_out = left_out;
        let old_catalog = std::mem::replace(&mut kept.catalog, catalog);
        drop(kept);
        drop((old, old_exposition, old_catalog));
        if place == Place::New {
            self.before = std::mem::replace(&mut self.newest, Distributions::of(totals));
        }
        generation.bytes()
    }

    /// Hands in what was not shown as dropped, and everything else as sent.
    fn account(&self, view: &SnapshotView<'_>) {
        if self.names.count_refused() > 0 {
            for delta in view.deltas() {
                let Some(cause) = self.instruments.of(delta.series).and_then(|at| self.names.refused(at)) else {
                    continue;
                };
                if let Change::Values { singles, merged, .. } = &delta.change {
                    singles.iter().for_each(|value| view.dropped(&delta.value_receipt(*value), cause));
                    for (bucket, count) in merged {
                        view.dropped(&delta.merged_receipt(*bucket, *count), cause);
                    }
                } else {
                    view.dropped(&delta.receipt(), cause);
                }
            }
        }
        view.all_sent();
    }
}

impl Backend for PullCacheBackend {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let snapshot = view.snapshot();
        let bytes = self.make(snapshot.time(), snapshot.totals(), view.naming());
        self.account(view);
        Ok(Delivery { packets: 1, bytes: bytes as u64 })
    }
}

/// Whole seconds since 1970, rounded down.
fn whole_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -seconds - i64::from(before.subsec_nanos() > 0)
        }
    }
}

#[cfg(test)]
mod tests;
