//! Tests that generations are read back, by this process and by the next, and that changed bytes are never taken for what was written.
//!
//! One test for each way of coming back; hence the length.

use super::paths::*;
use super::*;
use crate::generation::Generation;
use crate::record::Identity;
use crate::store::tests::{identity, said, steps};
use crate::store::{Place, Store};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(unix)]
mod full_disk;
#[cfg(unix)]
mod strange;

/// A directory of its own, deleted in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ferrometer-files-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // A process of the same number may have left one.
        let _ = fs::remove_dir_all(&path);
        Directory(path)
    }

    /// The writer of a directory, and what was there, read to its end.
    fn open(&self, keep: usize) -> (WriterLease, Generations) {
        let (mut sink, past) = WriterLease::open(&self.0, keep, i64::MAX).unwrap();
        let there = load(&mut sink, &past);
        (sink, there)
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.retain(|path| sequence_of(path.file_name().unwrap().to_str().unwrap()).is_some());
        all.sort();
        all
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

type Generations = std::vec::IntoIter<Arc<Generation>>;

fn load(sink: &mut WriterLease, past: &Past) -> Generations {
    let (all, found) = read_all(past, usize::MAX);
    sink.found(found);
    all.into_iter()
}

/// Reads all generations that have no more than this many names in all.
fn read_all(past: &Past, max_names: usize) -> (Vec<Arc<Generation>>, Found) {
    let mut all = Vec::new();
    let step = |step| match step {
        Step::Generation(generation) => all.push(generation),
        Step::Again => all.clear(),
    };
    let found = past.load(max_names, &AtomicBool::new(false), step).unwrap();
    (all, found)
}

type Said = Vec<(i64, Vec<(String, u64)>)>;

fn all(history: impl Iterator<Item = Arc<Generation>>) -> Said {
    history.map(|g| (g.timestamp(), said(&g))).collect()
}

fn push(store: &mut Store, second: i64, values: &[(usize, f64)]) -> (Arc<Generation>, bool) {
    let mut row = crate::coding::Row::default();
    for (number, value) in values {
        row.set(store.table().column(&identity(*number, 0.1)) as usize, *value);
    }
    let replaces = store.place(second) == Place::Replace;
    (Arc::clone(store.push(second, row).newest()), replaces)
}

/// Writes `count` generations of ten values, ten seconds apart, from `first` on.
fn write(sink: &mut WriterLease, first: i64, count: i64) -> Said {
    let mut store = Store::new(1000, i64::MAX);
    let make = |at: i64| {
        let values: Vec<_> = (0..10).map(|n| (n, (at * 7 + n as i64) as f64 * 0.37)).collect();
        let (made, replaces) = push(&mut store, first + at * 10, &values);
        sink.write(&made, replaces);
        made
    };
    all((0..count).map(make))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_generation_is_read_back_bit_by_bit(lives in prop::collection::vec(steps(30), 1..4), keep in 0usize..40) {
        let directory = Directory::new();
        let (mut expected, mut second) = (Said::new(), 1000i64);
        for life in lives {
            let (mut sink, history) = directory.open(keep);
            let mut store = Store::new(keep, i64::MAX);
            history.for_each(|generation| drop(store.restore(&generation)));
            let kept = expected.len().saturating_sub(keep + 1);
            prop_assert_eq!(all(store.view().history(None)), &expected[kept..]);
            for (step, values) in life {
                second = second.saturating_add(step);
                let (made, replaces) = push(&mut store, second, &values);
                if replaces {
                    expected.pop();
                }
                expected.push((made.timestamp(), said(&made)));
                sink.write(&made, replaces);
            }
            prop_assert_eq!((sink.state.failed, sink.state.set_aside.len()), (0, 0));
            let read = read(&directory.0).unwrap();
            prop_assert!(read.damage().is_empty());
            let window = read.window();
            let read = all(read);
            prop_assert_eq!(window, Some((read[0].0, read[read.len() - 1].0)));
            prop_assert!(read.len() > keep.min(expected.len() - 1) && expected.ends_with(&read));
            // Segments that are not needed are deleted, one at a time.
            prop_assert!(read.len() <= keep + 1 + 30 + (keep / 4).max(8));
        }
    }
}

#[test]
fn what_ends_within_a_generation_is_read_up_to_there() {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(100);
    let written = write(&mut sink, 1000, 5);
    drop(sink);
    let path = directory.segments().remove(0);
    let whole = fs::read(&path).unwrap();
    let mut lengths = Vec::new();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        match read(&directory.0) {
            Ok(history) => {
                let torn = !history.damage().is_empty();
                let read = all(history);
                assert!(written.starts_with(&read) && read.len() < written.len(), "{length}");
                // Where a frame ends, nothing is missing.
                if !torn {
                    lengths.push(length);
                }
            }
            Err(ReadError::Damaged { damage }) => assert!(damage.len() == 1 && length < 32, "{length}"),
            Err(other) => panic!("{length}: {other}"),
        }
    }
    assert_eq!(lengths.len(), 5, "{lengths:?}");
}

