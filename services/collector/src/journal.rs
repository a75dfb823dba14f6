//! Checkpoints: up to where each scope was collected, and how long the output was then.
//!
//! Each processor has a journal of its own in a common folder, and holds a lock while it runs. A commit is one line: the output's length
//! and the scopes that went on, with a checksum. Data points last before the line does; so after a crash the output is cut to the last
//! line that is whole, and every period is in the output exactly once. Processors read each other's journals when they start, so a
//! scope that changed hands goes on where it was.

use crate::checkpoints::Checkpoints;
use crate::error::clean;
use fs4::FileExt;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that a journal may grow by before it is written again.
const GROWTH: u64 = 16 << 20;

/// A line of a journal.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Commit {
    /// Lengths of outputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    outputs: BTreeMap<String, u64>,
    /// Begin of the next period of scopes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    next: BTreeMap<String, i64>,
}

/// Sum of a journal's lines.
#[derive(Debug, Default)]
struct State {
    outputs: BTreeMap<String, u64>,
    next: HashMap<String, i64>,
}

/// Checkpoints of this processor, and those that the others left.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
    state: State,
    others: HashMap<String, i64>,
    grown: u64,
}

impl Journal {
    /// Opens the journal of `processor`, one of `processors`, in a folder that is created if it is not there.
    ///
    /// Outputs of processors that no longer exist are cut to what they committed.
    ///
    /// # Errors
    /// A folder that cannot be used, a processor of this name that runs already, or one that runs and that `processors` does not name, or
    /// that was started with other names: scopes would be collected twice.
    pub fn open(folder: &Path, processor: &str, processors: &[String]) -> io::Result<Journal> {
        std::fs::create_dir_all(folder)?;
        let alone = [processor.to_owned()];
        let processors = if processors.is_empty() { &alone } else { processors };
        let mut names = processors.to_vec();
        names.sort();
        let names = names.join(" ");
        let mut lock = lock_file(folder, processor)?;
        // Another processor that starts looks at this lock for a moment.
        let locked = patiently(|| Ok(FileExt::try_lock(&lock).is_ok()))?;
        if !locked {
            return Err(busy(format!(
                "a processor named \"{processor}\" runs already, with checkpoints in {}",
                shown(folder)
            )));
        }
        lock.set_len(0)?;
        lock.write_all(names.as_bytes())?;
        let mut others = HashMap::new();
        for name in journals(folder)?.into_iter().filter(|n| n != processor) {
            let mut theirs = lock_file(folder, &name)?;
            let runs = runs_alike(&mut theirs, &name, &names)?;
            let (state, _) = read(&journal_path(folder, &name))?;
            if !runs && !processors.contains(&name) {
                state.outputs.iter().try_for_each(|(output, length)| cut(Path::new(output), *length))?;
            }
            for (scope, next) in state.next {
                let known = others.entry(scope).or_insert(next);
                *known = next.max(*known);
            }
        }
        let path = journal_path(folder, processor);
        let (state, _) = read(&path)?;
        let mut journal = Journal { file: File::open(folder)?, path, _lock: lock, state, others, grown: 0 };
        journal.rewrite()?;
        Ok(journal)
    }

    /// Writes the state as one line into a new file, which takes the place of the old one.
    fn rewrite(&mut self) -> io::Result<()> {
        let next = self.state.next.iter().map(|(k, v)| (k.clone(), *v)).collect();
        let commit = Commit { outputs: self.state.outputs.clone(), next };
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&line(&commit)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.file = file;
        self.grown = 0;
        Ok(())
    }
}

impl Checkpoints for Journal {
    fn next(&self, scope: &str) -> Option<i64> {
        self.state.next.get(scope).copied().max(self.others.get(scope).copied())
    }

    fn furthest(&self) -> Option<i64> {
        self.state.next.values().chain(self.others.values()).copied().max()
    }

