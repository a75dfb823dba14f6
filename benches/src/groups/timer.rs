//! Timed blocks: two clock reads and a recording, every call or one in a hundred.

use super::record::{log2_count, log2_record};
use crate::drive::drive;
use crate::ours::{self, count_of};
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Logger, counter, logger, time, timer};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

#[cfg(feature = "peers")]
pub mod peers;

const GROUP: &str = "timer";
const SAMPLED: &str = "sampled";
pub const ROWS: &[Row] = &[
    Row::floor(
        GROUP,
        "base.clock_pair_cell",
        "two reads of the CPU's counter, and this thread's bucket and sum",
        clock_pair,
    )
    .threaded()
    .iterations(2_000_000),
    Row::floor(GROUP, "base.instant_pair", "two `Instant::now()`", instant_pair).iterations(1_000_000),
    Row::ours(GROUP, "timer.guard", "`let _t = timer.start();`", guard).threaded().iterations(2_000_000),
    Row::ours(GROUP, "timer.time", "`time!(METRICS, \"x\", { … })`", time_macro).threaded().iterations(2_000_000),
    Row::ours(GROUP, "timer.attribute", "`#[timer]` on a function, the call included", attribute)
        .threaded()
        .iterations(2_000_000),
    Row::floor(
        SAMPLED,
        "base.countdown",
        "this thread's countdown, and one timed block in 100, the call included",
        countdown,
    )
    .iterations(20_000_000),
    Row::ours(SAMPLED, "sampled.attribute", "`#[timer(sample_rate = 0.01)]`, the call included", sampled_attribute)
        .iterations(15_000_000),
    Row::ours(SAMPLED, "sampled.guard", "`let _t = timer.start();`, `timer.sampled(0.01)`", sampled_guard)
        .iterations(15_000_000),
    Row::ours(SAMPLED, "sampled.counter", "`counter.increment()`, `counter.sampled(0.01)`", sampled_counter)
        .iterations(15_000_000),
    Row::ours(
        SAMPLED,
        "sampled.attr_counter",
        "`#[counter(sample_rate = 0.01)]`, the call included",
        sampled_attr_counter,
    )
    .iterations(15_000_000),
    Row::ours(SAMPLED, "sampled.counter_out", "a counter's call that is not sampled", counter_out)
        .iterations(15_000_000),
    Row::ours(SAMPLED, "sampled.guard_out", "a guard's call that is not sampled", guard_out).iterations(15_000_000),
    Row::ours(SAMPLED, "sampled.attribute_out", "a call under `#[timer]` that is not sampled", attribute_out)
        .iterations(15_000_000),
    Row::ours(SAMPLED, "sampled.attr_counter_out", "a call under `#[counter]` that is not sampled", attr_counter_out)
        .iterations(15_000_000),
];

static METRICS: Logger = logger!("on");

#[inline(always)]
fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction.
    unsafe {
        std::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        static CLOCK: std::sync::OnceLock<quanta::Clock> = std::sync::OnceLock::new();
        CLOCK.get_or_init(quanta::Clock::new).raw()
    }
}

#[inline(always)]
fn floor_block() {
    let start = ticks();
    black_box(());
    log2_record(ticks().wrapping_sub(start));
}

fn clock_pair(run: &Run) -> Sample {
    let timing = drive(run, || |_| floor_block());
    if run.threads == 1 {
        expect("recorded", log2_count(), run.total());
    }
    timing.into()
}

fn instant_pair(run: &Run) -> Sample {
    drive(run, || {
        |_| {
            black_box(Instant::now().elapsed());
        }
    })
    .into()
}

fn guard(run: &Run) -> Sample {
    ours::on_with_clock();
    let timer = METRICS.timer("x");
    let timing = drive(run, || {
        move |_| {
            let _t = timer.start();
            black_box(());
        }
    });
    expect("recorded", count_of(timer.series()), run.total());
    timing.into()
}

fn time_macro(run: &Run) -> Sample {
    ours::on_with_clock();
    let timing = drive(run, || |_| time!(METRICS, "x", { black_box(()) }));
    expect("recorded", count_of(METRICS.timer("x").series()), run.total());
    timing.into()
}

