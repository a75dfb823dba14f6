//! The text of a configuration.

use crate::outcome::{Failure, Result};
use ferrometer::config::LONGEST_FILE;
use std::path::Path;

/// Reads a configuration. A named pipe is refused instead of waited for: a server that reads its file again must still hear that it is to end.
pub(crate) fn read(path: &Path) -> Result<String> {
    let cannot = |error: &dyn std::fmt::Display| Failure::file(path, error);
    let bytes = ferrometer_export::read_regular(path, LONGEST_FILE).map_err(|error| cannot(&error))?;
    String::from_utf8(bytes).map_err(|_| cannot(&"is no text in UTF-8"))
}