#[test]
fn no_changed_byte_is_believed() {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(100);
    let written = write(&mut sink, 1000, 4);
    drop(sink);
    let path = directory.segments().remove(0);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            fs::write(&path, &changed).unwrap();
            match read(&directory.0) {
                Ok(history) => {
                    assert_eq!(history.damage().len(), 1, "{at}");
                    assert!(history.damage()[0].offset <= at as u64);
                    let read = all(history);
                    assert!(written.starts_with(&read) && read.len() < written.len(), "{at}");
                }
                Err(ReadError::Damaged { damage }) => assert!(damage.len() == 1 && at < 32, "{at}"),
                Err(other) => panic!("{at}: {other}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    /// Bytes with the right checksums that nobody wrote: what a fuzzer would get to only after long.
    #[test]
    fn content_of_any_origin_is_read_or_refused(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4)) {
        let mut bytes = segment::header(1, 0).to_vec();
        for mut payload in payloads {
            // Half of them with few columns, so that names are read.
            if payload.len() > 8 && payload[0] & 1 == 0 {
                payload[7] = 0;
                payload[8] &= 7;
            }
            bytes.extend(segment::frame_of(1, bytes.len() as u64, &payload));
        }
        let mut reader = frame_reader::FrameReader::new(bytes.as_slice().into(), bytes.len(), 1).unwrap();
        while let Ok(Some(generation)) = reader.next() {
            prop_assert!(generation.records().all(|r| r.value.is_finite()));
        }
        // As a fuzzer would, from anywhere.
        (0..bytes.len()).for_each(|from| drop(walk(&bytes[from..])));
    }

    #[test]
    fn names_of_any_origin_are_read_or_refused(flags in 0u8..64, bytes in prop::collection::vec(0u8..8, 0..60)) {
        let payload = [&[0; 8][..], &[2, flags], &bytes].concat();
        let segment = [&segment::header(1, 0)[..], &segment::frame_of(1, 32, &payload)].concat();
        let _ = walk(&segment);
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_what_is_whole_of_it_goes_on() {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(100);
    let mut expected = write(&mut sink, 1000, 5);
    drop(sink);
    let path = directory.segments().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    expected.pop();

    let (mut sink, history) = directory.open(100);
    assert_eq!(all(history), expected);
    assert_eq!(sink.state.set_aside.len(), 1);
    assert_eq!((&sink.state.set_aside[0].file, &sink.state.set_aside[0].kind), (&path, &DamageKind::Torn));
    let aside = PathBuf::from(format!("{}.damaged", path.display()));
    assert_eq!(fs::read(&aside).unwrap(), bytes);
    expected.extend(write(&mut sink, 2000, 3));
    drop(sink);
    let history = read(&directory.0).unwrap();
    assert!(history.damage().is_empty());
    assert_eq!(all(history), expected);

    // One that ends within its first generation holds nothing.
    let segments = directory.segments();
    let first = fs::read(&segments[segments.len() - 1]).unwrap();
    let newest = sequence_of(segments[segments.len() - 1].file_name().unwrap().to_str().unwrap()).unwrap();
    let torn = [&segment::header(newest + 1, 0)[..], &first[32..50]].concat();
    fs::write(segment_path(&directory.0, newest + 1), torn).unwrap();
    let (sink, history) = directory.open(100);
    assert_eq!((all(history), sink.state.set_aside.len()), (expected.clone(), 1));
    drop(sink);
    fs::remove_file(directory.0.join(format!("generations-{:020}.ferro.damaged", newest + 1))).unwrap();

    // A foreign file, a file of another version, and one under another's name.
    let segments = directory.segments();
    let newest = sequence_of(segments[1].file_name().unwrap().to_str().unwrap()).unwrap();
    fs::write(segment_path(&directory.0, newest + 1), b"#!/bin/sh\necho hello\n").unwrap();
    fs::copy(&segments[1], segment_path(&directory.0, newest + 2)).unwrap();
    fs::write(segment_path(&directory.0, newest + 3), segment::header_of_version(7, newest + 3)).unwrap();
    fs::write(segment_path(&directory.0, newest + 4), b"").unwrap();
    let (sink, history) = directory.open(100);
    assert_eq!(all(history), expected);
    let kinds: Vec<_> = sink.state.set_aside.iter().map(|damage| damage.kind.clone()).collect();
    let foreign = DamageKind::Foreign;
    assert_eq!(kinds, [foreign.clone(), foreign.clone(), DamageKind::Version(7), foreign]);
    drop(sink);
    assert!(read(&directory.0).unwrap().damage().is_empty());
    // No more than four are kept, the newest.
    let aside = fs::read_dir(&directory.0)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().extension().unwrap_or_default() == "damaged");
    assert_eq!(aside.count(), 4);
}

/// A segment of version 1 is one of version 2 in which nothing belongs to an object.
/// Makes a frame behind the others of a file: with a checksum that is right, and content that makes no sense.
fn spoil(path: &Path, timestamp: i64) -> u64 {
    let mut bytes = fs::read(path).unwrap();
    let sequence = sequence_of(path.file_name().unwrap().to_str().unwrap()).unwrap();
    let (whole, mut payload) = (bytes.len() as u64, timestamp.to_le_bytes().to_vec());
    // More names than there are bytes.
    payload.extend([100, 1, 2, 3]);
    bytes.extend(segment::frame_of(sequence, whole, &payload));
    fs::write(path, bytes).unwrap();
    whole
}

#[test]
fn content_without_sense_is_found_while_generations_are_handed_out_and_each_comes_once() {
    let directory = Directory::new();
    let mut expected = Said::new();
    for life in 0..3 {
        let (mut sink, _) = directory.open(100);
        expected.extend(write(&mut sink, 1000 * (life + 1), 5));
    }
    let segments = directory.segments();
    let spoilt: Vec<_> =
        (1..3).map(|at| (segments[at].clone(), spoil(&segments[at], 1000 * (at as i64 + 1) + 900))).collect();

    // Anyone who may not tidy leaves it, and reads what is whole.
    let past = |lock| Past { directory: directory.0.clone(), before: u64::MAX, keep: 100, newest: None, lock };
    let (generations, found) = read_all(&past(None), usize::MAX);
    assert_eq!(all(generations.into_iter()), expected);
    let places = |damage: &[Damage]| damage.iter().map(|one| (one.file.clone(), one.offset)).collect::<Vec<_>>();
    assert_eq!((places(&found.damage), found.left.len()), (vec![], 2));

    let (sink, history) = directory.open(100);
    assert_eq!(all(history), expected);
    assert_eq!(places(&sink.state.set_aside), spoilt);
    assert!(sink.state.set_aside.iter().all(|damage| damage.kind == DamageKind::Content));
    drop(sink);
    let history = read(&directory.0).unwrap();
    assert!(history.damage().is_empty());
    assert_eq!(all(history), expected);
}

#[test]
fn what_version_1_wrote_is_still_read() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let labels = ferrometer_export::Labels::of_record([("k", "v")].into_iter());
    let kind = crate::record::RecordType::Derive;
    let head = crate::record::Head::new("a.b", None, kind, crate::record::Part::Total, 0.5);
    let identity = Identity::new(Arc::new(head), labels);
    let mut table = crate::generation::Table::default();
    let column = table.column(&Arc::new(identity));
    let mut row = crate::coding::Row::default();
    row.set(column as usize, 12.0);
    let generation = Generation::new(1000, Arc::clone(table.columns()), row);
    let frame = frame_writer::FrameWriter::new(3).frame(&generation).unwrap();
    // The bytes before the name say nothing of objects: the flags of version 1 alone.
    assert_eq!(frame[17] & 0xc0, 0);
    let bytes = [&segment::header_of_version(1, 3)[..], &frame].concat();
    fs::write(segment_path(&directory.0, 3), bytes).unwrap();
    let history = read(&directory.0).unwrap();
    assert!(history.damage().is_empty());
    let read: Vec<_> = history.collect();
    let record = read[0].records().next().unwrap();
    assert_eq!((record.id, record.metric, record.value, read.len()), ("host", "a.b", 12.0, 1));
}

#[test]
fn an_unreadable_cache_is_not_an_empty_one() {
    let directory = Directory::new();
    assert!(matches!(read(&directory.0), Err(ReadError::Io { .. })));
    fs::create_dir(&directory.0).unwrap();
    assert!(matches!(read(&directory.0), Err(ReadError::NotACache { .. })));
    let file = directory.0.join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(read(&file), Err(ReadError::NotACache { .. })));
    let refused = WriterLease::open(&file, 10, 10).unwrap_err();
    assert!(refused.to_string().contains("is a file; what is wanted is a directory"), "{refused}");
    let deep = WriterLease::open(&directory.0.join("a/b"), 10, 10).unwrap_err();
    assert!(
        matches!(deep, OpenError::Io { .. }) && deep.to_string().contains("the directory above it is missing"),
        "{deep}"
    );
    let (sink, history) = directory.open(10);
    assert_eq!(history.count(), 0);
    assert_eq!(read(&directory.0).unwrap().count(), 0);
    drop(sink);
    fs::write(&directory.segments()[0], b"FERR").unwrap();
    let refused = read(&directory.0).unwrap_err();
    assert!(matches!(refused, ReadError::Damaged { .. }));
    assert!(refused.to_string().contains("ends within"), "{refused}");
}

