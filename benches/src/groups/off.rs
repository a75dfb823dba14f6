//! Off: what a call site costs while nothing is recorded.

use crate::drive::drive;
use crate::ours::count_of_all;
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Logger, count, counter, logger, set_gauge, time, timer};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "off";
pub const ROWS: &[Row] = &[
    Row::floor(GROUP, "base.empty_loop", "the loop alone", empty_loop).iterations(100_000_000),
    Row::floor(GROUP, "base.bare_call", "a call that is not inlined", bare_call).iterations(40_000_000),
    Row::ours(GROUP, "off.handle", "`counter.increment()`, a stored handle", handle).iterations(100_000_000),
    Row::ours(GROUP, "off.guard", "`let _t = timer.start();`", guard).iterations(100_000_000),
    Row::ours(GROUP, "off.count", "`count!(METRICS, \"x\", f())`", count_macro).iterations(100_000_000),
    Row::ours(GROUP, "off.set_gauge", "`set_gauge!(METRICS, \"x\", f())`", set_gauge_macro).iterations(100_000_000),
    Row::ours(GROUP, "off.time", "`time!(METRICS, \"x\", { … })`", time_macro).iterations(100_000_000),
    Row::ours(GROUP, "off.attr_counter", "`#[counter]` on a function, the call included", attr_counter)
        .iterations(40_000_000),
    Row::ours(GROUP, "off.attr_timer", "`#[timer]` on a function, the call included", attr_timer)
        .iterations(40_000_000),
];

static METRICS: Logger = logger!("off");
/// How often a value was evaluated.
static EVALUATED: AtomicU64 = AtomicU64::new(0);

fn value() -> u64 {
    EVALUATED.fetch_add(1, Relaxed);
    1
}

/// Nothing was recorded, and nothing evaluated.
fn nothing_happened(sample: impl Into<Sample>) -> Sample {
    expect("values evaluated while off", EVALUATED.load(Relaxed), 0);
    expect("recorded while off", count_of_all("off", "x") + count_of_all("off", "attr"), 0);
    sample.into()
}

fn empty_loop(run: &Run) -> Sample {
    drive(run, || |_| black_box(())).into()
}

#[inline(never)]
pub fn bare(x: u64) -> u64 {
    black_box(x)
}

fn bare_call(run: &Run) -> Sample {
    drive(run, || {
        |i| {
            bare(i);
        }
    })
    .into()
}

fn handle(run: &Run) -> Sample {
    let counter = METRICS.counter("x");
    nothing_happened(drive(run, || move |_| counter.increment()))
}

fn guard(run: &Run) -> Sample {
    let timer = METRICS.timer("x");
    nothing_happened(drive(run, || {
        move |_| {
            let _t = timer.start();
        }
    }))
}

fn count_macro(run: &Run) -> Sample {
    nothing_happened(drive(run, || |_| count!(METRICS, "x", value())))
}

fn set_gauge_macro(run: &Run) -> Sample {
    nothing_happened(drive(run, || |_| set_gauge!(METRICS, "x", value())))
}

fn time_macro(run: &Run) -> Sample {
    nothing_happened(drive(run, || |_| time!(METRICS, "x", { black_box(()) })))
}

#[counter(METRICS, "attr")]
#[inline(never)]
fn counted(x: u64) -> u64 {
    black_box(x)
}

fn attr_counter(run: &Run) -> Sample {
    nothing_happened(drive(run, || {
        |i| {
            counted(i);
        }
    }))
}

#[timer(METRICS, "attr")]
#[inline(never)]
fn timed(x: u64) -> u64 {
    black_box(x)
}

fn attr_timer(run: &Run) -> Sample {
    nothing_happened(drive(run, || {
        |i| {
            timed(i);
        }
    }))
}
