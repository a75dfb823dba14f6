//! Sweeping: what lives of a file that is mostly replaced is appended again, many objects with a write, and the file deleted.

use super::record::{Head, Walk, next_head, read_head, write};
use super::{DELETED, Fill, HEAD, Packs, Place, name};
use crate::Error;
use crate::storage::Key;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroU32;

/// A file of less is not swept.
pub(super) const SMALL: u64 = 4 << 20;
/// Bytes of objects that are swept together, about.
const TOGETHER: usize = 1 << 20;

impl Packs {
    /// Appends what lives of files that are mostly replaced, and deletes them. It is called after a sync.
    ///
    /// # Errors
    /// [`Error::Io`]; then the files stay.
    pub fn sweep(&self) -> Result<(), Error> {
        loop {
            let current = {
                let mut writer = self.writer();
                let current = writer.file.get();
                let fill = self.with_index(|index| index.fills.get(&current).copied()).unwrap_or_default();
                // The file in use is closed when it is mostly replaced.
                if fill.total > SMALL && fill.live * 2 < fill.total {
                    self.mark(&mut writer)?;
                    writer.next_file();
                }
                writer.file.get()
            };
            let wanted = self.with_index(|index| {
                let sparse = |fill: &Fill| fill.live == 0 || (fill.live * 2 < fill.total && fill.total > SMALL);
                index.fills.iter().find(|(number, fill)| **number < current && sparse(fill)).map(|(number, _)| *number)
            });
            let Some(number) = wanted else { return Ok(()) };
            self.sweep_file(number)?;
        }
    }

    pub(super) fn sweep_file(&self, number: u32) -> Result<(), Error> {
        let Some(this) = NonZeroU32::new(number) else { return Ok(()) };
        let path = self.directory.join(name(number));
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let mut reader = Walk::new(file);
        let (mut moved, mut bytes, mut at) = (Vec::new(), 0, 0);
        while at < length {
            reader.go(at)?;
            match read_head(&mut reader)? {
                Some(Head::Mark) => at += 8,
                Some(Head::Object { key, length: DELETED, .. }) => {
                    let mut writer = self.writer();
                    // Older files may still have the object, and so may runs that do not know of the deletion.
                    let needed = self.ask_with(&mut writer, |index| {
                        let is_in_older = index.fills.keys().next().is_some_and(|oldest| *oldest < number);
                        let is_gone = index.places.get(&key)?.is_none();
                        Ok::<_, Error>(is_gone && (is_in_older || index.places.is_deleted(&key)))
                    })?;
                    if needed {
                        let mut record = Vec::with_capacity(HEAD);
                        write(&mut record, &key, None);
                        let (file, _) = self.append(&mut writer, &record)?;
                        let set = self.change_index(|index| index.set(key, file, None));
                        set.or_else(|error| self.heal(&mut writer, error))?;
                        self.spill(&mut writer);
                    }
                    at += HEAD as u64;
                }
                Some(Head::Object { key, length: size, .. }) => {
                    let place = Place { file: this, offset: at + HEAD as u64, length: size };
                    if self.ask(|index| index.places.get(&key))? == Some(place) {
                        let mut record = vec![0; HEAD + size as usize];
                        reader.go(at)?;
                        reader.read_exact(&mut record)?;
                        bytes += record.len();
                        moved.push((key, place, record));
                    }
                    at += (HEAD + size as usize) as u64;
                }
                None => at = next_head(&mut reader, at + 1, length)?.unwrap_or(length),
            }
            if bytes > TOGETHER {
                self.move_all(&mut moved)?;
                bytes = 0;
            }
        }
        self.move_all(&mut moved)?;
        self.mark(&mut self.writer())?;
        std::fs::remove_file(&path)?;
        self.change_index(|index| {
            index.files.remove(&number);
            index.fills.remove(&number);
        });
        Ok(())
    }

    /// Appends the records of objects that still are where they were read.
    fn move_all(&self, records: &mut Vec<(Key, Place, Vec<u8>)>) -> Result<(), Error> {
        let mut writer = self.writer();
        let are_there = self.ask_with(&mut writer, |index| {
            let is_there = |(key, place, _): &(Key, Place, Vec<u8>)| Ok(index.places.get(key)? == Some(*place));
            records.iter().map(is_there).collect::<Result<Vec<bool>, Error>>()
        })?;
        let mut are_there = are_there.into_iter();
        records.retain(|_| are_there.next() == Some(true));
        if records.is_empty() {
            return Ok(());
        }
        let bytes = records.iter().map(|(_, _, record)| &record[..]).collect::<Vec<_>>().concat();
        let (file, mut offset) = self.append(&mut writer, &bytes)?;
        let set = self.change_index(|index| {
            records.drain(..).try_for_each(|(key, place, record)| {
                let at = offset + HEAD as u64;
                offset += record.len() as u64;
                index.set(key, file, Some(Place { file, offset: at, ..place }))
            })
        });
        set.or_else(|error| self.heal(&mut writer, error))?;
        self.spill(&mut writer);
        Ok(())
    }
}
