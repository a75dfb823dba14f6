//! The options that a conductor has for its agents: keys that begin with `agent_`, each beside the program's own.
//!
//! `agent_backend` is to a conductor's agents what `backend` is to itself. Every key of the tables has such a twin, in the same table.

use std::fmt;

use super::value::Value;

/// Before the name of a key, the mark of its twin.
pub(super) const PREFIX: &str = "agent_";

/// Values by the keys that agents will find them under, sorted.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct ForAgents(Vec<(&'static str, Value)>);

impl ForAgents {
    /// Takes a checked value, in place of an earlier one.
    pub(super) fn put(&mut self, path: &'static str, value: Value) {
        match self.position(path) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (path, value)),
        }
    }

    #[cfg_attr(not(feature = "config-file"), allow(dead_code))]
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.position(path).ok().map(|at| &self.0[at].1)
    }

    fn position(&self, path: &str) -> Result<usize, usize> {
        self.0.binary_search_by_key(&path, |(known, _)| known)
    }

    #[cfg_attr(not(any(feature = "lookup", feature = "config-file")), allow(dead_code))]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(path, value)| (*path, value))
    }
}

impl fmt::Debug for ForAgents {
    /// Values may be secrets, and are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(path, _)| path)).finish()
    }
}
