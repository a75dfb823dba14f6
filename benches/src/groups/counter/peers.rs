//! Counters of other libraries.

use super::GROUP;
use crate::drive::drive;
use crate::groups::exposition::text_sum;
use crate::peers;
use crate::row::{Row, Run, Sample, expect};
use opentelemetry::KeyValue;
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

pub const ROWS: &[Row] = &[
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
    expect("counted", text_sum(&handle.render(), "x"), run.total());
    timing.into()
}

fn metrics_macro(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    let timing = drive(run, || |_| metrics::counter!("x").increment(1));
    expect("counted", text_sum(&handle.render(), "x"), run.total());
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
