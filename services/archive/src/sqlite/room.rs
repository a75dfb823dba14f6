//! The room of SQLite's log: it gets the length that it will need before that is written to.
//!
//! When a file has become longer, its sync writes the journal of the file system too, which can take many times as long as the few pages of a change.
//! SQLite writes its log from the front again after a checkpoint: once the file has its full length, no sync has a length to write.
//!
//! Zeros behind the last frame of the log are no frames: they lack the salt of its header, and an opening ends there.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Pages in the log at which SQLite makes a checkpoint. A page that many changes touch is written to its place once for all of them.
pub(super) const PAGES: u64 = 4096;
/// Bytes of a page in the log, with its head.
const FRAME: u64 = 4096 + 24;
/// The length of the log: the last transaction before a checkpoint goes beyond the number of pages.
const LENGTH: u64 = (PAGES + PAGES / 16) * FRAME;
/// The log gets its length where that is this part of the free space at most.
const PART: u64 = 4;
/// Commits that an index makes before its log gets room: one that seldom changes needs none.
const SELDOM: u32 = 16;

/// The room of a log.
pub(super) struct Room {
    log: PathBuf,
    /// Commits until it is made; 0 when it has been.
    commits: u32,
}

impl Room {
    /// Returns that of an index's file.
    pub fn of(index: &Path) -> Room {
        let mut log = index.as_os_str().to_owned();
        log.push("-wal");
        Room { log: log.into(), commits: SELDOM }
    }

    /// Counts a commit; after a few of them the log gets its room. Nobody writes to the log meanwhile.
    pub fn committed(&mut self) {
        if self.commits == 0 {
            return;
        }
        self.commits -= 1;
        if self.commits == 0
            && let Err(error) = make(&self.log, LENGTH)
        {
            tracing::debug!(%error, "the log of the index grows with each change");
        }
    }
}

/// Makes a file this long, with zeros. Where that fails it stays as it was, and so it does on a disk that is nearly full: others need the room.
fn make(path: &Path, length: u64) -> io::Result<()> {
    if fs4::available_space(path)? / PART < length {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let mut file = OpenOptions::new().append(true).open(path)?;
    let before = file.metadata()?.len();
    let zeros = vec![0; 256 << 10];
    let mut left = length.saturating_sub(before);
    while left > 0 {
        let piece = &zeros[..left.min(zeros.len() as u64) as usize];
        if let Err(error) = file.write_all(piece) {
            file.set_len(before)?;
            return Err(error);
        }
        left -= piece.len() as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use crate::sqlite::Sqlite;
    use crate::{Metric, Policy};
    use std::fs;
    use uuid::Uuid;

    /// Adds metrics, some at a time, with names of some pages.
    fn add(index: &Sqlite, numbers: std::ops::Range<u128>, together: usize) {
        let metric = |number| Metric {
            id: Uuid::from_u128(number),
            creator: "me".into(),
            name: (together > 1).then(|| format!("{number} {}", "n".repeat(8000))),
            unit: None,
            policy: "low".into(),
            resource: None,
        };
        let metrics: Vec<Metric> = numbers.map(metric).collect();
        metrics.chunks(together).for_each(|some| index.add_metrics(some).unwrap());
    }

    #[test]
    fn a_log_gets_its_length_once_and_is_read_up_to_its_last_frame() {
        let directory = std::env::temp_dir().join(format!("ferrometer-archive-room-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("copy")).unwrap();
        let path = directory.join("index.sqlite");
        let index = Sqlite::open(&path, true).unwrap();
        index.set_policy(&Policy::defaults()[1], false).unwrap();
        let length = || fs::metadata(directory.join("index.sqlite-wal")).unwrap().len();
        add(&index, 0..5, 1);
        assert!(length() < LENGTH / 8, "an index that seldom changes takes little");
        add(&index, 5..100, 1);
        assert_eq!(length(), LENGTH);
        // As the end of the process leaves it.
        for name in ["index.sqlite", "index.sqlite-wal"] {
            fs::copy(directory.join(name), directory.join("copy").join(name)).unwrap();
        }
        let copy = Sqlite::open(&directory.join("copy/index.sqlite"), true).unwrap();
        add(&copy, 100..200, 1);
        assert_eq!(copy.metrics(None, &Default::default()).unwrap().len(), 200);
        drop(copy);
        // Through two checkpoints.
        add(&index, 100..3500, 20);
        assert_eq!(length(), LENGTH);
        drop(index);
        let index = Sqlite::open(&path, true).unwrap();
        assert_eq!(index.metrics(None, &Default::default()).unwrap().len(), 3500);
        drop(index);
        // Without a sync there is nothing to be saved.
        let index = Sqlite::open(&path, false).unwrap();
        add(&index, 3500..3600, 1);
        assert!(length() < LENGTH);
        drop(index);
        assert!(make(&directory.join("none"), LENGTH).is_err());
        assert!(!directory.join("none").exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
