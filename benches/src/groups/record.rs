//! Recording a duration or a value that was measured elsewhere.

use crate::drive::drive;
use crate::ours::{self, count_of};
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Logger, logger};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "record";
pub const ROWS: &[Row] = &[
    Row::floor(GROUP, "base.value_table", "the loop and the table of values", value_table).iterations(50_000_000),
    Row::floor(GROUP, "base.tls_log2", "this thread's bucket by the logarithm, and a sum", tls_log2)
        .threaded()
        .iterations(15_000_000),
    Row::ours(GROUP, "record.timer", "`timer.record(duration)`", timer).threaded().iterations(10_000_000),
    Row::ours(GROUP, "record.send_timer", "`METRICS.send_timer(\"x\", duration)`", send_timer)
        .threaded()
        .iterations(8_000_000),
    Row::ours(GROUP, "record.histogram", "`histogram.record(v)`", histogram).threaded().iterations(10_000_000),
];

static METRICS: Logger = logger!("on");

/// Returns the values of all rows: nanoseconds from a microsecond to 16 milliseconds, in no order.
pub fn values() -> Vec<u64> {
    let mut x = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    (0..1024)
        .map(|_| {
            let shift = next() % 14;
            (1000 << shift) + next() % 1000
        })
        .collect()
}

fn durations() -> Vec<Duration> {
    values().into_iter().map(Duration::from_nanos).collect()
}

fn seconds() -> Vec<f64> {
    values().into_iter().map(|n| n as f64 / 1e9).collect()
}

#[inline(always)]
fn at<T: Copy>(table: &[T], i: u64) -> T {
    table[i as usize & 1023 & (table.len() - 1)]
}

fn value_table(run: &Run) -> Sample {
    let values = values();
    drive(run, || {
        |i| {
            black_box(at(&values, i));
        }
    })
    .into()
}

struct Cells {
    buckets: [AtomicU64; 64],
    sum: AtomicU64,
}

thread_local! {
    static CELLS: Cells = const { Cells { buckets: [const { AtomicU64::new(0) }; 64], sum: AtomicU64::new(0) } };
}

/// The floor of recording: one bucket and one sum, which this thread alone writes.
#[inline(always)]
pub fn log2_record(value: u64) {
    CELLS.with(|cells| {
        let bucket = &cells.buckets[63 - (value | 1).leading_zeros() as usize];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        cells.sum.store(cells.sum.load(Relaxed).wrapping_add(value), Relaxed);
    });
}

/// How many values this thread has recorded on the floor.
pub fn log2_count() -> u64 {
    CELLS.with(|cells| cells.buckets.iter().map(|b| b.load(Relaxed)).sum())
}

fn tls_log2(run: &Run) -> Sample {
    let values = values();
    let timing = drive(run, || |i| log2_record(at(&values, i)));
    if run.threads == 1 {
        expect("recorded", log2_count(), run.total());
    }
    timing.into()
}

fn timer(run: &Run) -> Sample {
    ours::on();
    let (durations, timer) = (durations(), METRICS.timer("x"));
    let timing = drive(run, || |i| timer.record(at(&durations, i)));
    expect("recorded", count_of(timer.series()), run.total());
    timing.into()
}

fn send_timer(run: &Run) -> Sample {
    ours::on();
    let durations = durations();
    let timing = drive(run, || |i| METRICS.send_timer("x", at(&durations, i)));
    expect("recorded", count_of(METRICS.timer("x").series()), run.total());
    timing.into()
}

fn histogram(run: &Run) -> Sample {
    ours::on();
    let (values, histogram) = (seconds(), METRICS.histogram("x"));
    let timing = drive(run, || |i| histogram.record(at(&values, i)));
    expect("recorded", count_of(histogram.series()), run.total());
    timing.into()
}
