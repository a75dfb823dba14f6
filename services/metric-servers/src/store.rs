//! The section file on disk, and the secrets beside it: one writer at a time, and every change whole or not at all.

use crate::secrets::{Secrets, sync_dir, write_new};
use crate::section_file::SectionFile;
use crate::steps::step;
use ferrometer_export::{must_be_regular, read_regular};
use ferrometer_push::Secret;
use fs4::TryLockError;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than all servers that are allowed.
const MOST: u64 = 1024 * 1024;
/// How long another writer is waited for. One that tests a connection takes some seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the files are.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    secrets: Secrets,
    /// A lock of a file is the process', not the thread's.
    here: Mutex<()>,
}

/// The file as it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) file: SectionFile,
    bytes: Vec<u8>,
}

/// The right to change the files. Dropping it gives it back.
pub(crate) struct Writer<'s> {
    store: &'s Store,
    lock: File,
    _here: MutexGuard<'s, ()>,
}

impl State {
    /// The digest that Proxmox VE gives.
    pub(crate) fn sha1(&self) -> String {
        sha1_smol::Sha1::from(&self.bytes).digest().to_string()
    }

    /// The digest that Proxmox Backup Server gives.
    pub(crate) fn sha256(&self) -> String {
        sha256(&self.bytes)
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl Store {
    pub(crate) fn new(path: PathBuf, secrets: PathBuf) -> Store {
        Store { path, secrets: Secrets::new(secrets), here: Mutex::new(()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; one that is not there is empty.
    pub(crate) fn read(&self) -> io::Result<State> {
        let mut bytes = Vec::new();
        match read_regular(&self.path, MOST) {
            Ok(read) => bytes = read,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(State { file: SectionFile::parse(&bytes), bytes })
    }

    pub(crate) fn secret(&self, id: &str) -> io::Result<Option<Secret>> {
        self.secrets.read(id)
    }

    /// Becomes the one writer, and ends what a writer that was killed had begun.
    pub(crate) fn lock(&self) -> io::Result<Writer<'_>> {
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let path = beside(&self.path, ".lock");
        // A named pipe would be waited for.
        match must_be_regular(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
            }
            _ => {}
        }
        let lock = options.open(path)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match fs4::FileExt::try_lock(&lock) {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        ErrorKind::TimedOut,
                        "another process is changing it, got lock timeout",
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let writer = Writer { store: self, lock, _here: here };
        let state = self.read()?;
        self.secrets.settle(&state.sha256())?;
        Ok(writer)
    }
}

impl Writer<'_> {
    /// Writes a new secret of a server (`None`: that it has none) where nobody looks for it yet.
    pub(crate) fn stage(&self, id: &str, secret: Option<&Secret>) -> io::Result<()> {
        self.store.secrets.stage(id, secret)
    }

    /// Removes what was staged.
    pub(crate) fn discard(&self, id: &str) {
        self.store.secrets.discard(id, "");
    }

    /// Puts the file, and the staged secret of a server, in the place of those before. On an error both are as before.
    pub(crate) fn commit(&self, before: &State, file: &SectionFile, staged: Option<&str>) -> io::Result<()> {
        let bytes = file.render();
        let digest = sha256(&bytes);
        let is_same = bytes == before.bytes;
        let outcome = self.replace(&bytes, &digest, is_same, staged);
        if let (Err(_), Some(id)) = (&outcome, staged) {
            self.store.secrets.discard(id, &digest);
        }
        outcome?;
        // From here on the change is done; what is left, the next writer would do too.
        let _ = self.store.secrets.settle(&digest);
        Ok(())
    }

    fn replace(&self, bytes: &[u8], digest: &str, is_same: bool, staged: Option<&str>) -> io::Result<()> {
        let path = &self.store.path;
        let draft = beside(path, ".tmp");
        if !is_same {
            write_new(&draft, bytes, 0o640)?;
            step();
        }
        if let Some(id) = staged {
            self.store.secrets.bind(id, digest)?;
        }
        step();
        if !is_same {
            fs::rename(&draft, path)?;
            step();
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // The file is in its place for everyone who reads it, whatever a power failure may still do.
            let _ = sync_dir(dir);
        }
        Ok(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        let _ = fs4::FileExt::unlock(&self.lock);
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::process::Command;

    /// Each would wait for ever, or never come to an end, if it were opened.
    #[test]
    fn what_is_no_file_is_refused_and_never_opened() {
        let directory = std::env::temp_dir().join(format!("ferrometer-store-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let store = Store::new(directory.join("servers.cfg"), directory.join("secrets"));
        let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        let is_refused = |refused: io::Result<()>| {
            let said = refused.unwrap_err().to_string();
            assert!(said.contains("it is a named pipe (FIFO), not a file"), "{said}");
        };
        fifo(store.path());
        is_refused(store.read().map(drop));
        fs::remove_file(store.path()).unwrap();
        let lock = beside(store.path(), ".lock");
        fifo(&lock);
        is_refused(store.lock().map(drop));
        fs::remove_file(&lock).unwrap();
        fs::create_dir(directory.join("secrets")).unwrap();
        fifo(&directory.join("secrets/a.pw"));
        is_refused(store.secret("a").map(drop));
        std::os::unix::fs::symlink("/dev/zero", store.path()).unwrap();
        assert!(store.read().unwrap_err().to_string().contains("a device"));
        fs::remove_file(store.path()).unwrap();
        fs::write(store.path(), vec![b'#'; MOST as usize + 1]).unwrap();
        assert_eq!(store.read().unwrap_err().to_string(), "it is longer than 1 MiB");
        fs::remove_dir_all(&directory).unwrap();
    }
}
