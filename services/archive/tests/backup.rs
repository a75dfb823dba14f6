//! A backup that is made while measures come has everything that was acknowledged before it.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Error, Kind, Method, Options, Point, Range, SECOND, Sync};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::time::Duration;

fn options() -> Options {
    // Changes are stored, and files of the log begun and deleted, all the time.
    Options { store_every: Duration::from_millis(3), log_file: 1000, sync: Sync::None, ..Options::default() }
}

#[test]
fn a_backup_of_a_running_archive_has_what_was_acknowledged() {
    let scratch = Scratch::new("backup");
    let archive = Archive::open(&scratch.path().join("archive"), options()).unwrap();
    let metric = archive.new_metric("me", Some("x")).unwrap();
    archive.add_metrics(std::slice::from_ref(&metric)).unwrap();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicI64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while !stop.load(SeqCst) {
                archive.append(vec![(metric.id, vec![Point { at: next * SECOND, value: 1.0 }])]).unwrap();
                next += 1;
                acknowledged.store(next, SeqCst);
            }
        });
        for round in 0..5 {
            while acknowledged.load(SeqCst) < round * 300 {
                std::thread::yield_now();
            }
            let before = acknowledged.load(SeqCst);
            let backup = scratch.path().join(format!("backup-{round}"));
            archive.backup(&backup).unwrap();
            let after = acknowledged.load(SeqCst);
            let copy = scratch.path().join(format!("copy-{round}"));
            Archive::restore(&backup, &copy).unwrap();
            let copy = Archive::open(&copy, options()).unwrap();
            let counts = copy.measures(metric.id, Method::of(Kind::Count), 300 * SECOND, Range::default()).unwrap();
            let there: f64 = counts.iter().map(|point| point.value).sum();
            assert!(
                (before as f64..=after as f64 + 1.0).contains(&there),
                "{before} to {after}, and {there} are there"
            );
            assert_eq!(copy.account(metric.id).unwrap().accepted as f64, there);
        }
        stop.store(true, SeqCst);
    });
}

#[test]
fn only_a_whole_backup_becomes_an_archive_and_only_where_nothing_is() {
    let scratch = Scratch::new("backup-refused");
    let archive = Archive::open(&scratch.path().join("archive"), options()).unwrap();
    let backup = scratch.path().join("backup");
    archive.backup(&backup).unwrap();
    let refused = |result: Result<(), Error>, words: &str| match result {
        Err(Error::Invalid(text)) => assert!(text.contains(words), "{text}"),
        other => panic!("{other:?}"),
    };
    refused(archive.backup(&backup), "not empty");
    refused(Archive::restore(&backup, &scratch.path().join("archive")), "not empty");
    refused(Archive::restore(scratch.path(), &scratch.path().join("new")), "no backup");
    std::fs::write(backup.join("backup"), "something else").unwrap();
    refused(Archive::restore(&backup, &scratch.path().join("new")), "another form");
}
