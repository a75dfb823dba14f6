//! A look at the files of a log that changes nothing, and the beginning of a new one.

use super::{encode, files, frame, name, record};
use crate::Error;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One file of a log.
pub(crate) struct LogFile {
    pub path: PathBuf,
    /// Number in its name.
    pub first: u64,
    /// Number of its last whole batch.
    pub last: Option<u64>,
    pub batches: u64,
    /// Places that are unreadable, with whole batches or files behind them.
    pub damaged: u64,
    /// Bytes behind the last whole batch of the last file.
    pub cut: u64,
}

/// Reads all files of a log, in order; a directory that is not there has none.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn look_at_log(directory: &Path) -> Result<Vec<LogFile>, Error> {
    let names = if directory.is_dir() { files(directory)? } else { VecDeque::new() };
    let count = names.len();
    let mut files = Vec::with_capacity(count);
    for (at, (first, _)) in names.into_iter().enumerate() {
        let path = directory.join(name(first));
        let bytes = std::fs::read(&path)?;
        let mut file = LogFile { path, first, last: None, batches: 0, damaged: 0, cut: 0 };
        let mut from = 0;
        while from < bytes.len() {
            if let Some((sequence, _, length)) = record(&bytes[from..]) {
                file.last = Some(sequence);
                file.batches += 1;
                from += length;
                continue;
            }
            match (from + 1..bytes.len()).find(|next| record(&bytes[*next..]).is_some()) {
                Some(next) => {
                    file.damaged += 1;
                    from = next;
                }
                None => {
                    match at + 1 < count {
                        true => file.damaged += 1,
                        false => file.cut = (bytes.len() - from) as u64,
                    }
                    break;
                }
            }
        }
        files.push(file);
    }
    Ok(files)
}

/// Adds a file that begins with a batch of nothing under this number, so that every later batch has a larger one.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn begin_at(directory: &Path, number: u64) -> Result<(), Error> {
    std::fs::create_dir_all(directory)?;
    let mut bytes = Vec::new();
    frame(&mut bytes, number, &encode(&Vec::new())?);
    let mut file = OpenOptions::new().create_new(true).write(true).open(directory.join(name(number)))?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    Ok(())
}
