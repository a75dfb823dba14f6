//! Bodies that a dead server missed, kept on disk and delivered in order when it is back, by this process or a later one.
//!
//! Each is a file, written beside its place and moved there whole, so that a process that is killed leaves a body or none. What does not fit within the
//! bound pushes the oldest out. Names of another form than ours are left alone. While another process has the directory, nothing is kept or
//! delivered from it.

use crate::directory_lock::DirectoryLock;
use crate::invalid::Invalid;
use ferrometer_core::warn;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A directory of bodies.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    kind: &'static str,
    max_bytes: u64,
    /// The oldest first.
    entries: VecDeque<Entry>,
    bytes: u64,
    next: u64,
    /// `None` while another process has the directory.
    lock: Option<DirectoryLock>,
}

#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    points: usize,
    is_compressed: bool,
    bytes: u64,
}

/// A body off the disk.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) points: usize,
    pub(crate) is_compressed: bool,
}

impl Spool {
    /// Opens a directory, and makes it where it is missing (not those above it). `kind` tells bodies of one format from those of another:
    /// `otlp-json`, say. At most `max_bytes` are kept.
    ///
    /// # Errors
    /// When it is no directory, or cannot be read or written.
    pub fn open(directory: &Path, kind: &'static str, max_bytes: u64) -> Result<Spool, Invalid> {
        let bad = |why: io::Error| {
            Invalid::new(
                "spool",
                format!("{} ({why})", directory.display()),
                "a directory that can be read and written",
            )
        };
        match make_private(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(bad(error)),
            _ => {}
        }
        let (directory, entries) = (directory.to_owned(), VecDeque::new());
        let mut spool = Spool { directory, kind, max_bytes, entries, bytes: 0, next: 1, lock: None };
        spool.take().map_err(bad)?;
        Ok(spool)
    }

    /// Takes the directory, and reads what is in it. `false`: another process has it.
    fn take(&mut self) -> io::Result<bool> {
        let Some(lock) = DirectoryLock::take(&self.directory)? else {
            let directory = self.directory.display();
            warn(
                "spool held",
                &format!("another process has the spool {directory}: nothing is kept there until it ends"),
            );
            return Ok(false);
        };
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.directory)? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            let is_file = file.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && name == self.temporary() {
                // Begun by a process that was killed.
                let _ = fs::remove_file(file.path());
            } else if let Some(mut entry) = self.read_name(&name).filter(|_| is_file) {
                entry.bytes = file.metadata()?.len();
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| entry.number);
        self.next = entries.last().map_or(1, |entry| entry.number.saturating_add(1));
        self.bytes = entries.iter().map(|entry| entry.bytes).sum();
        self.entries = entries.into();
        // A first file shows now that others can be written later.
        let probe = self.directory.join(self.temporary());
        File::create(&probe).and_then(|_| fs::remove_file(&probe))?;
        self.lock = Some(lock);
        self.make_room(0);
        Ok(true)
    }

    /// Returns `true` when the directory is this process' own, perhaps from now on.
    fn is_ours(&mut self) -> bool {
        self.lock.is_some() || self.take().unwrap_or(false)
    }

    fn temporary(&self) -> String {
        format!("writing.{}", self.kind)
    }

    fn name(&self, entry: &Entry) -> PathBuf {
        let form = if entry.is_compressed { 'z' } else { 'p' };
        self.directory.join(format!("{:020}-{}{form}.{}", entry.number, entry.points, self.kind))
    }

    fn read_name(&self, name: &str) -> Option<Entry> {
        let stem = name.strip_suffix(self.kind)?.strip_suffix('.')?;
        let (number, rest) = stem.split_once('-')?;
        let is_compressed = rest.ends_with('z');
        let points = rest.strip_suffix(['z', 'p'])?.parse().ok()?;
        let entry = Entry { number: number.parse().ok()?, points, is_compressed, bytes: 0 };
        // Written as we write it.
        (self.name(&entry).file_name()?.to_str()? == name).then_some(entry)
    }

    /// Returns `true` when nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the oldest until this many more bytes fit.
    fn make_room(&mut self, more: u64) {
        while self.bytes.saturating_add(more) > self.max_bytes && !self.entries.is_empty() {
            warn("spool full", &format!("the spool {} is full: its oldest is given up", self.directory.display()));
            self.remove_oldest();
        }
    }

    /// Keeps a body. What goes wrong is reported once a minute: the server gets the totals of then anyway.
    pub(crate) fn keep(&mut self, bytes: &[u8], points: usize, is_compressed: bool) {
        if !self.is_ours() {
            return;
        }
        let size = bytes.len() as u64;
        if size > self.max_bytes {
            return warn("spool small", &format!("a body of {size} bytes is more than the spool may hold"));
        }
        self.make_room(size);
        let entry = Entry { number: self.next, points, is_compressed, bytes: size };
        let temporary = self.directory.join(self.temporary());
        let mut written = self.write(&temporary, &entry, bytes);
        // Others may have filled the disk: the oldest go then, too.
        while let Err(error) = &written
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            && !self.entries.is_empty()
        {
            let _ = fs::remove_file(&temporary);
            self.remove_oldest();
            written = self.write(&temporary, &entry, bytes);
        }
        match written {
            Ok(()) => {
                (self.next, self.bytes) = (self.next.saturating_add(1), self.bytes + size);
                self.entries.push_back(entry);
            }
            Err(error) => {
                // The part of it that was written would take room that is lacking.
                let _ = fs::remove_file(&temporary);
                warn("spool", &format!("cannot write to the spool {}: {error}", self.directory.display()));
            }
        }
    }

    /// Writes a body beside its place, and moves it there whole.
    fn write(&self, temporary: &Path, entry: &Entry, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(temporary, self.name(entry))
    }

    /// The oldest body. One that cannot be read is given up.
    pub(crate) fn oldest(&mut self) -> Option<Body> {
        if !self.is_ours() {
            return None;
        }
        while let Some(entry) = self.entries.front() {
            let (points, is_compressed) = (entry.points, entry.is_compressed);
            let mut bytes = Vec::new();
            let most = self.max_bytes;
            let read = File::open(self.name(entry)).and_then(|file| file.take(most).read_to_end(&mut bytes));
            match read {
                Ok(_) => return Some(Body { bytes, points, is_compressed }),
                Err(error) => {
                    warn("spool", &format!("cannot read from the spool {}: {error}", self.directory.display()));
                    self.remove_oldest();
                }
            }
        }
        None
    }

    /// Forgets the oldest body.
    pub(crate) fn remove_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            let _ = fs::remove_file(self.name(&entry));
        }
    }
}

