//! Cost of a point, and memory, from a thousand metrics to a million.
//!
//! Prints figures: `cargo test --release -p ferrometer-archive --test growth -- --ignored --nocapture`.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Metric, Options, Point, SECOND, Sync};

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

/// Returns the CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

#[test]
#[ignore = "slow: a million metrics; measures, and asserts nothing about time"]
fn a_point_costs_as_much_among_a_million_metrics() {
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let scratch = Scratch::new("growth");
        let options = Options { sync: Sync::None, ..Options::default() };
        let archive = Archive::open(scratch.path(), options.clone()).unwrap();
        let metric = |_| Metric {
            id: Metric::new_id(),
            creator: "me".into(),
            name: None,
            unit: None,
            policy: "low".into(),
            resource: None,
        };
        let metrics: Vec<Metric> = (0..count).map(metric).collect();
        metrics.chunks(TOGETHER).for_each(|chunk| archive.add_metrics(chunk).unwrap());
        let used = cpu();
        for round in 0..ROUNDS {
            for chunk in metrics.chunks(TOGETHER) {
                let point = |i: i64| Point { at: (round * POINTS + i) * 60 * SECOND, value: i as f64 };
                archive
                    .append(chunk.iter().map(|metric| (metric.id, (0..POINTS).map(point).collect())).collect())
                    .unwrap();
                let most = 2 * options.memory as u64;
                let memory = archive.state().unwrap().memory;
                assert!(memory <= most, "{memory} bytes of points and batches, at most {most}");
            }
        }
        let taken = cpu() - used;
        archive.store().unwrap();
        let all = count as f64 * (POINTS * ROUNDS) as f64;
        let stored = cpu() - used - taken;
        println!(
            "{count} metrics: {:.2} µs of CPU a point until it can be asked for, {:.2} more until it is stored; {:.0} MB resident, {:.1} bytes on disk a point",
            taken * 1e6 / all,
            stored * 1e6 / all,
            figure("status", "VmRSS:") / 1000.0,
            archive.state().unwrap().storage.live as f64 / all
        );
        let (accepted, last) = (archive.account(metrics[count / 2].id).unwrap().accepted, metrics[count - 1].id);
        assert_eq!(
            (accepted, archive.account(last).unwrap().accepted),
            ((POINTS * ROUNDS) as u64, (POINTS * ROUNDS) as u64)
        );
    }
}
