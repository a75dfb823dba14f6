//! The summary of the places on disk: which runs count, and up to where in the pack files they tell everything.
//!
//! It is a file of one line of JSON with its checksum before it, and replaced whole. An opening reads again
//! what the pack files have behind its end. All of it can be derived from the pack files: without a summary, or with one that does not fit, they are read
//! from their beginning.

use super::{Fill, run};
use crate::Error;
use crate::files::read_bounded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

const NAME: &str = "summary.json";
const NEW: &str = "summary.new";
/// Most bytes of one: about 50 for each pack file of 128 MiB, so an archive of a hundred terabytes has fewer.
const MOST: u64 = 64 << 20;

/// Account of the places that runs tell.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Summary {
    /// The pack file, and the offset in it, up to which the runs tell all.
    pub through: (u32, u64),
    /// Objects up to there.
    pub objects: u64,
    /// Numbers of the runs, the oldest first.
    pub runs: Vec<u32>,
    /// Account of each pack file.
    pub fills: BTreeMap<u32, Fill>,
}

impl Summary {
    /// Replaces the summary of a directory; it is on disk when it returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, directory: &Path) -> Result<(), Error> {
        let body = serde_json::to_string(self)?;
        let mut file = File::create(directory.join(NEW))?;
        file.write_all(format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes())).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(directory.join(NEW), directory.join(NAME))?;
        File::open(directory)?.sync_all()?;
        Ok(())
    }

    /// Reads the summary of a directory; none where there is none.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Io`].
    pub fn read(directory: &Path) -> Result<Option<Summary>, Error> {
        let text = match read_bounded(&directory.join(NAME), MOST) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let body = std::str::from_utf8(&text).ok().and_then(|text| {
            let (crc, body) = text.strip_suffix('\n')?.split_once(' ')?;
            (u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(body.as_bytes())).then_some(body)
        });
        match body {
            Some(body) => Ok(Some(serde_json::from_str(body)?)),
            None => Err(Error::Damaged(format!("{NAME} has a wrong checksum"))),
        }
    }

    /// Removes the summary of a directory: the pack files tell all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(directory: &Path) -> Result<(), Error> {
        match std::fs::remove_file(directory.join(NAME)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        File::open(directory)?.sync_all()?;
        Ok(())
    }
}

/// Removes the runs of a directory that do not count.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn remove_other_runs(directory: &Path, counting: &[u32]) -> Result<(), Error> {
    for number in super::numbers(directory, ".places")? {
        if !counting.contains(&number) {
            std::fs::remove_file(run::path(directory, number))?;
        }
    }
    Ok(())
}
