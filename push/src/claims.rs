//! Who owns which name: the first instrument that goes out under it.

use ferrometer_core::{Cause, NameTable, Series};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The names of one format under one configuration. An instrument may go out under several.
///
/// Names are kept as 128 bits each, with keys of this process, so that no input can make two of them alike.
#[derive(Debug, Default)]
pub struct Claims {
    owners: HashMap<(u64, u64), &'static Series>,
    table: NameTable,
    keys: (RandomState, RandomState),
}

impl Claims {
    /// What was decided for an instrument, of which `series` was registered first; `None` before.
    #[must_use]
    pub fn known(&self, series: &Series) -> Option<Result<(), Cause>> {
        self.table.known(series)
    }

    /// Claims all of `names` for an instrument, or none of them. `shown` is the longest of them as it goes out, without what has a limit of its own; a
    /// collision is reported once, naming both.
    ///
    /// # Errors
    /// Why the instrument cannot go out: the name is empty, longer than 512 bytes, or belongs to another.
    pub fn claim(&mut self, series: &'static Series, shown: &str, names: &[&str]) -> Result<(), Cause> {
        if let Some(known) = self.table.known(series) {
            return known;
        }
        let keys: Vec<(u64, u64)> =
            names.iter().map(|name| (self.keys.0.hash_one(name), self.keys.1.hash_one(name))).collect();
        let owner = keys.iter().find_map(|key| self.owners.get(key)).copied().unwrap_or(series);
        self.table.decide(series, shown, owner)?;
        self.owners.extend(keys.into_iter().map(|key| (key, owner)));
        Ok(())
    }
}
