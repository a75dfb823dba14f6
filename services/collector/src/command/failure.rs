//! Why the command ends with a status that is not 0.

use std::io;

/// A failure, by the status that it ends with.
pub(super) enum Failure {
    /// Wrong arguments or files: 2.
    Usage(String),
    /// Usage that was not collected: 1.
    Work(String),
    /// An output that cannot be written: 1.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}
