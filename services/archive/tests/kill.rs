//! The process is killed at any moment: every acknowledged measure is there, once.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Definition, Kind, Method, Metric, Options, Point, Policy, Range, SECOND};
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

const METRICS: u128 = 3;
const DIRECTORY: &str = "FERROMETER_ARCHIVE_KILL_DIRECTORY";
const MEMORY: &str = "FERROMETER_ARCHIVE_KILL_MEMORY";
/// With this little, places of objects are written to the disk with every other storing.
const LITTLE: usize = 4096;

fn options() -> Options {
    // Changes are stored, and files of the log begun and deleted, all the time, so that a kill falls into it.
    Options { store_every: Duration::from_millis(5), log_file: 1000, workers: 2, ..Options::default() }
}

fn metric(number: u128) -> Metric {
    Metric {
        id: Uuid::from_u128(number),
        creator: String::new(),
        name: None,
        unit: None,
        policy: "p".into(),
        resource: None,
    }
}

/// Measure `i` of a metric is at second `i` and has the value `i`.
fn point(i: u64) -> Point {
    Point { at: i as i64 * SECOND, value: i as f64 }
}

/// Runs in a process of its own: appends for ever, from a thread for each metric, and tells what is acknowledged.
#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let memory = std::env::var(MEMORY).unwrap().parse().unwrap();
    let archive = Archive::open(Path::new(&directory), Options { memory, ..options() }).unwrap();
    std::thread::scope(|scope| {
        for number in 0..METRICS {
            let archive = &archive;
            scope.spawn(move || {
                let id = Uuid::from_u128(number);
                let mut next = archive.account(id).unwrap().accepted;
                loop {
                    let size = next % 7 + 1;
                    archive.append(vec![(id, (next..next + size).map(point).collect())]).unwrap();
                    next += size;
                    // One write for a line: a kill cuts none in two.
                    let _ = std::io::stderr().write_all(format!("ack {number} {next}\n").as_bytes());
                }
            });
        }
    });
}

fn kill(times: u32) {
    let scratch = Scratch::new("kill");
    let archive = Archive::open(scratch.path(), options()).unwrap();
    let second = Definition::new(Some(SECOND), Some(10_000_000), None).unwrap();
    let minute = Definition::new(Some(60 * SECOND), Some(10_000_000), None).unwrap();
    let methods = ["count", "sum"].map(|name| name.parse().unwrap());
    archive.add_policy(&Policy::new("p", 0, vec![second, minute], &methods).unwrap()).unwrap();
    archive.add_metrics(&(0..METRICS).map(metric).collect::<Vec<_>>()).unwrap();
    drop(archive);
    let mut acknowledged = [0_u64; METRICS as usize];
    for round in 0..times {
        let memory = if round % 2 == 0 { options().memory } else { LITTLE };
        let variables = [(DIRECTORY, scratch.path().to_str().unwrap()), (MEMORY, &memory.to_string())];
        let (mut child, mut lines) = common::child(&variables);
        // The moment is given by a count of acknowledgements, the first one included, and falls anywhere in what follows it.
        let moment = 1 + (round * 37 + round * round * 11) % 150;
        let mut told = 0;
        let mut hear = |line: String, told: &mut u32| {
            let mut words = line.split(' ');
            if let (Some("ack"), Some(metric), Some(count)) = (words.next(), words.next(), words.next()) {
                let (metric, count): (usize, u64) = (metric.parse().unwrap(), count.parse().unwrap());
                acknowledged[metric] = acknowledged[metric].max(count);
                *told += 1;
            }
        };
        while told < moment {
            hear(lines.next().expect("the child runs until it is killed"), &mut told);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.for_each(|line| hear(line, &mut told));
        let archive = Archive::open(scratch.path(), options()).unwrap();
        for number in 0..METRICS {
            check(&archive, Uuid::from_u128(number), acknowledged[number as usize], round);
        }
    }
    let files = std::fs::read_dir(scratch.path().join("aggregates")).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    assert!(
        paths.any(|path| path.extension().is_some_and(|end| end == "places")),
        "places were never written to the disk"
    );
    let total: u64 = acknowledged.iter().sum();
    assert!(total >= u64::from(times));
}

fn check(archive: &Archive, id: Uuid, acknowledged: u64, round: u32) {
    let account = archive.account(id).unwrap();
    let there = account.accepted;
    assert!(there >= acknowledged, "round {round}: {acknowledged} were acknowledged and {there} are there");
    assert_eq!(account.too_late, 0, "round {round}");
    let ask = |kind, seconds: i64| archive.measures(id, Method::of(kind), seconds * SECOND, Range::default()).unwrap();
    let seconds = ask(Kind::Sum, 1);
    assert_eq!(seconds, (0..there).map(point).collect::<Vec<_>>(), "round {round}");
    assert!(ask(Kind::Count, 1).iter().all(|point| point.value == 1.0), "round {round}");
    let minutes: f64 = ask(Kind::Count, 60).iter().map(|point| point.value).sum();
    assert_eq!(minutes, there as f64, "round {round}: a measure is missing or there twice in the minutes");
}

#[test]
fn acknowledged_measures_survive_twenty_kills() {
    kill(20);
}

#[test]
#[ignore = "slow: 200 kills take a minute or more"]
fn acknowledged_measures_survive_two_hundred_kills() {
    kill(200);
}