    fn output(&self, identity: &str) -> Option<u64> {
        self.state.outputs.get(identity).copied()
    }

    fn commit(&mut self, output: Option<(&str, u64)>, next: BTreeMap<String, i64>) -> io::Result<()> {
        let outputs = output.map(|(identity, length)| (identity.to_owned(), length)).into_iter().collect();
        let commit = Commit { outputs, next };
        let line = line(&commit)?;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.grown += line.len() as u64;
        self.state.take(commit);
        if self.grown > GROWTH {
            self.rewrite()?;
        }
        Ok(())
    }
}

impl State {
    fn take(&mut self, commit: Commit) {
        self.outputs.extend(commit.outputs);
        self.next.extend(commit.next);
    }
}

fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

fn busy(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, message)
}

fn journal_path(folder: &Path, processor: &str) -> PathBuf {
    folder.join(format!("{processor}.journal"))
}

fn lock_file(folder: &Path, processor: &str) -> io::Result<File> {
    let path = folder.join(format!("{processor}.lock"));
    must_be_file(&path)?;
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}

/// Refuses what is there and no file, without opening it: a named pipe would be waited for, and a device may have no end.
fn must_be_file(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no file", path.display())))
        }
        _ => Ok(()),
    }
}

/// Names of the processors that have a journal or a lock in a folder.
fn journals(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "journal" || e == "lock")
            && let Some(name) = path.file_stem().and_then(|n| n.to_str())
            && !names.iter().any(|n| n == name)
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Waits two seconds at most until something holds, and returns if it does.
fn patiently(mut holds: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    for _ in 0..100 {
        if holds()? {
            return Ok(true);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    holds()
}

/// The most bytes of a lock's names that are read.
const LONGEST_NAMES: u64 = 1 << 20;

/// Returns `true` when a processor runs, and refuses to run beside one that divides the scopes in another way. Its lock is this process' own when it does not run.
fn runs_alike(lock: &mut File, name: &str, names: &str) -> io::Result<bool> {
    let mut theirs = String::new();
    let mut runs = true;
    // It may hold the lock and not have written its names yet; and it may be killed before it does.
    let mut look = || {
        runs = FileExt::try_lock(&*lock).is_err();
        theirs.clear();
        lock.seek(SeekFrom::Start(0))?;
        Read::by_ref(lock).take(LONGEST_NAMES).read_to_string(&mut theirs)?;
        Ok((!runs || theirs == names, theirs.is_empty()))
    };
    let mut is_clear = patiently(|| look().map(|(is_clear, _)| is_clear))?;
    // The names are written within moments, but their writer may have to wait for a processor.
    for _ in 0..10 {
        if is_clear || !look()?.1 {
            break;
        }
        is_clear = patiently(|| look().map(|(is_clear, _)| is_clear))?;
    }
    if is_clear {
        return Ok(runs);
    }
    Err(busy(format!(
        "processor \"{name}\" runs with the processors {}, and this one was started with {}: scopes would be collected twice or never",
        clean(&theirs),
        clean(names)
    )))
}

/// Cuts an output of somebody who is no more to its committed length.
fn cut(path: &Path, length: u64) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) if file.metadata()?.len() > length => {
            file.set_len(length)?;
            file.sync_all()
        }
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn line(commit: &Commit) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(commit)?;
    Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes())
}