#[timer(METRICS, "attr")]
#[inline(never)]
fn timed(x: u64) -> u64 {
    black_box(x)
}

fn attribute(run: &Run) -> Sample {
    ours::on_with_clock();
    let timing = drive(run, || {
        |i| {
            timed(i);
        }
    });
    expect("recorded", count_of(METRICS.timer("attr").series()), run.total());
    timing.into()
}

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(100) };
}

#[inline(never)]
fn floor_sampled(x: u64) -> u64 {
    let left = LEFT.get();
    if left > 1 {
        LEFT.set(left - 1);
        return black_box(x);
    }
    LEFT.set(100);
    let start = ticks();
    let value = black_box(x);
    log2_record(ticks().wrapping_sub(start));
    value
}

fn countdown(run: &Run) -> Sample {
    let timing = drive(run, || {
        |i| {
            floor_sampled(i);
        }
    });
    expect("recorded", log2_count(), run.total() / 100);
    timing.into()
}

/// A share of 1 % was taken, within six standard deviations.
fn expect_one_percent(taken: u64, run: &Run) {
    let expected = run.total() as f64 * 0.01;
    let off = (taken as f64 - expected).abs();
    assert!(off <= 6.0 * (expected * 0.99).sqrt(), "{taken} taken instead of about {expected}");
}

#[timer(METRICS, "sampled", sample_rate = 0.01)]
#[inline(never)]
fn sampled_timed(x: u64) -> u64 {
    black_box(x)
}

fn sampled_attribute(run: &Run) -> Sample {
    ours::on_with_clock();
    let timing = drive(run, || {
        |i| {
            sampled_timed(i);
        }
    });
    expect_one_percent(count_of(METRICS.timer("sampled").sampled(0.01).series()), run);
    timing.into()
}

fn sampled_guard(run: &Run) -> Sample {
    ours::on_with_clock();
    let timer = METRICS.timer("x").sampled(0.01);
    let timing = drive(run, || {
        move |_| {
            let _t = timer.start();
            black_box(());
        }
    });
    expect_one_percent(count_of(timer.series()), run);
    timing.into()
}

fn sampled_counter(run: &Run) -> Sample {
    ours::on();
    let counter = METRICS.counter("x").sampled(0.01);
    let timing = drive(run, || move |_| counter.increment());
    expect_one_percent(count_of(counter.series()), run);
    timing.into()
}

#[counter(METRICS, "sampled", sample_rate = 0.01)]
#[inline(never)]
fn sampled_counted(x: u64) -> u64 {
    black_box(x)
}

fn sampled_attr_counter(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            sampled_counted(i);
        }
    });
    expect_one_percent(count_of(METRICS.counter("sampled").sampled(0.01).series()), run);
    timing.into()
}

/// A rate at which practically no call is taken: what is left is the same for each call.
const NEVER: f64 = 1e-15;

fn counter_out(run: &Run) -> Sample {
    ours::on();
    let counter = METRICS.counter("x").sampled(NEVER);
    let timing = drive(run, || move |_| counter.increment());
    expect("taken", count_of(counter.series()), 0);
    timing.into()
}

fn guard_out(run: &Run) -> Sample {
    ours::on_with_clock();
    let timer = METRICS.timer("x").sampled(NEVER);
    let timing = drive(run, || {
        move |_| {
            let _t = timer.start();
            black_box(());
        }
    });
    expect("taken", count_of(timer.series()), 0);
    timing.into()
}

#[timer(METRICS, "never", sample_rate = 1e-15)]
#[inline(never)]
fn never_timed(x: u64) -> u64 {
    black_box(x)
}

fn attribute_out(run: &Run) -> Sample {
    ours::on_with_clock();
    let timing = drive(run, || {
        |i| {
            never_timed(i);
        }
    });
    expect("taken", count_of(METRICS.timer("never").sampled(NEVER).series()), 0);
    timing.into()
}

#[counter(METRICS, "never", sample_rate = 1e-15)]
#[inline(never)]
fn never_counted(x: u64) -> u64 {
    black_box(x)
}

fn attr_counter_out(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            never_counted(i);
        }
    });
    expect("taken", count_of(METRICS.counter("never").sampled(NEVER).series()), 0);
    timing.into()
}
