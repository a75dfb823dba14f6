//! Copies of an archive's directory that are made while it runs.
//!
//! Aggregates are copied first, then the log, then the index, while nothing is stored and nothing deleted: so the log has every batch that the
//! copied aggregates lack, and the index every metric that either names.

use crate::Error;
use crate::files::{copy_file, read_bounded};
use crate::shared::Shared;
use std::fs::File;
use std::path::Path;

/// The file that a backup has when it is whole.
const WHOLE: &str = "backup";
const FORM: &str = "ferrometer-archive backup 1\n";

/// Makes a directory that must not be there, or be empty.
fn new_directory(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path)?;
    match std::fs::read_dir(path)?.next() {
        Some(_) => Err(Error::Invalid(format!("the directory {} is not empty", path.display()))),
        None => Ok(()),
    }
}

impl Shared {
    /// Copies the archive into a new directory.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a directory that is not empty; [`Error::Io`].
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        new_directory(to)?;
        let (aggregates, incoming) = (to.join("aggregates"), to.join("incoming"));
        std::fs::create_dir(&aggregates)?;
        std::fs::create_dir(&incoming)?;
        self.while_nothing_is_stored(|| {
            self.storage.copy_to(&aggregates)?;
            self.incoming.copy_to(&incoming)?;
            self.catalog.index.copy_to(to)
        })?;
        for directory in [&aggregates, &incoming] {
            File::open(directory)?.sync_all()?;
        }
        std::fs::write(to.join(WHOLE), FORM)?;
        File::open(to.join(WHOLE))?.sync_all()?;
        File::open(to)?.sync_all()?;
        Ok(())
    }
}

/// Makes an archive's directory of a backup.
///
/// # Errors
/// [`Error::Invalid`] for a backup that is not whole, or a directory that is not empty; [`Error::Io`].
pub(crate) fn restore(backup: &Path, directory: &Path) -> Result<(), Error> {
    match read_bounded(&backup.join(WHOLE), 4096) {
        Ok(form) if form == FORM.as_bytes() => {}
        Ok(form) => {
            let form = String::from_utf8_lossy(&form);
            return Err(Error::Invalid(format!("{} is a backup of another form: `{}`", backup.display(), form.trim())));
        }
        Err(_) if !backup.join(WHOLE).is_file() => {
            let text =
                format!("{} is no backup, or one that was not finished: it has no file `{WHOLE}`", backup.display());
            return Err(Error::Invalid(text));
        }
        Err(error) => return Err(error.into()),
    }
    new_directory(directory)?;
    for part in ["aggregates", "incoming"] {
        std::fs::create_dir(directory.join(part))?;
        for entry in std::fs::read_dir(backup.join(part))? {
            let entry = entry?;
            copy_file(&entry.path(), &directory.join(part).join(entry.file_name()))?;
        }
        File::open(directory.join(part))?.sync_all()?;
    }
    // The index last: without it, what is there is no archive.
    copy_file(&backup.join("index.sqlite"), &directory.join("index.sqlite"))?;
    File::open(directory)?.sync_all()?;
    Ok(())
}
