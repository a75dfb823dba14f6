//! A copy of an archive's folder, with a list of its files: names, lengths, checksums.
//!
//! An archive that nobody has open is opened while it is copied, so that no server can take it, and stored first, so that the copy has every aggregate. One
//! that a server has open is copied by the server, which goes on meanwhile. A copy is made under another name and renamed when it is whole; a restore
//! checks every file before it makes an archive.

use crate::control::ask_for_backup;
use crate::outcome::{Failure, Result};
use crate::text::{bytes, visible};
use ferrometer_archive::search::Page;
use ferrometer_archive::{Archive, Error, Options};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Component, Path, PathBuf};

const LIST: &str = "ferrometer-backup.json";
/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct List {
    ferrometer: String,
    version: u32,
    /// How many there were; not known of an archive that was at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metrics: Option<u64>,
    files: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    bytes: u64,
    crc32: u32,
}

/// Copies an archive.
pub(crate) fn backup(archive: &Path, to: &Path, is_json: bool) -> Result {
    // Opening it would make one.
    if !archive.join("index.sqlite").is_file() {
        return Err(Failure::file(archive, &"there is no archive here"));
    }
    must_be_new(to)?;
    let unfinished = Unfinished::beside(to);
    let (metrics, entries) = match Archive::open(archive, Options { default_policies: false, ..Options::default() }) {
        Ok(open) => of_files(&open, archive, &unfinished.0)?,
        Err(error @ Error::Busy(_)) => match ask_for_backup(archive, &unfinished.0) {
            Some(Ok(())) => (None, of_server(&unfinished.0)?),
            Some(Err(why)) => {
                return Err(Failure::Io(format!("the server that has the archive open: {}", visible(&why))));
            }
            None => return Err(Failure::file(archive, &error)),
        },
        Err(error) => return Err(Failure::file(archive, &error)),
    };
    let total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let count = entries.len();
    let list = List { ferrometer: "archive backup".to_owned(), version: 1, metrics, files: entries };
    let path = unfinished.0.join(LIST);
    let text = serde_json::to_vec_pretty(&list).map_err(|error| Failure::file(&path, &error))?;
    let written = File::create(&path).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::file(&path, &error))?;
    unfinished.become_whole(to)?;
    told(is_json, "copied", count, total, metrics)
}

/// Copies an archive that this process has open.
fn of_files(open: &Archive, archive: &Path, to: &Path) -> Result<(Option<u64>, Vec<Entry>)> {
    open.store().map_err(|error| Failure::file(archive, &error))?;
    let metrics = count(open, archive)?;
    fs::create_dir_all(to).map_err(|error| Failure::file(to, &error))?;
    let names = files(archive)?;
    let bar = progress(archive, &names);
    let mut entries = Vec::new();
    for name in names {
        let (bytes, crc32) = copy(&archive.join(&name), &to.join(&name), &bar)?;
        entries.push(Entry { name: name.to_string_lossy().into_owned(), bytes, crc32 });
    }
    bar.finish_and_clear();
    Ok((Some(metrics), entries))
}

/// Lists the copy that a server made.
fn of_server(copied: &Path) -> Result<Vec<Entry>> {
    // The list says that the copy is whole, and this file of the engine's is no part of an archive.
    let mark = copied.join("backup");
    fs::remove_file(&mark).map_err(|error| Failure::file(&mark, &error))?;
    let names = files(copied)?;
    let bar = progress(copied, &names);
    let mut entries = Vec::new();
    for name in names {
        let path = copied.join(&name);
        let file = File::open(&path).map_err(|error| Failure::file(&path, &error))?;
        let (bytes, crc32) = through(file, &mut io::sink(), (&path, &path), &bar)?;
        entries.push(Entry { name: name.to_string_lossy().into_owned(), bytes, crc32 });
    }
    bar.finish_and_clear();
    Ok(entries)
}

/// Makes an archive of a copy.
pub(crate) fn restore(from: &Path, archive: &Path, is_json: bool) -> Result {
    let path = from.join(LIST);
    if !path.exists() {
        return Err(Failure::file(from, &format!("there is no backup here: it would have a file {LIST}")));
    }
    let bytes = crate::remote::read_file(&path)?;
    let list: List = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::file(&path, &format!("is no list of a backup: {error}")))?;
    if list.version != 1 {
        return Err(Failure::file(&path, &format!("version {} is unknown; known is 1", list.version)));
    }
    must_be_new(archive)?;
    let unfinished = Unfinished::beside(archive);
    fs::create_dir_all(&unfinished.0).map_err(|error| Failure::file(&unfinished.0, &error))?;
    let names: Vec<PathBuf> = list.files.iter().map(|entry| PathBuf::from(&entry.name)).collect();
    // Nothing outside of the copy is read, and nothing outside of the archive written.
    if let Some(name) = names.iter().find(|name| !name.components().all(|part| matches!(part, Component::Normal(_)))) {
        return Err(Failure::Found(format!(
            "{}: {:?} is no name of a file in it",
            visible(&path.to_string_lossy()),
            name
        )));
    }
    let bar = progress(from, &names);
    for (entry, name) in list.files.iter().zip(&names) {
        let found = copy(&from.join(name), &unfinished.0.join(name), &bar)?;
        if found != (entry.bytes, entry.crc32) {
            let file = from.join(name);
            let why = "the file is not as it was when it was copied; nothing was restored";
            return Err(Failure::Found(format!("{}: {why}", visible(&file.to_string_lossy()))));
        }
    }
    bar.finish_and_clear();
    unfinished.become_whole(archive)?;
    let open = Archive::open(archive, Options { default_policies: false, ..Options::default() });
    let open = open.map_err(|error| Failure::Found(format!("{}: {error}", visible(&archive.to_string_lossy()))))?;
    let metrics = count(&open, archive)?;
    if let Some(before) = list.metrics.filter(|before| *before != metrics) {
        return Err(Failure::Found(format!("the archive has {metrics} metrics, and had {before} when it was copied")));
    }
    let total = list.files.iter().map(|entry| entry.bytes).sum();
    told(is_json, "restored", list.files.len(), total, Some(metrics))
}