#[test]
fn what_cannot_be_written_is_counted_and_the_next_that_can_is() {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(8);
    let mut expected = write(&mut sink, 1000, 8);
    // The next segment cannot have its name.
    let taken = segment_path(&directory.0, 2);
    fs::create_dir_all(taken.join("x")).unwrap();
    write(&mut sink, 2000, 3);
    assert_eq!((sink.state.written, sink.state.failed), (8, 3));
    assert!(sink.state.last_error.is_some());
    assert!(!directory.0.join("generations-00000000000000000002.new").exists());
    fs::remove_dir_all(taken).unwrap();
    expected.extend(write(&mut sink, 3000, 3));
    assert_eq!((sink.state.written, sink.state.failed), (11, 3));
    assert_eq!(all(read(&directory.0).unwrap()), expected);
}

#[cfg(unix)]
#[test]
fn what_somebody_removed_is_begun_again() {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(100);
    write(&mut sink, 1000, 3);
    fs::remove_dir_all(&directory.0).unwrap();
    let mut expected = write(&mut sink, 2000, 3);
    assert_eq!((sink.state.written, sink.state.failed), (6, 0));
    assert_eq!(all(read(&directory.0).unwrap()), expected);
    // The segment alone.
    fs::remove_file(&directory.segments()[0]).unwrap();
    expected = write(&mut sink, 3000, 3);
    assert_eq!(all(read(&directory.0).unwrap()), expected);
    // The lock alone: the others stay in use.
    fs::remove_file(directory.0.join("lock")).unwrap();
    expected.extend(write(&mut sink, 4000, 3));
    assert_eq!((sink.state.written, sink.state.failed), (12, 0));
    assert_eq!(all(read(&directory.0).unwrap()), expected);
    // Another process has taken the place meanwhile: nothing is written among its files.
    fs::remove_dir_all(&directory.0).unwrap();
    let (other, _) = writer::Writer::open(&directory.0, writer::Bounds { keep: 100, window: i64::MAX }).unwrap();
    let its = directory.segments();
    write(&mut sink, 5000, 3);
    assert_eq!((sink.state.written, sink.state.failed), (12, 3));
    assert!(sink.state.last_error.as_ref().unwrap().contains("another process"), "{:?}", sink.state);
    assert_eq!(directory.segments(), its);
    // Its end gives it back.
    drop(other);
    expected = write(&mut sink, 6000, 3);
    assert_eq!((sink.state.written, sink.state.failed), (15, 3));
    assert_eq!(all(read(&directory.0).unwrap()), expected);
}

