//! Counters that are on: one counter, by handle, by literal name, by attribute.

use crate::drive::drive;
use crate::ours::{self, count_of};
use crate::peers;
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Logger, count, counter, logger};
use opentelemetry::KeyValue;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::*};

const GROUP: &str = "counter";
pub const ROWS: &[Row] = &[
    Row::floor(GROUP, "base.tls_block", "this thread's cell, found by the instrument's number", tls_block)
        .threaded()
        .iterations(20_000_000),
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
    Row::peer(GROUP, "counter.prometheus_client", "prometheus-client `Counter::inc`", prometheus_client_counter)
        .threaded()
        .iterations(5_000_000),
    Row::peer(GROUP, "counter.prometheus", "prometheus `IntCounter::inc`", prometheus_counter)
        .threaded()
        .iterations(5_000_000),
    Row::peer(GROUP, "counter.otel_bound", "opentelemetry `BoundCounter::add`", otel_bound)
        .threaded()
        .iterations(4_000_000),
    Row::peer(GROUP, "counter.measured", "measured `Counter::inc`", measured_counter).threaded().iterations(4_000_000),
    Row::peer(GROUP, "counter.metrics_handle", "metrics + prometheus recorder, a cached handle", metrics_handle)
        .threaded()
        .iterations(3_000_000),
    Row::peer(
        GROUP,
        "counter.metrics_macro",
        "metrics + prometheus recorder, `counter!(\"x\").increment(1)`",
        metrics_macro,
    )
    .threaded()
    .iterations(500_000),
    Row::peer(GROUP, "counter.metered", "metered `HitCount` on a method, the call included", metered_hits)
        .threaded()
        .iterations(4_000_000),
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

fn tls_block(run: &Run) -> Sample {
    static ID: AtomicU64 = AtomicU64::new(7);
    let one = Run { threads: 1, ..*run };
    block_add(7);
    let timing = drive(run, || |_| block_add(ID.load(Relaxed) as usize));
    if run.threads == 1 {
        // SAFETY: `block_add` has set it above, and blocks are never freed.
        expect("counted", unsafe { (*BLOCK.get()).0[7].load(Relaxed) }, one.total() + 1);
    }
    timing.into()
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

fn prometheus_client_counter(run: &Run) -> Sample {
    let counter = prometheus_client::metrics::counter::Counter::<u64>::default();
    let timing = drive(run, || {
        let counter = counter.clone();
        move |_| {
            counter.inc();
        }
    });
    expect("counted", counter.get(), run.total());
    timing.into()
}

fn prometheus_counter(run: &Run) -> Sample {
    let counter = prometheus::IntCounter::new("x", "help").expect("a counter");
    let timing = drive(run, || {
        let counter = counter.clone();
        move |_| counter.inc()
    });
    expect("counted", counter.get(), run.total());
    timing.into()
}

fn otel_bound(run: &Run) -> Sample {
    let (provider, reader) = peers::otel();
    let counter = peers::meter(&provider).u64_counter("x").build();
    let bound = counter.bind(&[KeyValue::new("method", "GET"), KeyValue::new("status", "2xx")]);
    let timing = drive(run, || |_| bound.add(1));
    expect("counted", peers::otel_sum(&reader), run.total());
    timing.into()
}

fn measured_counter(run: &Run) -> Sample {
    let counter = measured::Counter::new();
    let timing = drive(run, || |_| counter.inc());
    expect("counted", counter.get_metric().count.load(Relaxed), run.total());
    timing.into()
}

fn metrics_handle(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    let counter = metrics::counter!("x");
    let timing = drive(run, || {
        let counter = counter.clone();
        move |_| counter.increment(1)
    });
    expect("counted", peers::text_sum(&handle.render(), "x"), run.total());
    timing.into()
}

fn metrics_macro(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    let timing = drive(run, || |_| metrics::counter!("x").increment(1));
    expect("counted", peers::text_sum(&handle.render(), "x"), run.total());
    timing.into()
}

#[derive(Default, Debug)]
struct Hits {
    metrics: HitMetrics,
}

#[metered::metered(registry = HitMetrics)]
impl Hits {
    #[measure(metered::HitCount)]
    #[inline(never)]
    fn hit(&self, x: u64) -> u64 {
        black_box(x)
    }
}

fn metered_hits(run: &Run) -> Sample {
    let hits = Hits::default();
    let timing = drive(run, || {
        |i| {
            hits.hit(i);
        }
    });
    expect("counted", hits.metrics.hit.hit_count.0.get(), run.total());
    timing.into()
}
