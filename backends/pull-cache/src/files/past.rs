//! Generations that earlier writers left in a directory: tidied and read beside the program, while new generations are written already.
//!
//! Only files of names that are given here are touched, and only where they are files. What cannot be tidied is told and left.

use super::create::write_new;
use super::damage::{Damage, DamageKind};
use super::frame_reader::FrameReader;
use super::lock::Lock;
use super::paths::{segment_path, sequence_of, sequence_with};
use super::read::InOrder;
use super::segment::HEADER_BYTES;
use super::survey;
use crate::generation::Generation;
use crate::record::Identity;
use ferrometer_export::{must_be_regular, open_regular};
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
    pub(super) lock: Option<Arc<Lock>>,
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

    /// Hands out the generations, oldest first: the newest of those that have no more than `max_names` different names in all. `None` when
    /// it was told to stop.
    pub(crate) fn load(
        &self,
        max_names: usize,
        stop: &AtomicBool,
        mut each: impl FnMut(Arc<Generation>),
    ) -> Option<Found> {
        let mut found =
            Found { before: self.before, kept: Vec::new(), damage: Vec::new(), left: Vec::new(), too_many_names: 0 };
        if self.lock.is_some() {
            self.finish_repairs(&mut found.left);
        }
        let wanted = self.survey(max_names, stop, &mut found)?;
        if self.lock.is_some() {
            self.forget_set_aside(&mut found.left);
        }
        let mut order = InOrder::default();
        for (sequence, path) in wanted {
            // One that was set aside and could not be repaired is gone.
            let Ok(mut reader) = survey::open(sequence, &path) else { continue };
            while let Ok(Some(generation)) = reader.next() {
                if stop.load(Relaxed) {
                    return None;
                }
                order.push(generation).into_iter().for_each(&mut each);
            }
        }
        order.end().into_iter().for_each(each);
        Some(found)
    }

    /// Looks all segments through, the newest first, and returns those to be read, oldest first.
    #[expect(clippy::mutable_key_type, reason = "the texts of a series, which labels may point to, never change")]
    fn survey(&self, max_names: usize, stop: &AtomicBool, found: &mut Found) -> Option<Vec<(u64, PathBuf)>> {
        let files = survey::segments(&self.directory).unwrap_or_else(|why| {
            found.left.push(unreadable(&self.directory, &why));
            Vec::new()
        });
        let mut names: HashSet<Arc<Identity>> = HashSet::new();
        let (mut wanted, mut generations, mut fits) = (Vec::new(), 0usize, true);
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
            let checked = survey::check(sequence, &path, max_names, &mut seen);
            if stop.load(Relaxed) {
                return None;
            }
            let checked = match checked {
                Ok(Some(checked)) => checked,
                Ok(None) => continue,
                Err(damage) => {
                    self.set_aside(damage, 0, found);
                    continue;
                }
            };
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
            wanted.push((sequence, path));
        }
        found.kept.reverse();
        found.damage.reverse();
        wanted.reverse();
        Some(wanted)
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
