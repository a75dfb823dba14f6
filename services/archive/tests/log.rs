//! The log of an archive, opened on files that a crash or a disk left damaged.

mod common;

use common::Scratch;
use ferrometer_archive::{Batch, Incoming, Log, Point, Replayed, Sink, Sync};
use std::path::Path;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// Opens a log and reads it: the numbers of its batches, and those that are appended later.
fn open(directory: &Path) -> (Log, Arc<Mutex<Vec<u64>>>, Replayed) {
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let sink: Sink = {
        let seen = Arc::clone(&seen);
        Arc::new(move |number, _: Batch| seen.lock().unwrap().push(number))
    };
    let log = Log::open(directory, Sync::None, 1 << 20, sink).unwrap();
    let replayed = log.replay().unwrap();
    (log, seen, replayed)
}

fn append(log: &Log) -> u64 {
    log.append(vec![(Uuid::from_u128(1), vec![Point { at: 1, value: 1.0 }])]).unwrap()
}

#[test]
fn files_without_a_record_take_neither_numbers_nor_the_name_of_a_new_one() {
    let scratch = Scratch::new("log-without-records");
    let file = |number: u64, bytes: &[u8]| {
        std::fs::write(scratch.path().join(format!("{number:020}.log")), bytes).unwrap();
    };
    let (log, ..) = open(scratch.path());
    assert_eq!([(); 3].map(|()| append(&log)), [1, 2, 3]);
    drop(log);
    // A file that holds nothing readable, with another one behind it.
    file(4, b"torn");
    file(5, b"");
    let (log, seen, replayed) = open(scratch.path());
    assert_eq!((&seen.lock().unwrap()[..], replayed.batches, replayed.damaged), (&[1, 2, 3][..], 3, 1));
    let next = append(&log);
    assert!(next > 4, "{next}");
    drop(log);
    // A name that is too small for a number before it.
    file(0, b"");
    let (log, seen, _) = open(scratch.path());
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3, next]);
    assert!(append(&log) > next);
}

#[test]
fn numbers_never_fall_whatever_order_files_hold_them_in() {
    let scratch = Scratch::new("log-order");
    let (log, ..) = open(scratch.path());
    let first = append(&log);
    drop(log);
    let (log, ..) = open(scratch.path());
    let second = append(&log);
    drop(log);
    // The second file stands for the first one, too: a copy under the name that comes last.
    let name = |number: u64| scratch.path().join(format!("{number:020}.log"));
    std::fs::copy(name(first), name(second + 1)).unwrap();
    let (log, seen, _) = open(scratch.path());
    assert_eq!(*seen.lock().unwrap(), [first, second, first]);
    assert!(append(&log) > second);
}

/// A directory, a pipe, a link to nothing and names that are not ours stop no opening, and stay.
#[cfg(unix)]
#[test]
fn foreign_names_are_left_alone() {
    let scratch = Scratch::new("log-foreign");
    let (log, ..) = open(scratch.path());
    let numbers = [append(&log), append(&log)];
    drop(log);
    let path = |name: &str| scratch.path().join(name);
    std::fs::create_dir(path("00000000000000000100.log")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(path("00000000000000000101.log")).status().unwrap();
    assert!(pipe.success());
    std::os::unix::fs::symlink("nowhere", path("00000000000000000102.log")).unwrap();
    let others = ["1.log", "+0000000000000000001.log", "x.log", "000000000000000000001.log"];
    others.iter().for_each(|name| std::fs::write(path(name), "what is not ours").unwrap());
    let (log, seen, replayed) = open(scratch.path());
    assert_eq!((replayed.batches, replayed.damaged, replayed.cut), (2, 0, 0));
    assert_eq!(*seen.lock().unwrap(), numbers);
    assert!(append(&log) > numbers[1]);
    drop(log);
    assert_eq!(open(scratch.path()).2.batches, 3);
    others.iter().for_each(|name| assert_eq!(std::fs::read(path(name)).unwrap(), b"what is not ours"));
}