fn told(is_json: bool, what: &str, files: usize, total: u64, metrics: Option<u64>) -> Result {
    let mut out = io::stdout().lock();
    let rest = metrics.map_or("of an archive at work".to_owned(), |metrics| format!("{metrics} metrics"));
    match is_json {
        true => writeln!(out, "{}", json!({what: {"files": files, "bytes": total, "metrics": metrics}}))?,
        false => writeln!(out, "{what}: {files} files, {}, {rest}", bytes(total))?,
    }
    Ok(())
}

fn count(archive: &Archive, path: &Path) -> Result<u64> {
    let metrics = archive.metrics(None, &Page::default()).map_err(|error| Failure::file(path, &error))?;
    Ok(metrics.len() as u64)
}

fn must_be_new(path: &Path) -> Result {
    let is_empty = fs::read_dir(path).map(|mut entries| entries.next().is_none());
    match (fs::symlink_metadata(path).is_ok(), is_empty) {
        (false, _) => Ok(()),
        (true, Ok(true)) => Ok(()),
        _ => Err(Failure::file(path, &"is there already; a new folder is expected")),
    }
}

/// Where a folder is until it is whole; it is taken away when it does not become so. A process that is killed leaves it.
struct Unfinished(PathBuf);

impl Unfinished {
    const MARK: &str = ".unfinished-";

    /// Returns that of a folder, and says which ones others left.
    fn beside(path: &Path) -> Unfinished {
        let mut start = path.file_name().unwrap_or_default().to_owned();
        start.push(Unfinished::MARK);
        let start = start.to_string_lossy().into_owned();
        let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for entry in fs::read_dir(beside).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&start) {
                let left = visible(&entry.path().to_string_lossy()).into_owned();
                eprintln!(
                    "warning: {left} is what a copy that was killed left: remove it, unless one is made there now"
                );
            }
        }
        Unfinished(path.with_file_name(format!("{start}{}", std::process::id())))
    }

    /// Gives it the name of the folder that it is for.
    fn become_whole(self, path: &Path) -> Result {
        // Under its own name nothing is left to be taken away.
        fs::rename(&self.0, path).map_err(|error| Failure::file(path, &error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The files of a folder, relative to it, without locks.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        for entry in fs::read_dir(&path).map_err(|error| Failure::file(&path, &error))? {
            let entry = entry.map_err(|error| Failure::file(&path, &error))?;
            let name = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(|error| Failure::file(&path, &error))?;
            if kind.is_dir() {
                folders.push(name);
            } else if kind.is_file() && entry.file_name() != "lock" && name.to_str().is_some() {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn progress(root: &Path, names: &[PathBuf]) -> ProgressBar {
    let total = names.iter().filter_map(|name| fs::metadata(root.join(name)).ok()).map(|meta| meta.len()).sum();
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = indicatif::ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Copies a file to the disk; returns its length and checksum.
fn copy(from: &Path, to: &Path, bar: &ProgressBar) -> Result<(u64, u32)> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    }
    let source = ferrometer_export::open_regular(from).map_err(|error| Failure::file(from, &error))?;
    let mut target = File::create_new(to).map_err(|error| Failure::file(to, &error))?;
    let found = through(source, &mut target, (from, to), bar)?;
    target.sync_all().map_err(|error| Failure::file(to, &error))?;
    Ok(found)
}

/// Reads all, and writes it; returns length and checksum.
fn through(
    mut source: File,
    target: &mut dyn Write,
    (from, to): (&Path, &Path),
    bar: &ProgressBar,
) -> Result<(u64, u32)> {
    let mut hasher = crc32fast::Hasher::new();
    let (mut piece, mut length) = (vec![0; PIECE], 0);
    loop {
        let read = source.read(&mut piece).map_err(|error| Failure::file(from, &error))?;
        if read == 0 {
            return Ok((length, hasher.finalize()));
        }
        hasher.update(&piece[..read]);
        target.write_all(&piece[..read]).map_err(|error| Failure::file(to, &error))?;
        length += read as u64;
        bar.inc(read as u64);
    }
}
