//! Families as the carrier has to know them: remote write 2.0 has the type, help and unit in each series.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
}

/// A family of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) kind: Type,
    pub(crate) help: String,
    pub(crate) unit: String,
}

/// Families by their number, which is the group of their pieces. The exporter writes them, the carrier reads them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Families(Arc<Mutex<Vec<Option<Meta>>>>);

impl Families {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Option<Meta>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a family is.
    pub(crate) fn set(&self, number: u32, meta: Meta) {
        let (at, mut all) = (number as usize, self.lock());
        if all.len() <= at {
            all.resize(at + 1, None);
        }
        all[at] = Some(meta);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }
}
