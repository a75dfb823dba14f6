//! Files that are copied so that they outlive the machine's end, and files that are read with a bound.

use crate::Error;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Reads a file whole that has at most this many bytes. A pipe would be waited for, and a device may have no end: neither is opened. As
/// `ferrometer_export::read_regular`, which brings the core along.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for what is no file, or longer; those of the system.
pub(crate) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let refused = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{} {why}", path.display()));
    let is_file = |found: Metadata| if found.is_file() { Ok(()) } else { Err(refused("is no file".into())) };
    is_file(std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    // Somebody may have put something else there meanwhile.
    is_file(file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
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
