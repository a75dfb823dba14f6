//! The node's own metrics: what the kernel says, once, whatever becomes of the backend meanwhile.

#![cfg(target_os = "linux")]

use ferrometer_core::{Backend, BackendError, Delivery, Kind, SnapshotView, Value};
use ferrometer_host::HostMetrics;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// The end of a wait; only a hang reaches it.
const SOON: Duration = Duration::from_secs(60);

type Totals = Arc<Mutex<BTreeMap<String, (Kind, f64)>>>;

/// Keeps the totals of the last snapshot, and has the node's metrics recorded.
struct Keeps {
    totals: Totals,
    host: HostMetrics,
}

impl Backend for Keeps {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let mut totals = self.totals.lock().unwrap();
        for total in view.snapshot().totals().iter().filter(|total| total.recordings > 0) {
            let value = match &total.value {
                Value::Gauge(value) => *value,
                value => value.net().unwrap_or(0) as f64,
            };
            if total.series.logger_name().is_empty() {
                totals.insert(total.series.metric_name().to_owned(), (total.series.kind(), value));
            }
        }
        view.all_sent();
        self.host.published();
        Ok(Delivery::default())
    }
}

fn backend() -> (Keeps, Totals) {
    let totals = Totals::default();
    (Keeps { totals: Arc::clone(&totals), host: HostMetrics::start(SECOND) }, totals)
}

fn value(totals: &Totals, metric: &str) -> Option<(Kind, f64)> {
    totals.lock().unwrap().get(metric).copied()
}

fn wait(totals: &Totals, metric: &str) -> (Kind, f64) {
    let until = Instant::now() + SOON;
    loop {
        if let Some(found) = value(totals, metric) {
            return found;
        }
        assert!(Instant::now() < until, "no {metric}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the bytes that the interfaces of a physical name have received.
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
    ferrometer_core::install("keeps", Box::new(first), SECOND).unwrap();
    // It takes two readings to tell.
    let (kind, busy) = wait(&handle, "cpu_current");
    assert!(kind == Kind::Gauge && (0.0..=1.0).contains(&busy), "{busy}");
    // A snapshot may fall between two of them.
    let (kind, total) = wait(&handle, "net_in");
    assert_eq!(kind, Kind::Counter);
    assert!((before..=received()).contains(&total), "{before} {total} {}", received());
    let (memory, used) = (wait(&handle, "mem_total").1, wait(&handle, "mem_used").1);
    assert!(used > 0.0 && used < memory);
    let (disk, free) = (wait(&handle, "disk_total").1, wait(&handle, "disk_available").1);
    assert!(free >= 0.0 && free < disk);

    // Another backend takes over, and another thread reads: nothing is counted again.
    let (second, handle) = backend();
    ferrometer_core::replace("keeps", Box::new(second), SECOND, SOON).unwrap();
    wait(&handle, "cpu_current");
    let (_, total) = wait(&handle, "net_in");
    assert!((before..=received()).contains(&total), "{before} {total} {}", received());

    // And none is read when nobody wants it.
    ferrometer_core::remove("keeps", SOON).unwrap();
    let until = Instant::now() + SOON;
    let reads = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks.filter(|t| fs::read_to_string(t.path().join("comm")).is_ok_and(|n| n.trim() == "ferrometer-host")).count()
    };
    while reads() > 0 {
        assert!(Instant::now() < until, "the thread is still there");
        thread::sleep(Duration::from_millis(20));
    }
}
