//! Files that are read again when they change.
//!
//! Whoever needs what the files say asks [`ReloadedFile::current`]; every few seconds that looks at the files first. What is new and
//! right takes the place of the old; what is new and wrong is reported once, when it was seen twice (so that a file half
//! written, or a pair of files half replaced, is not), and the old stays.

use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the files are looked at, at most.
pub(crate) const EVERY: Duration = Duration::from_secs(2);
/// What is longer is a mistake in the path.
const MAX_BYTES: u64 = 1 << 20;

/// Reads what the files say; the error says which file is wrong, and how.
type Parse<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync>;

pub(crate) struct ReloadedFile<T> {
    what: &'static str,
    paths: Vec<PathBuf>,
    parse: Parse<T>,
    every: Duration,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: Arc<T>,
    /// Of the files' contents; kept in their place, because those are secret.
    seen: [u8; 32],
    /// What was wrong when last looked at, and whether that was reported.
    wrong: Option<([u8; 32], bool)>,
    next: Instant,
}

impl<T> ReloadedFile<T> {
    /// Reads the files for the first time.
    pub(crate) fn new(
        what: &'static str,
        paths: Vec<PathBuf>,
        every: Duration,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<ReloadedFile<T>, String> {
        let contents = read(&paths)?;
        let current = Arc::new(parse(&contents)?);
        let state = State { current, seen: digest(&contents), wrong: None, next: Instant::now() + every };
        Ok(ReloadedFile { what, paths, parse: Box::new(parse), every, state: Mutex::new(state) })
    }

    /// What the files say, or said when they were last right.
    pub(crate) fn current(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now >= state.next {
            state.next = now + self.every;
            self.look(&mut state);
        }
        Arc::clone(&state.current)
    }

    fn look(&self, state: &mut State<T>) {
        let contents = read(&self.paths);
        let seen = match &contents {
            Ok(contents) => digest(contents),
            Err(message) => digest(&[message.as_bytes().to_vec()]),
        };
        if contents.is_ok() && seen == state.seen {
            state.wrong = None;
            return;
        }
        match contents.and_then(|contents| (self.parse)(&contents)) {
            Ok(new) => {
                (state.current, state.seen, state.wrong) = (Arc::new(new), seen, None);
                tracing::info!(target: "ferrometer", what = self.what, "files have changed and were read again");
            }
            Err(message) => match &mut state.wrong {
                Some((wrong, true)) if *wrong == seen => {}
                Some((wrong, reported)) if *wrong == seen => {
                    *reported = true;
                    tracing::warn!(target: "ferrometer", what = self.what, %message, "changed files are wrong; the old stay in force");
                }
                _ => state.wrong = Some((seen, false)),
            },
        }
    }
}

impl<T> fmt::Debug for ReloadedFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadedFile").field("what", &self.what).field("paths", &self.paths).finish_non_exhaustive()
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, String> {
    let one = |path: &PathBuf| bytes(path).map_err(|why| format!("{}: {why}", path.display()));
    paths.iter().map(one).collect()
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err("is no regular file".into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("is longer than 1 MiB".into());
    }
    Ok(bytes)
}

/// Each piece with its length, so that none runs into the next.
fn digest(pieces: &[Vec<u8>]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update((piece.len() as u64).to_le_bytes());
        hasher.update(piece);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_new_and_right_is_taken_and_what_is_wrong_is_not() {
        let path = std::env::temp_dir().join(format!("ferrometer-watch-{}", std::process::id()));
        fs::write(&path, "1").unwrap();
        let parse = |contents: &[Vec<u8>]| {
            String::from_utf8_lossy(&contents[0]).parse::<u32>().map_err(|error| error.to_string())
        };
        let watched = ReloadedFile::new("test", vec![path.clone()], Duration::ZERO, parse).unwrap();
        let wrong = || watched.state.lock().unwrap().wrong.map(|(_, reported)| reported);
        assert_eq!((*watched.current(), wrong()), (1, None));
        fs::write(&path, "2").unwrap();
        assert_eq!((*watched.current(), wrong()), (2, None));
        fs::write(&path, "x").unwrap();
        assert_eq!((*watched.current(), wrong()), (2, Some(false)));
        assert_eq!((*watched.current(), wrong()), (2, Some(true)));
        assert_eq!((*watched.current(), wrong()), (2, Some(true)));
        fs::write(&path, "y").unwrap();
        assert_eq!((*watched.current(), wrong()), (2, Some(false)));
        fs::remove_file(&path).unwrap();
        assert_eq!((*watched.current(), wrong()), (2, Some(false)));
        fs::write(&path, "2").unwrap();
        assert_eq!((*watched.current(), wrong()), (2, None));
        fs::write(&path, "3").unwrap();
        assert_eq!((*watched.current(), wrong()), (3, None));
        fs::remove_file(&path).unwrap();
        let missing = ReloadedFile::new("test", vec![path], Duration::ZERO, parse).unwrap_err();
        assert!(missing.contains("cannot be read: "), "{missing}");
        let directory = ReloadedFile::new("test", vec![std::env::temp_dir()], Duration::ZERO, parse).unwrap_err();
        assert!(directory.ends_with("is no regular file"), "{directory}");
    }
}
