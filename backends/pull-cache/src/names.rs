//! Who owns which name: the first instrument to be shown under it.
//!
//! A timer is shown under several names, so ownership is kept here; the core's [`NameTable`] checks the length, reports a
//! collision once naming both, and decides.

use ferrometer_core::{Cause, NameTable, Series};
use std::collections::HashMap;
use std::hash::Hash;

/// The names of one format. `N` is whatever must be unique in it.
#[derive(Debug)]
pub(crate) struct Claims<N> {
    owners: HashMap<N, &'static Series>,
    table: NameTable,
}

impl<N> Default for Claims<N> {
    fn default() -> Claims<N> {
        Claims { owners: HashMap::new(), table: NameTable::new() }
    }
}

impl<N: Eq + Hash> Claims<N> {
    /// Claims all of `names` for an instrument, of which `series` is an example, or none of them. To be
    /// called once for each. `longest` is the longest of the names as it is shown.
    pub(crate) fn claim(&mut self, series: &'static Series, longest: &str, names: Vec<N>) -> Result<(), Cause> {
        let owner = names.iter().find_map(|name| self.owners.get(name)).copied().unwrap_or(series);
        self.table.decide(series, longest, owner)?;
        self.owners.extend(names.into_iter().map(|name| (name, owner)));
        Ok(())
    }
}
