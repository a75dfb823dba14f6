//! Secrets: one file for each server that has one, `<id>.pw`, for its owner alone.
//!
//! A change of a server changes two files, and a process may end between them. So a new secret waits in a file whose name has the digest of the
//! section file that it belongs to. Replacing the section file is then the moment at which both change: anyone who comes next finds the digest to be that of
//! the section file, and puts the secret in place, or finds that it is not, and removes what waits. An empty file that waits means that there is no
//! secret any more.

use crate::steps::step;
use ferrometer_export::open_regular;
use ferrometer_push::Secret;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const MOST: u64 = 8192;
const DIGEST: usize = 64;

/// The directory of secrets.
#[derive(Debug)]
pub(crate) struct Secrets {
    dir: PathBuf,
}

impl Secrets {
    pub(crate) fn new(dir: PathBuf) -> Secrets {
        Secrets { dir }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.pw"))
    }

    fn draft(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.pw.tmp"))
    }

    fn waiting(&self, id: &str, digest: &str) -> PathBuf {
        self.dir.join(format!("{id}.pw.{digest}"))
    }

    /// Reads a server's secret; `None` when it has none.
    pub(crate) fn read(&self, id: &str) -> io::Result<Option<Secret>> {
        let mut text = String::new();
        match open_regular(self.path(id)) {
            Ok(file) => file.take(MOST).read_to_string(&mut text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let line = text.lines().next().unwrap_or_default();
        Ok((!line.is_empty()).then(|| Secret::new(line)))
    }

    /// Writes a new secret (`None`: that there is none) where nobody looks for it yet.
    pub(crate) fn stage(&self, id: &str, secret: Option<&Secret>) -> io::Result<()> {
        make_dir(&self.dir)?;
        step();
        let text = secret.map(|secret| format!("{}\n", secret.reveal())).unwrap_or_default();
        write_new(&self.draft(id), text.as_bytes(), 0o600)?;
        step();
        Ok(())
    }

    /// Binds what was staged to the section file of this digest.
    pub(crate) fn bind(&self, id: &str, digest: &str) -> io::Result<()> {
        fs::rename(self.draft(id), self.waiting(id, digest))?;
        step();
        sync_dir(&self.dir)
    }

    /// Removes what was staged.
    pub(crate) fn discard(&self, id: &str, digest: &str) {
        let _ = fs::remove_file(self.draft(id));
        let _ = fs::remove_file(self.waiting(id, digest));
    }

    /// Puts what waits for this digest in place, and removes what waits for another.
    pub(crate) fn settle(&self, digest: &str) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some((front, end)) = name.rsplit_once(".pw.") else { continue };
            let is_digest = end.len() == DIGEST && end.bytes().all(|b| b.is_ascii_hexdigit());
            if end != "tmp" && !is_digest {
                continue;
            }
            if end != digest {
                fs::remove_file(&path)?;
            } else if fs::metadata(&path)?.len() > 0 {
                fs::rename(&path, self.path(front))?;
            } else {
                step();
                match fs::remove_file(self.path(front)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => fs::remove_file(&path)?,
                }
            }
            step();
        }
        Ok(())
    }
}

/// Creates a directory for its owner alone, and those above it.
fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes a file that replaces whatever has its name, with this mode from its first byte on.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path)?;
    // The process' mask may have taken away what the mode gives.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = mode;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Has the names in a directory kept.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