#[test]
fn a_backend_of_this_process_takes_over() {
    let directory = Directory::new();
    let (mut old, _) = directory.open(100);
    let mut expected = write(&mut old, 1000, 3);
    let (mut new, history) = directory.open(100);
    assert_eq!(all(history), expected);
    // Until its first generation the old one writes.
    expected.extend(write(&mut old, 2000, 2));
    assert_eq!(
        all({
            let past = new.take_over().unwrap();
            load(&mut new, &past)
        }),
        expected
    );
    assert!(new.take_over().is_none());
    expected.extend(write(&mut new, 3000, 2));
    write(&mut old, 4000, 2);
    assert_eq!(all(read(&directory.0).unwrap()), expected);
    drop((old, new));
    assert_eq!(all(directory.open(100).1), expected);
}

#[test]
fn many_flushes_in_one_second_do_not_fill_the_disk() {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(100);
    let mut store = Store::new(100, i64::MAX);
    for n in 0..1000 {
        let (made, replaces) = push(&mut store, 5, &[(0, f64::from(n))]);
        sink.write(&made, replaces);
    }
    let bytes: u64 = directory.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 500, "{bytes}");
    let (made, replaces) = push(&mut store, 6, &[(0, 1.0)]);
    sink.write(&made, replaces);
    assert_eq!(read(&directory.0).unwrap().map(|g| g.timestamp()).collect::<Vec<_>>(), [5, 6]);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let (_sink, _) = directory.open(10);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.0) & 0o027, 0);
    assert_eq!(mode(&directory.segments()[0]) & 0o137, 0);
    assert_eq!(mode(&directory.0.join("lock")) & 0o137, 0);
}

#[test]
fn a_program_may_change_its_directory() {
    let directory = Directory::new();
    fs::create_dir_all(&directory.0).unwrap();
    let link = directory.0.join("link");
    fs::create_dir(directory.0.join("first")).unwrap();
    fs::create_dir(directory.0.join("second")).unwrap();
    // A link that is turned elsewhere stands for a working directory, which is one for all tests.
    std::os::unix::fs::symlink(directory.0.join("first"), &link).unwrap();
    let (mut sink, _) = WriterLease::open(&link.join("cache"), 8, i64::MAX).unwrap();
    let mut expected = write(&mut sink, 1000, 8);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(directory.0.join("second"), &link).unwrap();
    expected.extend(write(&mut sink, 2000, 20));
    assert_eq!(sink.state.failed, 0);
    let found = all(read(directory.0.join("first/cache")).unwrap());
    assert!(expected.ends_with(&found) && found.len() >= 9, "{}", found.len());
}
