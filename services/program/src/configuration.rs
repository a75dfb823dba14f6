//! The text of a configuration.

use crate::outcome::{Failure, Result};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// No configuration is longer, as the facade has it.
const LONGEST_CONFIGURATION: u64 = 1 << 20;

/// Reads a configuration. A named pipe is refused instead of waited for: a server that reads its file again must still hear that it is to end.
pub(crate) fn read(path: &Path) -> Result<String> {
    let cannot = |error: &dyn std::fmt::Display| Failure::file(path, error);
    let file = ferrometer_export::open_regular(path).map_err(|error| cannot(&error))?;
    let mut text = String::new();
    file.take(LONGEST_CONFIGURATION + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => cannot(&"is no text in UTF-8"),
        _ => cannot(&error),
    })?;
    if text.len() as u64 > LONGEST_CONFIGURATION {
        return Err(cannot(&"is longer than 1 MiB; a configuration is expected"));
    }
    Ok(text)
}