/// Reads a journal up to the first line that is not whole. Returns the bytes of whole lines too.
fn read(path: &Path) -> io::Result<(State, u64)> {
    let mut bytes = Vec::new();
    must_be_file(path)?;
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((State::default(), 0)),
        Err(e) => return Err(e),
    };
    let mut state = State::default();
    let mut whole = 0;
    while let Some(end) = bytes[whole..].iter().position(|b| *b == b'\n') {
        let line = &bytes[whole..whole + end];
        let parsed = line.split_at_checked(9).and_then(|(crc, json)| {
            let crc = u32::from_str_radix(std::str::from_utf8(&crc[..8]).ok()?, 16).ok()?;
            (crc == crc32fast::hash(json)).then(|| serde_json::from_slice::<Commit>(json).ok())?
        });
        match parsed {
            Some(commit) => state.take(commit),
            None if whole + end + 1 < bytes.len() => {
                // A line that is broken in the middle was not cut by a crash.
                let message =
                    format!("{}: is damaged at byte {whole}; without it periods would be collected again", shown(path));
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            None => break,
        }
        whole += end + 1;
    }
    Ok((state, whole as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ferrometer-journal-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    /// Each would wait for ever if it were opened.
    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_and_never_opened() {
        let folder = folder("fifo");
        for name in ["a.lock", "a.journal", "b.lock", "b.journal"] {
            let path = folder.join(name);
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            let refused = Journal::open(&folder, "a", &names(&["a", "b"])).unwrap_err().to_string();
            assert!(refused.contains(&format!("{name} is no file")), "{refused}");
            std::fs::remove_file(path).unwrap();
        }
        assert!(Journal::open(&folder, "a", &names(&["a", "b"])).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_that_was_cut_does_not_count() {
        let folder = folder("cut");
        let mut journal = Journal::open(&folder, "a", &[]).unwrap();
        journal.commit(Some(("out", 10)), [("s".to_owned(), 1)].into()).unwrap();
        journal.commit(Some(("out", 20)), [("s".to_owned(), 2)].into()).unwrap();
        drop(journal);
        let path = journal_path(&folder, "a");
        let bytes = std::fs::read(&path).unwrap();
        let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
        for cut in last..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let journal = Journal::open(&folder, "a", &[]).unwrap();
            assert_eq!((journal.next("s"), journal.output("out")), (Some(1), Some(10)), "cut at {cut}");
        }
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Journal::open(&folder, "a", &[]).unwrap().next("s"), Some(2));
        let mut damaged = bytes.clone();
        damaged[last - 3] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(Journal::open(&folder, "a", &[]).unwrap_err().to_string().contains("damaged"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_processor_that_is_killed_before_it_says_its_names_is_not_waited_for() {
        let folder = folder("killed-early");
        std::fs::create_dir_all(&folder).unwrap();
        let held = lock_file(&folder, "a").unwrap();
        FileExt::try_lock(&held).unwrap();
        let opening = std::thread::scope(|scope| {
            let opening = scope.spawn(|| Journal::open(&folder, "b", &names(&["a", "b"])).map(drop));
            // Until it is waited for: its own lock is taken before.
            let own = folder.join("b.lock");
            while !own.exists() {
                std::thread::yield_now();
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(held);
            opening.join().unwrap()
        });
        opening.unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn processors_that_would_collide_are_refused() {
        let folder = folder("collide");
        let both = names(&["a", "b"]);
        let mut a = Journal::open(&folder, "a", &both).unwrap();
        a.commit(None, [("s".to_owned(), 7)].into()).unwrap();
        assert!(Journal::open(&folder, "a", &both).unwrap_err().to_string().contains("runs already"));
        let mut b = Journal::open(&folder, "b", &names(&["b", "a"])).unwrap();
        assert_eq!(b.next("s"), Some(7));
        b.commit(None, [("s".to_owned(), 5)].into()).unwrap();
        drop(b);
        let refused = Journal::open(&folder, "b", &names(&["b", "c"])).unwrap_err().to_string();
        assert!(refused.contains("runs with the processors a b"), "{refused}");
        let output = folder.join("of-a");
        std::fs::write(&output, "0123456789").unwrap();
        a.commit(Some((output.to_str().unwrap(), 4)), BTreeMap::new()).unwrap();
        drop(a);
        let b = Journal::open(&folder, "b", &[]).unwrap();
        assert_eq!((b.next("s"), std::fs::read(&output).unwrap()), (Some(7), b"0123".to_vec()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
