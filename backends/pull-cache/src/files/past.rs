//! Generations that earlier writers left in a directory: tidied and read beside the program, while new generations are written already.
//!
//! Files are decoded once: those that are wanted are found by their checksums. Content that makes no sense though its checksum is right, which no
//! program of ours writes, is found while generations are handed out already; then it all begins again, with a look at everything first.
//!
//! Only files of names that are given here are touched, and only where they are files. What cannot be tidied is told and left.

use super::create::write_new;
use super::damage::{Damage, DamageKind};
use super::frame_reader::FrameReader;
use super::paths::{segment_path, sequence_of, sequence_with};
use super::read::InOrder;
use super::segment::HEADER_BYTES;
use super::survey::{self, Checked};
use crate::generation::Generation;
use crate::record::Identity;
use ferrometer_export::{must_be_regular, open_regular};
use ferrometer_fork::FileLock;
use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Damaged segments that are kept for anyone who wants to look at them.
const SET_ASIDE: usize = 4;

/// Description of a segment that is on disk.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sequence: u64,
    pub(super) generations: usize,
    pub(super) newest: Option<i64>,
}

/// The segments of a directory before one.
#[derive(Debug)]
pub(crate) struct Past {
    pub(super) directory: PathBuf,
    pub(super) before: u64,
    /// How many generations are wanted.
    pub(super) keep: usize,
    pub(super) newest: Option<i64>,
    /// Who only reads has none, and tidies nothing.
    pub(super) lock: Option<Arc<FileLock>>,
}

/// A step of the reading.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next generation.
    Generation(Arc<Generation>),
    /// All of them come again, and may be others: those so far are not to be kept.
    Again,
}

/// How much is looked at before anything is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Checksums, timestamps, and how many names there are.
    AtFrames,
    /// Everything.
    AtContent,
}

/// Why a reading ended before its end.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// The frames alone do not tell enough.
    TooQuick,
}

/// A segment that is wanted, and how many of its bytes are known to be whole.
struct Wanted {
    sequence: u64,
    path: PathBuf,
    whole: u64,
}

/// Result of the reading.
#[derive(Debug)]
pub(crate) struct Found {
    pub(super) before: u64,
    pub(super) kept: Vec<Kept>,
    /// Damage that was set aside.
    pub(super) damage: Vec<Damage>,
    /// Obstacles that were left where they are.
    pub(super) left: Vec<Damage>,
    /// Segments whose names are too many.
    pub(super) too_many_names: usize,
}

impl Past {
    /// The timestamp of the newest generation, as far as that is known without reading all.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Returns whether the files are too long to be read in moments: their names alone are many then.
    pub(crate) fn is_long(&self) -> bool {
        const LONG: u64 = 1 << 20;
        let files = survey::segments(&self.directory).unwrap_or_default();
        let length = |(_, path): &(u64, PathBuf)| fs::symlink_metadata(path).map_or(0, |there| there.len());
        files.iter().map(length).fold(0, u64::saturating_add) > LONG
    }

    /// Hands out the generations, oldest first: the newest of those that have no more than `max_names` different names in all. `None` when
    /// it was told to stop.
    pub(crate) fn load(&self, max_names: usize, stop: &AtomicBool, mut each: impl FnMut(Step)) -> Option<Found> {
        let mut found =
            Found { before: self.before, kept: Vec::new(), damage: Vec::new(), left: Vec::new(), too_many_names: 0 };
        let mut ended = self.read(Look::AtFrames, max_names, stop, &mut found, &mut each);
        if let Err(Ended::TooQuick) = ended {
            each(Step::Again);
            // A file that was set aside stays so, and is not found again.
            found = Found { kept: Vec::new(), left: Vec::new(), too_many_names: 0, ..found };
            ended = self.read(Look::AtContent, max_names, stop, &mut found, &mut each);
        }
        found.damage.sort_by(|a, b| a.file.cmp(&b.file));
        ended.is_ok().then_some(found)
    }

    fn read(
        &self,
        look: Look,
        max_names: usize,
        stop: &AtomicBool,
        found: &mut Found,
        each: &mut dyn FnMut(Step),
    ) -> Result<(), Ended> {
        if self.lock.is_some() {
            self.finish_repairs(&mut found.left);
        }
        let wanted = self.survey(look, max_names, stop, found)?;
        if self.lock.is_some() {
            self.forget_set_aside(&mut found.left);
        }
        let mut order = InOrder::default();
        for Wanted { sequence, path, whole } in wanted {
            // One that was set aside and could not be repaired is gone.
            let Ok(mut reader) = survey::open(sequence, &path) else { continue };
            loop {
                match reader.next() {
                    Ok(Some(generation)) => {
                        order.push(generation).into_iter().for_each(|next| each(Step::Generation(next)))
                    }
                    Err(_) if look == Look::AtFrames && reader.offset() < whole => return Err(Ended::TooQuick),
                    Ok(None) | Err(_) => break,
                }
                if stop.load(Relaxed) {
                    return Err(Ended::Stopped);
                }
            }
        }
        order.end().into_iter().for_each(|last| each(Step::Generation(last)));
        Ok(())
    }

