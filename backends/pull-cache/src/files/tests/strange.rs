//! Tests with things that others put into a cache's directory: nobody waits for them, nobody touches them, and no start fails because of them.

use super::*;
use ferrometer_export::must_be_regular;
use std::process::Command;

/// A directory with one life of five generations, and what they say.
fn lived() -> (Directory, Said) {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(100);
    let written = write(&mut sink, 1000, 5);
    (directory, written)
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn names(directory: &Directory) -> Vec<String> {
    let mut all: Vec<_> =
        fs::read_dir(&directory.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

#[test]
fn a_pipe_in_the_place_of_a_segment_is_told_and_left() {
    let (directory, written) = lived();
    let fifo = segment_path(&directory.0, 7);
    make_fifo(&fifo);
    let damage = Damage {
        file: fifo.clone(),
        offset: 0,
        kind: DamageKind::Unreadable("it is a named pipe (FIFO), not a file".into()),
    };
    let history = read(&directory.0).unwrap();
    assert_eq!(history.damage(), std::slice::from_ref(&damage));
    assert_eq!(all(history), written);
    // Each start goes on behind it.
    for n in 1..=2 {
        let (mut sink, history) = directory.open(100);
        assert_eq!((&sink.state.left, &sink.state.set_aside), (&vec![damage.clone()], &Vec::new()), "{n}");
        assert_eq!(history.count(), written.len() + n - 1);
        write(&mut sink, 2000 + n as i64, 1);
        assert_eq!((sink.state.written, sink.state.failed), (1, 0));
    }
    assert!(must_be_regular(&fifo).is_err());
}

#[test]
fn a_pipe_in_the_place_of_the_lock_is_an_error_that_names_it() {
    let (directory, _) = lived();
    let lock = directory.0.join("lock");
    fs::remove_file(&lock).unwrap();
    make_fifo(&lock);
    let refused = WriterLease::open(&directory.0, 10, 10).unwrap_err().to_string();
    assert_eq!(refused, format!("{}: it is a named pipe (FIFO), not a file", lock.display()));
}

#[test]
fn directories_with_the_names_of_segments_are_left_at_every_start() {
    let (directory, written) = lived();
    for start in 1..=7 {
        fs::create_dir(segment_path(&directory.0, start * 1000)).unwrap();
        let (sink, history) = directory.open(100);
        assert_eq!(all(history), written, "{start}");
        let left: Vec<_> = sink.state.left.iter().map(|left| left.kind.clone()).collect();
        assert_eq!(left, vec![DamageKind::Unreadable("it is a directory".into()); start as usize]);
        assert_eq!(sink.state.set_aside, []);
    }
    assert_eq!((1..=7).filter(|start| segment_path(&directory.0, start * 1000).is_dir()).count(), 7);
}

#[test]
fn directories_with_other_names_of_ours_are_left_too() {
    let (directory, written) = lived();
    let mut strange: Vec<String> = (2..9)
        .flat_map(|n| ["new", "repaired", "ferro.damaged"].map(|end| format!("generations-{n:020}.{end}")))
        .collect();
    strange.sort();
    strange.iter().for_each(|name| fs::create_dir(directory.0.join(name)).unwrap());
    let (mut sink, history) = directory.open(1);
    assert!(written.ends_with(&all(history)));
    // While it writes too: the next segment has the number of one that somebody prepares now.
    let next = sequence_of(directory.segments().last().unwrap().file_name().unwrap().to_str().unwrap()).unwrap() + 1;
    let late = directory.0.join(format!("generations-{next:020}.new"));
    fs::create_dir(&late).unwrap();
    write(&mut sink, 2000, 40);
    assert_eq!((sink.state.written, sink.state.failed), (40, 0), "{:?}", sink.state.last_error);
    let there = names(&directory);
    assert!(strange.iter().all(|name| there.contains(name)) && late.is_dir(), "{there:?}");
    assert!(sequence_of(directory.segments().last().unwrap().file_name().unwrap().to_str().unwrap()) > Some(next));
}

#[test]
fn a_segment_whose_place_somebody_took_is_as_good_as_deleted() {
    let directory = Directory::new();
    let (mut sink, _) = directory.open(8);
    write(&mut sink, 1000, 20);
    let oldest = directory.segments()[0].clone();
    fs::remove_file(&oldest).unwrap();
    fs::create_dir(&oldest).unwrap();
    write(&mut sink, 2000, 40);
    assert_eq!((sink.state.written, sink.state.failed), (60, 0), "{:?}", sink.state.last_error);
    assert!(oldest.is_dir() && directory.segments().len() < 8);
}

#[test]
fn the_files_of_others_are_not_touched() {
    let (directory, written) = lived();
    let others = [
        "notes.repaired",
        "notes.ferro",
        "notes.ferro.damaged",
        "a.ferro.damaged",
        "b.ferro.damaged",
        "c.ferro.damaged",
        "d.ferro.damaged",
        "generations-1.repaired",
        "generations-.new",
        "generations-00000000000000000001.new.new",
        "generations-00000000000000000001.repaired.new",
    ];
    others.iter().for_each(|name| fs::write(directory.0.join(name), *name).unwrap());
    for _ in 0..2 {
        let (sink, history) = directory.open(100);
        assert_eq!((all(history), &sink.state.left), (written.clone(), &Vec::new()));
    }
    for name in others {
        assert_eq!(fs::read_to_string(directory.0.join(name)).unwrap(), name);
    }
}

/// A life with names of its own: `count` from `from` on.
fn live(directory: &Directory, second: i64, from: usize, count: usize) {
    let (mut sink, _) = directory.open(1000);
    let mut store = Store::new(1000, i64::MAX);
    let values: Vec<_> = (from..from + count).map(|n| (n, n as f64)).collect();
    let (made, replaces) = push(&mut store, second, &values);
    sink.write(&made, replaces);
}

#[test]
fn no_more_names_of_earlier_lives_come_back_than_there_may_be() {
    let directory = Directory::new();
    (0..10).for_each(|life| live(&directory, 1000 + life, 10 * life as usize, 10));
    // Repeated names count once.
    live(&directory, 1010, 90, 10);
    let load = |names: usize| {
        let (mut sink, past) = WriterLease::open(&directory.0, 1000, i64::MAX).unwrap();
        let (all, found) = read_all(&past, names);
        let too_many = found.too_many_names;
        sink.found(found);
        (all.iter().map(|generation| generation.timestamp()).collect::<Vec<_>>(), too_many)
    };
    assert_eq!(load(100), ((1000..=1010).collect(), 0));
    assert_eq!(load(35), (vec![1007, 1008, 1009, 1010], 7));
    // The limits were lowered below what one life had.
    assert_eq!(load(9), (vec![], 11));
    // Generations that are not taken in stay where they are, for readers, until they are too old.
    assert_eq!(read(&directory.0).unwrap().count(), 11);
    let (mut sink, past) = WriterLease::open(&directory.0, 2, i64::MAX).unwrap();
    sink.found(read_all(&past, 9).1);
    write(&mut sink, 2000, 5);
    assert_eq!(read(&directory.0).unwrap().count(), 5);
}
