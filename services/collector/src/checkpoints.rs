//! Checkpoints: up to where each scope was collected, and how long the output was then.

use std::collections::BTreeMap;
use std::io;

/// A memory of checkpoints that lasts over restarts and crashes.
pub trait Checkpoints {
    /// Returns the begin of a scope's next period, if the scope was ever collected.
    fn next(&self, scope: &str) -> Option<i64>;

    /// Returns the begin of the next period of the scope that is furthest, if any scope was ever collected.
    fn furthest(&self) -> Option<i64>;

    /// Returns the committed length of an output, if it is known.
    fn output(&self, identity: &str) -> Option<u64>;

    /// Writes down, all or nothing, that scopes were collected up to the begin of these periods, and how long the output is with them.
    ///
    /// # Errors
    /// Whatever keeps it from lasting; the commit does not count then.
    fn commit(&mut self, output: Option<(&str, u64)>, next: BTreeMap<String, i64>) -> io::Result<()>;
}
