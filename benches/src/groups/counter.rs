//! Counters that are on: one counter, by handle, by literal name, by attribute.

use crate::drive::drive;
use crate::ours::{self, count_of};
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Logger, count, counter, logger};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::*};

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "counter";
pub const ROWS: &[Row] = &[
    Row::floor(GROUP, "base.tls_block", "this thread's cell, found by the instrument's number", tls_block)
        .threaded()
        .iterations(20_000_000),
    Row::floor(
        GROUP,
        "base.call_tls_block",
        "the same in a function that is not inlined, the call included",
        call_tls_block,
    )
    .threaded()
    .iterations(15_000_000),
    Row::floor(GROUP, "base.fetch_add", "one atomic that all threads share", fetch_add)
        .threaded()
        .iterations(5_000_000),
    Row::ours(GROUP, "counter.handle", "`counter.increment()`", handle).threaded().iterations(20_000_000),
    Row::ours(GROUP, "counter.send_literal", "`METRICS.send_counter(\"x\", 1)`", send_literal)
        .threaded()
        .iterations(15_000_000),
    Row::ours(GROUP, "counter.count", "`count!(METRICS, \"x\")`", count_macro).threaded().iterations(15_000_000),
    Row::ours(GROUP, "counter.attribute", "`#[counter]` on a function, the call included", attribute)
        .threaded()
        .iterations(15_000_000),
    Row::ours(GROUP, "counter.gauge_set", "`gauge.set(v)`, a stored handle", gauge_set).iterations(15_000_000),
];

static METRICS: Logger = logger!("on");

fn handle(run: &Run) -> Sample {
    ours::on();
    let counter = METRICS.counter("x");
    let timing = drive(run, || move |_| counter.increment());
    expect("counted", count_of(counter.series()), run.total());
    timing.into()
}

fn send_literal(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || |_| METRICS.send_counter("x", 1));
    expect("counted", count_of(METRICS.counter("x").series()), run.total());
    timing.into()
}

fn count_macro(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || |_| count!(METRICS, "x"));
    expect("counted", count_of(METRICS.counter("x").series()), run.total());
    timing.into()
}

#[counter(METRICS, "attr")]
#[inline(never)]
fn counted(x: u64) -> u64 {
    black_box(x)
}

fn attribute(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            counted(i);
        }
    });
    expect("counted", count_of(METRICS.counter("attr").series()), run.total());
    timing.into()
}

fn gauge_set(run: &Run) -> Sample {
    ours::on();
    let gauge = METRICS.gauge("x");
    let timing = drive(run, || move |i| gauge.set(i));
    expect("set", count_of(gauge.series()), run.total());
    timing.into()
}

/// A thread's block of counters, that it alone writes.
struct Block(Box<[AtomicU64]>);

thread_local! {
    static BLOCK: Cell<*const Block> = const { Cell::new(std::ptr::null()) };
}

#[inline(always)]
fn block_add(id: usize) {
    // SAFETY: null, or leaked by `new_block` and never freed.
    let block = match unsafe { BLOCK.get().as_ref() } {
        Some(block) => block,
        None => new_block(),
    };
    if let Some(cell) = block.0.get(id) {
        cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

#[cold]
fn new_block() -> &'static Block {
    let block = Box::leak(Box::new(Block((0..64).map(|_| AtomicU64::new(0)).collect())));
    BLOCK.set(block);
    block
}

static ID: AtomicU64 = AtomicU64::new(7);

fn tls_block(run: &Run) -> Sample {
    block_row(run, |_| block_add(ID.load(Relaxed) as usize))
}

fn block_row(run: &Run, op: impl Fn(u64) + Sync) -> Sample {
    block_add(7);
    let timing = drive(run, || &op);
    if run.threads == 1 {
        // SAFETY: `block_add` has set it above, and blocks are never freed.
        expect("counted", unsafe { (*BLOCK.get()).0[7].load(Relaxed) }, run.total() + 1);
    }
    timing.into()
}

#[inline(never)]
fn block_counted(x: u64) -> u64 {
    block_add(ID.load(Relaxed) as usize);
    black_box(x)
}

fn call_tls_block(run: &Run) -> Sample {
    block_row(run, |i| {
        block_counted(i);
    })
}

fn fetch_add(run: &Run) -> Sample {
    let shared = AtomicU64::new(0);
    let timing = drive(run, || {
        |_| {
            shared.fetch_add(1, Relaxed);
        }
    });
    expect("counted", shared.load(Relaxed), run.total());
    timing.into()
}
