//! Metrics that many make at once: each is there or refused by itself, and a commit serves all that come together.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Error, Making, Metric, Options};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use uuid::Uuid;

fn metric(number: u128, policy: &str) -> Metric {
    Metric {
        id: Uuid::from_u128(number),
        creator: "me".into(),
        name: None,
        unit: None,
        policy: policy.into(),
        resource: None,
    }
}

#[test]
fn of_changes_that_come_together_each_stands_or_falls_alone() {
    let scratch = Scratch::new("together");
    let archive = Archive::open(scratch.path(), Options::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u128 {
            let archive = &archive;
            scope.spawn(move || {
                for i in 0..50 {
                    let number = thread * 1000 + i;
                    // The second of two metrics has no policy: both are refused.
                    let wrong = [metric(number + 500, "low"), metric(number + 600, "none")];
                    assert!(matches!(archive.add_metrics(&wrong), Err(Error::NoSuchPolicy(_))));
                    archive.add_metrics(&[metric(number, "low")]).unwrap();
                    let found = archive.index().metrics_by_id(&[Uuid::from_u128(number)]).unwrap();
                    assert_eq!(found.len(), 1, "what was told is there at once");
                    assert!(matches!(archive.add_metrics(&[metric(number, "low")]), Err(Error::MetricNameExists(_))));
                }
            });
        }
    });
    drop(archive);
    let archive = Archive::open(scratch.path(), Options::default()).unwrap();
    assert_eq!(archive.metrics(None, &Default::default()).unwrap().len(), 8 * 50);
}

const DIRECTORY: &str = "FERROMETER_ARCHIVE_CREATION_DIRECTORY";

/// Runs in a process of its own: makes metrics for ever, and tells which it was told to be there.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let archive = Archive::open(Path::new(&directory), Options::default()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let archive = &archive;
            scope.spawn(move || {
                loop {
                    let ids: Vec<Uuid> = (0..8).map(|_| Metric::new_id()).collect();
                    let begun: Vec<_> =
                        ids.iter().map(|id| archive.begin_metrics(vec![metric(id.as_u128(), "low")])).collect();
                    for (id, making) in ids.iter().zip(begun) {
                        making.wait().unwrap();
                        // One write for a line: a kill cuts none in two.
                        let _ = std::io::stderr().write_all(format!("made {id}\n").as_bytes());
                    }
                }
            });
        }
    });
}

#[test]
fn whatever_was_told_to_be_made_is_there_after_a_kill() {
    let scratch = Scratch::new("made");
    let mut made = Vec::new();
    for round in 1..=4 {
        let (mut child, lines) = common::child(&[(DIRECTORY, scratch.path().to_str().unwrap())]);
        // Before the log has its length, and behind it.
        let most = made.len() + 150 * round;
        for line in lines {
            made.extend(line.strip_prefix("made ").map(|id| Uuid::parse_str(id).unwrap()));
            if made.len() == most {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(made.len() >= most, "the child made {} metrics", made.len());
        let archive = Archive::open(scratch.path(), Options::default()).unwrap();
        assert_eq!(archive.index().metrics_by_id(&made).unwrap().len(), made.len());
    }
}

/// Returns the milliseconds of a write to a file, and of the sync of its data, as the log of an index has it for this many metrics made together. The
/// file has its length before.
fn floor(scratch: &Scratch, together: usize) -> f64 {
    // One changes four pages; 64 change some ten.
    let bytes = vec![1; (4 + together / 10) * 4120];
    let mut file = File::create(scratch.path().join("floor")).unwrap();
    let most = 200;
    file.write_all(&vec![0; most * bytes.len()]).unwrap();
    file.sync_all().unwrap();
    let mut file = File::options().write(true).open(scratch.path().join("floor")).unwrap();
    let begun = Instant::now();
    for _ in 0..most {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed().as_secs_f64() * 1e3 / most as f64
}

/// Prints figures, beside those of a program that does nothing but write and sync: `cargo test --release -p ferrometer-archive --test creation -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and asserts nothing about time"]
fn how_fast_metrics_are_made() {
    for together in [1, 4, 16, 64] {
        let scratch = Scratch::new("speed");
        let archive = Archive::open(scratch.path(), Options::default()).unwrap();
        let floor = floor(&scratch, together);
        let many = if together == 1 { 1000 } else { 4000 };
        let new = || metric(Metric::new_id().as_u128(), "low");
        // That the log gets its length is no part of it.
        (0..20).for_each(|_| archive.add_metrics(&[new()]).unwrap());
        let (begun, cpu) = (Instant::now(), cpu());
        // As many as ever are on their way: who is told of one begins the next.
        let mut coming = std::collections::VecDeque::new();
        for _ in 0..many {
            if coming.len() == together {
                coming.pop_front().map_or(Ok(()), Making::wait).unwrap();
            }
            coming.push_back(archive.begin_metrics(vec![new()]));
        }
        coming.into_iter().for_each(|making| making.wait().unwrap());
        let (elapsed, cpu) = (begun.elapsed().as_secs_f64(), self::cpu() - cpu);
        let each = elapsed * 1e3 / f64::from(many);
        let least = floor / together as f64;
        println!(
            "{together:2} at once: {:6.0} metrics a second, {:6.0} a CPU second; {each:.3} ms each, {:.1} times the {least:.3} ms of a write and a sync for {together}",
            1e3 / each,
            f64::from(many) / cpu.max(0.001),
            each / least
        );
    }
}

/// Returns the CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
