//! Cost of a point, and memory, from a thousand metrics to a million.
//!
//! Prints figures: `cargo test --release -p ferrometer-archive --test growth -- --ignored --nocapture`. With `FERROMETER_ARCHIVE_GROWTH="10000 2.5"` it
//! measures one number of metrics with one number of MiB, once: for a profile.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Metric, Options, Point, SECOND, Sync};
use std::collections::HashMap;
use uuid::Uuid;

const MIB: usize = 1 << 20;
/// Metrics of one batch.
const TOGETHER: usize = 1000;
/// Points of a metric in one batch, and batches.
const POINTS: i64 = 10;
const ROUNDS: i64 = 2;

/// Returns a figure of this process: that of a line of a file.
fn figure(file: &str, line: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let found = text.lines().find_map(|told| told.strip_prefix(line)?.split_whitespace().next()?.parse().ok());
    found.unwrap_or(0.0)
}

/// Returns the CPU seconds of the threads of this process.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let told = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    told.filter_map(|told| told.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e9
}

#[test]
#[ignore = "slow: a million metrics; measures, and asserts nothing about time"]
fn a_point_costs_as_much_among_a_million_metrics() {
    let told = std::env::var("FERROMETER_ARCHIVE_GROWTH").unwrap_or_default();
    println!("{POINTS} points of each metric in a batch, {ROUNDS} batches; µs of CPU for a point");
    println!(
        "  metrics  memory limit  until it can be asked for  until it is stored  resident  on disk for a point  points alone"
    );
    if let Some((count, mebibytes)) = told.split_once(' ') {
        let memory = mebibytes.parse::<f64>().unwrap() * MIB as f64;
        return measure(count.parse().unwrap(), memory as usize);
    }
    // The points of a million metrics are more than 256 MiB have room for, and so are those of 100,000 and 10,000 with a tenth of it: what
    // follows from the number of metrics, and what from the room, can be told apart.
    let with_less = [(10_000, 5 * MIB / 2), (100_000, 25 * MIB)];
    let with_usual = [1_000, 10_000, 100_000, 1_000_000].map(|count| (count, 256 * MIB));
    for (count, memory) in with_less.into_iter().chain(with_usual).chain([(1_000_000, 1024 * MIB)]) {
        measure(count, memory);
    }
}

/// Returns the µs of CPU for a point of a program that does nothing but put the points of each metric into a map, in the same order, and give them
/// back: so much of the growth is that of memory beyond the caches.
fn floor(ids: &[Uuid]) -> f64 {
    let used = cpu();
    let mut maps: Vec<HashMap<Uuid, Vec<Point>>> = vec![HashMap::new(); 64];
    for round in 0..ROUNDS {
        for (at, id) in ids.iter().enumerate() {
            let point = |i: i64| Point { at: (round * POINTS + i) * 60 * SECOND, value: i as f64 };
            let points: Vec<Point> = (0..POINTS).map(point).collect();
            // Metrics that were made together are in one of them, as in the archive.
            maps[at / 64 % 64].entry(*id).or_default().extend_from_slice(&points);
        }
    }
    let kept: usize = maps.iter().flat_map(HashMap::values).map(Vec::len).sum();
    assert_eq!(kept, ids.len() * (POINTS * ROUNDS) as usize);
    drop(maps);
    (cpu() - used) * 1e6 / kept as f64
}

fn measure(count: usize, memory: usize) {
    let scratch = Scratch::new("growth");
    let options = Options { sync: Sync::None, memory, ..Options::default() };
    let archive = Archive::open(scratch.path(), options).unwrap();
    let ids: Vec<Uuid> = (0..count).map(|_| Metric::new_id()).collect();
    for chunk in ids.chunks(TOGETHER) {
        let metric = |id: &Uuid| Metric {
            id: *id,
            creator: "me".into(),
            name: None,
            unit: None,
            policy: "low".into(),
            resource: None,
        };
        archive.add_metrics(&chunk.iter().map(metric).collect::<Vec<_>>()).unwrap();
    }
    let used = cpu();
    for round in 0..ROUNDS {
        for chunk in ids.chunks(TOGETHER) {
            let point = |i: i64| Point { at: (round * POINTS + i) * 60 * SECOND, value: i as f64 };
            archive.append(chunk.iter().map(|id| (*id, (0..POINTS).map(point).collect())).collect()).unwrap();
            let told = archive.state().unwrap().memory;
            // A batch may come when there is just room.
            let most = (memory + TOGETHER * (POINTS as usize * size_of::<Point>() + 512)) as u64;
            assert!(told <= most, "{told} bytes of points and batches, at most {most}");
        }
    }
    // Measures that were acknowledged can be asked for: what is left to do until then is done.
    while archive.backlog().unwrap().0 > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let taken = cpu() - used;
    archive.store().unwrap();
    let all = count as f64 * (POINTS * ROUNDS) as f64;
    let stored = cpu() - used;
    println!(
        "{count:9} {:9} MiB {:26.2} {:19.2} {:6.0} MB {:14.1} bytes {:16.2}",
        memory as f64 / MIB as f64,
        taken * 1e6 / all,
        stored * 1e6 / all,
        figure("status", "VmRSS:") / 1000.0,
        archive.state().unwrap().storage.live as f64 / all,
        floor(&ids)
    );
    for id in [ids[count / 2], ids[count - 1]] {
        assert_eq!(archive.account(id).unwrap().accepted, (POINTS * ROUNDS) as u64);
    }
}
