//! Files that are copied so that they outlive the machine's end.

use crate::Error;
use std::fs::File;
use std::path::Path;

/// Copies a file, and syncs the copy.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::copy(from, to)?;
    File::open(to)?.sync_all()?;
    Ok(())
}
