//! The node's own metrics: what the kernel says, once, whatever becomes of the cache meanwhile.

#![cfg(all(feature = "host-metrics", target_os = "linux"))]

use ferrometer_pull_cache::{PullCacheBackend, PullCacheHandle, RecordType, Settings};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn backend() -> (PullCacheBackend, PullCacheHandle) {
    let backend = PullCacheBackend::new(Settings::default().interval(SECOND).host_metrics(true));
    let handle = backend.handle();
    (backend, handle)
}

fn value(handle: &PullCacheHandle, metric: &str) -> Option<(RecordType, f64)> {
    let newest = handle.most_recent()?;
    let found = newest.records().find(|r| r.id == "host" && r.metric == metric && r.labels.is_empty());
    found.map(|record| (record.kind, record.value))
}

fn wait(handle: &PullCacheHandle, metric: &str) -> (RecordType, f64) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = value(handle, metric) {
            return found;
        }
        assert!(Instant::now() < until, "no {metric}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What the interfaces of a physical name have received.
fn received() -> f64 {
    let lines = fs::read_to_string("/proc/net/dev").unwrap();
    let devices = lines.lines().filter_map(|line| line.trim().split_once(':'));
    let physical = devices.filter(|(name, _)| ["eth", "en", "ib"].iter().any(|kind| name.starts_with(kind)));
    physical.map(|(_, rest)| rest.split_whitespace().next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn what_the_kernel_says_is_recorded_once() {
    let before = received();
    let (first, handle) = backend();
    ferrometer_core::install("pull-cache", Box::new(first), SECOND).unwrap();
    // It takes two readings to tell.
    let (kind, busy) = wait(&handle, "cpu_current");
    assert!(kind == RecordType::Gauge && (0.0..=1.0).contains(&busy), "{busy}");
    let (kind, total) = value(&handle, "net_in").unwrap();
    assert_eq!(kind, RecordType::Derive);
    assert!((before..=received()).contains(&total), "{before} {total} {}", received());
    let (_, memory) = value(&handle, "mem_total").unwrap();
    let (_, used) = value(&handle, "mem_used").unwrap();
    assert!(used > 0.0 && used < memory);
    let (_, disk) = value(&handle, "disk_total").unwrap();
    let (_, free) = value(&handle, "disk_available").unwrap();
    assert!(free >= 0.0 && free < disk);

    // Another cache takes over, and another thread reads: nothing is counted again.
    let (second, handle) = backend();
    ferrometer_core::replace("pull-cache", Box::new(second), SECOND, Duration::from_secs(5)).unwrap();
    wait(&handle, "cpu_current");
    let (_, total) = value(&handle, "net_in").unwrap();
    assert!((before..=received()).contains(&total), "{before} {total} {}", received());

    // And none is read when nobody wants it.
    ferrometer_core::remove("pull-cache", Duration::from_secs(5)).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let reads = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks.filter(|t| fs::read_to_string(t.path().join("comm")).is_ok_and(|n| n.trim() == "ferrometer-host")).count()
    };
    while reads() > 0 {
        assert!(Instant::now() < until, "the thread is still there");
        thread::sleep(Duration::from_millis(20));
    }
}
