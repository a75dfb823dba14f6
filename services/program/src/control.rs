//! A word with the server that has a data directory open: a Unix socket in it, which only the server's user may use.
//!
//! One line asks, `backup PATH`, and one line answers: `done`, or `error` and why.

use ferrometer_archive::Archive;
use std::fs::Permissions;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// The socket's name in the data directory.
const NAME: &str = "control.sock";
/// The longest question.
const LONGEST: u64 = 8192;
/// How long a caller that connects may take to ask.
const ASKS: Duration = Duration::from_secs(2);

/// The server's end; it goes when it is dropped.
pub(crate) struct Control {
    path: PathBuf,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens in a directory. A socket that a server left there is removed: the archive's lock says that there is no other server.
    pub(crate) fn start(directory: &Path, archive: Arc<Archive>) -> io::Result<Control> {
        let path = directory.join(NAME);
        if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_socket()) {
            std::fs::remove_file(&path)?;
        }
        // Bound under another name, so that nobody can connect before the rights are those of its owner alone.
        let hidden = directory.join(format!("{NAME}.{}", std::process::id()));
        let _ = std::fs::remove_file(&hidden);
        let listener = UnixListener::bind(&hidden)?;
        std::fs::set_permissions(&hidden, Permissions::from_mode(0o600))?;
        std::fs::rename(&hidden, &path)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&stopped);
        let thread = std::thread::Builder::new().name("control".into()).spawn(move || {
            for stream in listener.incoming() {
                if own.load(Relaxed) {
                    return;
                }
                // A caller that has gone meanwhile needs no answer.
                let _ = stream.and_then(|stream| answer(stream, &archive));
            }
        })?;
        Ok(Control { path, stopped, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        // It waits for a connection.
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: UnixStream, archive: &Archive) -> io::Result<()> {
    stream.set_read_timeout(Some(ASKS))?;
    let mut asked = Vec::new();
    BufReader::new((&stream).take(LONGEST)).read_until(b'\n', &mut asked)?;
    let said = match asked.strip_suffix(b"\n").and_then(|line| line.strip_prefix(b"backup ")) {
        Some(path) => {
            let path = PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
            match path.is_absolute() {
                true => archive.backup(&path).map_err(|error| error.to_string()),
                false => Err("the path is not absolute".to_owned()),
            }
        }
        None => Err("expected `backup PATH`".to_owned()),
    };
    let line = match said {
        Ok(()) => "done\n".to_owned(),
        Err(why) => format!("error {}\n", why.replace('\n', " ")),
    };
    stream.write_all(line.as_bytes())
}

/// Asks the server that has an archive open to copy it into a new directory. `None`: no server listens.
///
/// # Errors
/// Reads what the server says, or that it says nothing.
pub(crate) fn ask_for_backup(archive: &Path, to: &Path) -> Option<Result<(), String>> {
    let path = std::path::absolute(archive).ok()?.parent()?.join(NAME);
    let mut stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Some(Err(format!("{}: {error}; the server is another user's", path.display())));
        }
        Err(_) => return None,
    };
    let mut ask = || -> io::Result<String> {
        let to = std::path::absolute(to)?;
        let to = to.as_os_str().as_bytes();
        if to.contains(&b'\n') {
            return Err(io::Error::other("the name of the copy has a line feed"));
        }
        stream.write_all(&[b"backup ", to, b"\n"].concat())?;
        let mut said = String::new();
        (&stream).take(LONGEST).read_to_string(&mut said)?;
        Ok(said)
    };
    Some(match ask() {
        Ok(said) if said == "done\n" => Ok(()),
        Ok(said) => Err(said.trim_end().strip_prefix("error ").unwrap_or("the server ended meanwhile").to_owned()),
        Err(error) => Err(error.to_string()),
    })
}
