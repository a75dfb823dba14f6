//! Metrics that many make at once: each is there or refused by itself, and a commit serves all that come together.

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Error, Metric, Options};
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

/// Prints figures: `cargo test --release -p ferrometer-archive --test creation -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and asserts nothing about time"]
fn how_fast_metrics_are_made() {
    for threads in [1, 4, 16, 64] {
        let scratch = Scratch::new("speed");
        let archive = Archive::open(scratch.path(), Options::default()).unwrap();
        let each = 4000 / threads;
        let (begun, cpu) = (Instant::now(), cpu());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..each {
                        archive.add_metrics(&[metric(Uuid::new_v4().as_u128(), "low")]).unwrap();
                    }
                });
            }
        });
        let (made, elapsed) = (f64::from(threads * each), begun.elapsed().as_secs_f64());
        let cpu = self::cpu() - cpu;
        println!(
            "{threads} at once: {:.0} metrics a second, {:.0} a CPU second",
            made / elapsed,
            made / cpu.max(0.001)
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