/// Makes a directory that only this user may enter.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ferrometer-spool-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn drain(spool: &mut Spool) -> Vec<(Vec<u8>, usize, bool)> {
        let mut all = Vec::new();
        while let Some(body) = spool.oldest() {
            all.push((body.bytes, body.points, body.is_compressed));
            spool.remove_oldest();
        }
        all
    }

    #[test]
    fn bodies_come_back_in_order_in_a_later_process_too() {
        let path = scratch("order");
        let mut spool = Spool::open(&path, "x", 1000).unwrap();
        (0..12u8).for_each(|i| spool.keep(&[i; 3], usize::from(i), i % 2 == 0));
        drop(spool);
        // Files of others, and one that a killed process had begun.
        for name in ["notes.txt", "1-1p.x", "00000000000000000001-1p.y", "00000000000000000099-xp.x"] {
            fs::write(path.join(name), "mine").unwrap();
        }
        fs::write(path.join("writing.x"), "half").unwrap();
        let mut spool = Spool::open(&path, "x", 1000).unwrap();
        spool.keep(b"last", 99, false);
        let all = drain(&mut spool);
        assert_eq!(all.len(), 13);
        for (i, body) in all[..12].iter().enumerate() {
            assert_eq!(*body, (vec![i as u8; 3], i, i % 2 == 0));
        }
        assert_eq!((all[12].0.as_slice(), spool.bytes(), spool.is_empty()), (&b"last"[..], 0, true));
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left.len(), 4, "{left:?}");
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn the_bound_holds_and_the_oldest_go() {
        let path = scratch("bound");
        let mut spool = Spool::open(&path, "x", 100).unwrap();
        (0..50u8).for_each(|i| spool.keep(&[i; 30], 1, false));
        spool.keep(&[0; 101], 1, false);
        assert!(spool.bytes() <= 100);
        let all = drain(&mut spool);
        assert_eq!(all.iter().map(|body| body.0[0]).collect::<Vec<_>>(), [47, 48, 49]);
        (0..3u8).for_each(|i| spool.keep(&[i; 30], 1, false));
        // A smaller bound holds at once.
        assert_eq!(drain(&mut Spool::open(&path, "x", 40).unwrap()).len(), 1);
        fs::remove_dir_all(path).unwrap();
    }

    /// Holds a directory until its input ends, as another process does.
    #[cfg(unix)]
    #[test]
    #[ignore = "the child of the test below"]
    fn child() {
        let Ok(path) = std::env::var("SPOOL_OF_ANOTHER") else { return };
        let mut spool = Spool::open(Path::new(&path), "x", 1000).unwrap();
        spool.keep(b"theirs", 1, false);
        println!("held");
        let _ = io::stdin().read_to_end(&mut Vec::new());
        // As `kill -9` would end it.
        std::mem::forget(spool);
    }

    #[cfg(unix)]
    #[test]
    fn two_processes_do_not_share_a_spool() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};

        let path = scratch("shared");
        let mut other = Command::new(std::env::current_exe().unwrap());
        other.args(["--exact", "spool::tests::child", "--ignored", "--nocapture"]).env("SPOOL_OF_ANOTHER", &path);
        let mut other = other.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("held")));
        let mut spool = Spool::open(&path, "x", 1000).unwrap();
        spool.keep(b"ours", 1, false);
        assert!(spool.oldest().is_none() && spool.is_empty());
        other.kill().unwrap();
        other.wait().unwrap();
        // The bodies that the other one left are ours now.
        spool.keep(b"ours", 1, false);
        let all: Vec<_> = drain(&mut spool).into_iter().map(|body| body.0).collect();
        assert_eq!(all, [b"theirs".to_vec(), b"ours".to_vec()]);
        // In one process the one that takes over has it at once.
        spool.keep(b"more", 1, false);
        assert_eq!(drain(&mut Spool::open(&path, "x", 1000).unwrap()).len(), 1);
        fs::remove_dir_all(path).unwrap();
    }

    /// Keeps more than its disk has room for.
    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "the child of the test below"]
    fn on_a_small_disk() {
        let Ok(path) = std::env::var("SPOOL_ON_A_SMALL_DISK") else { return };
        let path = Path::new(&path).join("spool");
        let mut spool = Spool::open(&path, "x", 1 << 30).unwrap();
        (0..40u8).for_each(|i| spool.keep(&[i; 16 * 1024], 1, false));
        // One that finds no room at all leaves nothing behind.
        spool.keep(&vec![1; 1 << 20], 1, false);
        assert!(
            spool.is_empty() && fs::read_dir(&path).unwrap().all(|file| file.unwrap().metadata().unwrap().len() < 100)
        );
        (40..80u8).for_each(|i| spool.keep(&[i; 16 * 1024], 1, false));
        let kept: Vec<u8> = drain(&mut spool).iter().map(|body| body.0[0]).collect();
        assert!(kept.len() > 4 && kept.len() < 17 && kept.is_sorted() && kept.last() == Some(&79), "{kept:?}");
        println!("the newest were kept");
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "mounts a small disk; scripts/test runs it where that may be done"]
    fn a_full_disk_costs_the_oldest() {
        use std::process::Command;

        let path = scratch("small");
        fs::create_dir(&path).unwrap();
        let script =
            "mount -t tmpfs -o size=256k none \"$SPOOL_ON_A_SMALL_DISK\" && echo mounted && exec \"$0\" \"$@\"";
        let mut child = Command::new("unshare");
        child.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(std::env::current_exe().unwrap());
        child.args(["--exact", "spool::tests::on_a_small_disk", "--ignored", "--nocapture"]);
        let output = child.env("SPOOL_ON_A_SMALL_DISK", &path).output();
        fs::remove_dir(path).unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let output = output.expect("unshare runs");
        let said = said(&output.stdout) + &said(&output.stderr);
        assert!(output.status.success() && said.contains("the newest were kept"), "{said}");
    }

    #[test]
    fn what_is_no_directory_says_so() {
        let path = scratch("file");
        fs::write(&path, "a file").unwrap();
        assert_eq!(Spool::open(&path, "x", 1).unwrap_err().setting, "spool");
        assert!(Spool::open(&path.join("a/b"), "x", 1).is_err());
        fs::remove_file(path).unwrap();
    }
}