    /// Looks all segments through, the newest first, and returns those to be read, oldest first.
    #[expect(clippy::mutable_key_type, reason = "the texts of a series, which labels may point to, never change")]
    fn survey(&self, look: Look, max_names: usize, stop: &AtomicBool, found: &mut Found) -> Result<Vec<Wanted>, Ended> {
        let files = survey::segments(&self.directory).unwrap_or_else(|why| {
            found.left.push(unreadable(&self.directory, &why));
            Vec::new()
        });
        let mut names: HashSet<Arc<Identity>> = HashSet::new();
        let (mut wanted, mut generations, mut fits, mut named) = (Vec::new(), 0usize, true, 0usize);
        for (sequence, path) in files.into_iter().rev().filter(|(sequence, _)| *sequence < self.before) {
            // It is not wanted: newer ones are enough, or have as many names as there may be.
            if generations > self.keep || !fits {
                match survey::open(sequence, &path) {
                    Ok(reader) => found.kept.push(Kept { sequence, generations: 1, newest: reader.last_timestamp() }),
                    Err(damage) => self.set_aside(damage, 0, found),
                }
                found.too_many_names += usize::from(!fits);
                continue;
            }
            let mut known = 0;
            let mut seen = |identities: &[Arc<Identity>]| {
                while let Some(identity) = identities.get(known).filter(|_| fits) {
                    fits = names.len() < max_names || names.contains(identity);
                    if fits {
                        names.insert(Arc::clone(identity));
                    }
                    known += 1;
                }
                fits && !stop.load(Relaxed)
            };
            let mut checked = match look {
                Look::AtFrames => survey::glance(sequence, &path, &|| !stop.load(Relaxed)),
                Look::AtContent => survey::check(sequence, &path, max_names, &mut seen),
            };
            // It is set aside once: what is whole of it has to make sense too.
            if look == Look::AtFrames && matches!(&checked, Ok(Some(Checked { damage: Some(_), .. }))) {
                checked = survey::check(sequence, &path, max_names, &mut |_| !stop.load(Relaxed));
            }
            if stop.load(Relaxed) {
                return Err(Ended::Stopped);
            }
            let checked = match checked {
                Ok(Some(checked)) => checked,
                Ok(None) => continue,
                Err(damage) => {
                    self.set_aside(damage, 0, found);
                    continue;
                }
            };
            if look == Look::AtFrames {
                // Segments have names in common: how many different ones there are, only the names tell.
                named = named.saturating_add(checked.names);
                if checked.has_too_many || named > max_names {
                    return Err(Ended::TooQuick);
                }
            }
            fits &= !checked.has_too_many;
            if !fits {
                let newest = survey::open(sequence, &path).ok().and_then(FrameReader::last_timestamp);
                found.kept.push(Kept { sequence, generations: checked.generations.max(1), newest });
                found.too_many_names += 1;
                continue;
            }
            if let Some(damage) = checked.damage {
                self.set_aside(damage, checked.whole, found);
            }
            if checked.generations == 0 {
                // A program that ends again and again before its first generation leaves nothing.
                if self.lock.is_some() {
                    remove(&path, &mut found.left);
                }
                continue;
            }
            generations += checked.generations;
            let newest = checked.window.map(|(_, newest)| newest);
            found.kept.push(Kept { sequence, generations: checked.generations, newest });
            wanted.push(Wanted { sequence, path, whole: checked.whole });
        }
        found.kept.reverse();
        wanted.reverse();
        Ok(wanted)
    }

    /// Gives a damaged segment another name, and puts what is whole of it in its place.
    fn set_aside(&self, damage: Damage, whole: u64, found: &mut Found) {
        let path = &damage.file;
        // A reader leaves all as it is, and nobody moves what is no file.
        if self.lock.is_none() || must_be_regular(path).is_err() {
            found.left.push(damage);
            return;
        }
        match rename_aside(path, whole) {
            Ok(()) => found.damage.push(damage),
            Err(why) => found.left.push(unreadable(path, &why)),
        }
    }

    /// Finishes what [`rename_aside`] was kept from.
    fn finish_repairs(&self, left: &mut Vec<Damage>) {
        for name in self.names(left) {
            let path = self.directory.join(&name);
            let is_mine = |extension| {
                let sequence = sequence_with(&name, extension);
                sequence.filter(|sequence| *sequence < self.before && must_be_regular(&path).is_ok())
            };
            if let Some(sequence) = is_mine(".repaired") {
                let target = segment_path(&self.directory, sequence);
                if fs::symlink_metadata(&target).is_ok() {
                    remove(&path, left);
                } else if let Err(why) = fs::rename(&path, &target) {
                    left.push(unreadable(&path, &why));
                }
            } else if is_mine(".new").is_some() {
                remove(&path, left);
            }
        }
    }

    fn forget_set_aside(&self, left: &mut Vec<Damage>) {
        let mut aside = self.names(left);
        aside.retain(|name| {
            name.strip_suffix(".damaged").and_then(sequence_of).is_some()
                && must_be_regular(self.directory.join(name)).is_ok()
        });
        let many = aside.len().saturating_sub(SET_ASIDE);
        aside[..many].iter().for_each(|name| remove(&self.directory.join(name), left));
    }

    /// Returns the names in the directory, sorted.
    fn names(&self, left: &mut Vec<Damage>) -> Vec<String> {
        let read = || -> io::Result<Vec<String>> {
            let names = fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
            Ok(names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        let mut names = read().unwrap_or_else(|why| {
            left.push(unreadable(&self.directory, &why));
            Vec::new()
        });
        names.sort();
        names
    }
}

fn unreadable(path: &Path, why: &io::Error) -> Damage {
    Damage { file: path.to_owned(), offset: 0, kind: DamageKind::Unreadable(why.to_string()) }
}

fn remove(path: &Path, left: &mut Vec<Damage>) {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => left.push(unreadable(path, &why)),
        _ => {}
    }
}

fn rename_aside(path: &Path, whole: u64) -> io::Result<()> {
    let repaired = path.with_extension("repaired");
    let has_whole = whole > HEADER_BYTES as u64;
    if has_whole {
        write_new(&repaired, &mut open_regular(path)?.take(whole))?;
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    fs::rename(path, aside)?;
    if has_whole {
        fs::rename(&repaired, path)?;
    }
    Ok(())
}
