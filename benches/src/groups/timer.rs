//! Timed blocks: two clock reads and a recording, every call or one in a hundred.

use super::record::{
    client_count, client_histogram, log2_count, log2_record, measured_count, measured_histogram_of,
    prometheus_histogram_of,
};
use crate::drive::drive;
use crate::ours::{self, count_of};
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Logger, counter, logger, time, timer};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

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
    Row::peer(GROUP, "timer.prometheus_client", "prometheus-client and `Instant`", prometheus_client_timer)
        .threaded()
        .iterations(700_000),
    Row::peer(GROUP, "timer.prometheus", "prometheus `start_timer`", prometheus_timer).threaded().iterations(500_000),
    Row::peer(GROUP, "timer.measured", "measured `start_timer`", measured_timer).threaded().iterations(500_000),
    Row::peer(GROUP, "timer.metered", "metered `ResponseTime` on a method, the call included", metered_time)
        .threaded()
        .iterations(700_000),
    Row::peer(GROUP, "timer.autometrics", "`#[autometrics]` on a function, the call included", autometrics_fn)
        .threaded()
        .iterations(250_000),
    Row::peer(GROUP, "timer.tracing", "`#[tracing::instrument(skip_all)]`, an empty layer", tracing_span)
        .threaded()
        .iterations(500_000),
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

fn prometheus_client_timer(run: &Run) -> Sample {
    let histogram = client_histogram();
    let timing = drive(run, || {
        |_| {
            let start = Instant::now();
            black_box(());
            histogram.observe(start.elapsed().as_secs_f64());
        }
    });
    expect("recorded", client_count(&histogram), run.total());
    timing.into()
}

fn prometheus_timer(run: &Run) -> Sample {
    let histogram = prometheus_histogram_of();
    let timing = drive(run, || {
        |_| {
            let _t = histogram.start_timer();
            black_box(());
        }
    });
    expect("recorded", histogram.get_sample_count(), run.total());
    timing.into()
}

fn measured_timer(run: &Run) -> Sample {
    let histogram = measured_histogram_of();
    let timing = drive(run, || {
        |_| {
            let _t = histogram.start_timer();
            black_box(());
        }
    });
    expect("recorded", measured_count(&histogram), run.total());
    timing.into()
}

#[derive(Default, Debug)]
struct Biz {
    metrics: BizMetrics,
}

#[metered::metered(registry = BizMetrics)]
impl Biz {
    #[measure(metered::ResponseTime)]
    #[inline(never)]
    fn work(&self, x: u64) -> u64 {
        black_box(x)
    }
}

fn metered_time(run: &Run) -> Sample {
    let biz = Biz::default();
    let timing = drive(run, || {
        |i| {
            biz.work(i);
        }
    });
    expect("recorded", biz.metrics.work.response_time.0.histogram().len(), run.total());
    timing.into()
}

#[autometrics::autometrics]
#[inline(never)]
fn autometered(x: u64) -> u64 {
    black_box(x)
}

fn autometrics_fn(run: &Run) -> Sample {
    let timing = drive(run, || {
        |i| {
            autometered(i);
        }
    });
    let count: u64 = prometheus::gather()
        .iter()
        .filter(|f| f.name() == "function_calls_duration_seconds")
        .flat_map(|f| f.get_metric().iter().map(|m| m.get_histogram().get_sample_count()).collect::<Vec<_>>())
        .sum();
    expect("recorded", count, run.total());
    timing.into()
}

/// A layer that does nothing, so that spans are made; it counts them when asked to.
struct Nothing;
impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Nothing {}

#[tracing::instrument(skip_all)]
#[inline(never)]
fn instrumented(x: u64) -> u64 {
    assert!(!WATCHED.get() || tracing::Span::current().id().is_some(), "a span was made");
    black_box(x)
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

fn tracing_span(run: &Run) -> Sample {
    use tracing_subscriber::layer::SubscriberExt;
    let subscriber = tracing_subscriber::registry().with(Nothing);
    tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
    WATCHED.set(true);
    instrumented(0);
    WATCHED.set(false);
    drive(run, || {
        |i| {
            instrumented(i);
        }
    })
    .into()
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
