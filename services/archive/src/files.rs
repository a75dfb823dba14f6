//! Files that are copied so that they outlive the machine's end, and files that are read with a bound.

use crate::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a file whole that has at most this many bytes. A pipe would be waited for, and a device may have no end: neither is opened.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for what is no file, or longer; those of the system.
pub(crate) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let refused = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{} {why}", path.display()));
    if !std::fs::metadata(path)?.is_file() {
        return Err(refused("is no file".into()));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(refused(format!("is longer than {most} bytes")));
    }
    Ok(bytes)
}

/// Copies a file, and syncs the copy.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::copy(from, to)?;
    File::open(to)?.sync_all()?;
    Ok(())
}
