//! Making the files of a directory: by whom they are read, where they are until they are whole, and what becomes of their place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Opens for writing what nobody but the owner writes and nobody but the owner's group reads.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options
}

/// Where a file is until it has its content.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// A file that has its content when it gets its name.
pub(super) fn write_new(path: &Path, content: &mut dyn Read) -> io::Result<File> {
    let unfinished = unfinished(path);
    // One that was left behind; nobody else writes here.
    let _ = fs::remove_file(&unfinished);
    let mut options = private();
    let written = options.create_new(true).open(&unfinished).and_then(|mut file| {
        io::copy(content, &mut file)?;
        fs::rename(&unfinished, path)?;
        Ok(file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}
