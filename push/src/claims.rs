//! Names that are claimed by what identifies them in 128 bits, because a timer goes out under many.

use ferrometer_core::{Cause, Series};
use ferrometer_export::NameTable;
use std::hash::{BuildHasher, RandomState};

/// The names of one format under one configuration: a [`NameTable`] that keeps no text. The bits are made with keys of this process, so that no
/// input can make those of two names alike.
#[derive(Debug, Default)]
pub struct Claims {
    table: NameTable<(u64, u64)>,
    keys: (RandomState, RandomState),
}

impl Claims {
    /// Returns the decision for the instrument of a series; `None` before [`claim`](Self::claim).
    #[must_use]
    pub fn known(&self, series: &Series) -> Option<Result<(), Cause>> {
        self.table.known(series)
    }

    /// Claims all of `names` for an instrument, of which `series` was registered first. `shown` is the longest of them as it goes out,
    /// without what has a limit of its own.
    ///
    /// # Errors
    /// As for [`NameTable::claim`].
    pub fn claim<'n>(
        &mut self,
        series: &'static Series,
        shown: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<(), Cause> {
        let keys = &self.keys;
        let names = names.into_iter().map(|name| (keys.0.hash_one(name), keys.1.hash_one(name)));
        self.table.claim(series, shown, names)
    }
}
