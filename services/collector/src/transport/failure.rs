//! An attempt that failed, and if a further one may succeed.

use super::error::AskError;
use std::time::Duration;

/// An attempt that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub error: AskError,
    /// A further attempt may succeed.
    pub may_pass: bool,
    /// Wait that the server asks for.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Returns a failure that further attempts would meet too.
    pub fn lasting(error: AskError) -> Failure {
        Failure { error, may_pass: false, retry_after: None }
    }
}
