//! A global allocator that records under new labels while the metric it records is described: nobody waits for himself.

mod support;

use ferrometer_core::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread;
use std::time::Duration;
use support::{SOON, sink};

struct Recording;

static METRICS: Logger = logger!("memory");

thread_local! {
    static RECORDS: Cell<bool> = const { Cell::new(false) };
    static DESCRIBES: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Recording {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if RECORDS.get() {
            // Each size is a label set of its own, registered when it is first allocated.
            let digits =
                [layout.size() / 100 % 10, layout.size() / 10 % 10, layout.size() % 10].map(|d| b'0' + d as u8);
            let logger = METRICS.with("size", str::from_utf8(&digits).unwrap_or_default());
            logger.send_counter("allocations", 1);
            logger.send_gauge("allocations", 1);
        }
        if DESCRIBES.get() {
            METRICS.gauge("live").unit("bytes").add(1);
            METRICS.describe("live", Unit::Bytes, "");
        }
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Recording = Recording;

#[test]
fn a_metric_is_described_while_allocations_are_recorded_in_it() {
    install("a", sink(), Duration::from_secs(3600)).unwrap();
    let (plain, gauge) = (METRICS.counter("allocations"), METRICS.gauge("allocations"));
    let (done, wait) = std::sync::mpsc::channel();
    thread::spawn(move || {
        RECORDS.set(true);
        METRICS.describe("allocations", Unit::Other("blocks"), "How many blocks were allocated.");
        // One that is no part of a registration.
        drop(std::hint::black_box(String::from("a block")));
        let _ = METRICS.gauge("allocations").unit("pages").description("How many pages there are.");
        RECORDS.set(false);
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(600)).expect("a deadlock");
    assert_eq!(plain.series().unit(), Some("blocks"));
    assert_eq!(plain.series().description(), Some("How many blocks were allocated."));
    assert_eq!(gauge.series().unit(), Some("blocks"), "the first stays");
    // Recordings made on the way belong to the same instrument; those that a registration's own allocations make were turned away.
    let snapshot = snapshot();
    let sizes: Vec<_> = snapshot.totals().iter().filter(|t| t.series.labels().len() > 0 && t.recordings > 0).collect();
    assert!(!sizes.is_empty() && sizes.iter().all(|t| t.series.unit() == Some("blocks")), "{sizes:?}");
    remove("a", SOON);
}

#[test]
fn an_allocator_may_describe_what_it_records() {
    let (done, wait) = std::sync::mpsc::channel();
    thread::spawn(move || {
        DESCRIBES.set(true);
        let made = [String::from("a"), String::from("b")];
        for i in 0..300 {
            let _ = METRICS.counter(format!("counter{i}")).unit("rows").description("How many rows.");
            METRICS.describe(&format!("other{i}"), Unit::Ratio, "A share.");
        }
        DESCRIBES.set(false);
        done.send(made.len()).unwrap();
    });
    assert_eq!(wait.recv_timeout(Duration::from_secs(600)).expect("a deadlock"), 2);
    assert_eq!(METRICS.gauge("live").series().unit(), Some("bytes"));
    for i in 0..300 {
        let (counter, other) = (METRICS.counter(format!("counter{i}")), METRICS.gauge(format!("other{i}")));
        assert_eq!((counter.series().unit(), counter.series().description()), (Some("rows"), Some("How many rows.")));
        assert_eq!((other.series().unit(), other.series().description()), (Some("ratio"), Some("A share.")));
    }
}
