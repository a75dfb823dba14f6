//! Histograms of other libraries.

use super::{GROUP, at, seconds, values};
use crate::drive::drive;
use crate::groups::exposition::text_sum;
use crate::peers;
use crate::row::{Row, Run, Sample, expect};
use opentelemetry::KeyValue;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

pub const ROWS: &[Row] = &[
    Row::peer(
        GROUP,
        "record.prometheus_client",
        "prometheus-client `Histogram`, 11 buckets",
        prometheus_client_histogram,
    )
    .threaded()
    .iterations(2_000_000),
    Row::peer(GROUP, "record.prometheus", "prometheus `Histogram`, 11 buckets", prometheus_histogram)
        .threaded()
        .iterations(1_000_000),
    Row::peer(GROUP, "record.otel_bound", "opentelemetry `BoundHistogram`", otel_bound)
        .threaded()
        .iterations(2_000_000),
    Row::peer(GROUP, "record.measured", "measured `Histogram`, 11 buckets", measured_histogram)
        .threaded()
        .iterations(1_000_000),
    Row::peer(GROUP, "record.hdrhistogram", "hdrhistogram, one for each thread, not shared", hdr)
        .threaded()
        .iterations(8_000_000),
    Row::peer(
        GROUP,
        "record.metrics",
        "metrics + prometheus recorder, cached handle, drained every 65,536",
        metrics_histogram,
    )
    .threaded()
    .iterations(500_000),
];

/// Bounds in seconds, as the peers want them.
const BOUNDS: [f64; 11] = [1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2];

/// prometheus-client gives no totals but as text.
pub fn client_count(histogram: &prometheus_client::metrics::histogram::Histogram) -> u64 {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("x", "help", histogram.clone());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("a text");
    text_sum(&text, "x_count")
}

pub fn client_histogram() -> prometheus_client::metrics::histogram::Histogram {
    prometheus_client::metrics::histogram::Histogram::new(BOUNDS)
}

fn prometheus_client_histogram(run: &Run) -> Sample {
    let (values, histogram) = (seconds(), client_histogram());
    let timing = drive(run, || |i| histogram.observe(at(&values, i)));
    expect("recorded", client_count(&histogram), run.total());
    timing.into()
}

pub fn prometheus_histogram_of() -> prometheus::Histogram {
    let opts = prometheus::HistogramOpts::new("x", "help").buckets(BOUNDS.to_vec());
    prometheus::Histogram::with_opts(opts).expect("a histogram")
}

fn prometheus_histogram(run: &Run) -> Sample {
    let (values, histogram) = (seconds(), prometheus_histogram_of());
    let timing = drive(run, || |i| histogram.observe(at(&values, i)));
    expect("recorded", histogram.get_sample_count(), run.total());
    timing.into()
}

fn otel_bound(run: &Run) -> Sample {
    let (provider, reader) = peers::otel();
    let histogram = peers::meter(&provider).f64_histogram("x").with_boundaries(BOUNDS.to_vec()).build();
    let bound = histogram.bind(&[KeyValue::new("method", "GET")]);
    let values = seconds();
    let timing = drive(run, || |i| bound.record(at(&values, i)));
    expect("recorded", peers::otel_sum(&reader), run.total());
    timing.into()
}

pub fn measured_histogram_of() -> measured::Histogram<11> {
    measured::Histogram::with_metadata(measured::metric::histogram::Thresholds::with_buckets(BOUNDS))
}

pub fn measured_count(histogram: &measured::Histogram<11>) -> u64 {
    let guard = histogram.get_metric();
    let state = guard.inner.read();
    state.buckets.iter().map(|b| b.load(Relaxed)).sum::<u64>() + state.inf.load(Relaxed)
}

fn measured_histogram(run: &Run) -> Sample {
    let (values, histogram) = (seconds(), measured_histogram_of());
    let timing = drive(run, || |i| histogram.observe(at(&values, i)));
    expect("recorded", measured_count(&histogram), run.total());
    timing.into()
}

fn hdr(run: &Run) -> Sample {
    let (values, done) = (values(), Mutex::new(0));
    // Counts into the sum when the thread is done with it.
    struct Own<'a>(hdrhistogram::Histogram<u64>, &'a Mutex<u64>);
    impl Drop for Own<'_> {
        fn drop(&mut self) {
            *self.1.lock().expect("the sum") += self.0.len();
        }
    }
    let timing = drive(run, || {
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds");
        let mut own = Own(histogram, &done);
        let values = &values;
        move |i| {
            let own = &mut own;
            own.0.record(at(values, i)).expect("within bounds");
        }
    });
    expect("recorded", done.into_inner().expect("the sum"), run.total());
    timing.into()
}

fn metrics_histogram(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    let (values, histogram) = (seconds(), metrics::histogram!("x"));
    let upkeep = Mutex::new(());
    let timing = drive(run, || {
        let calls = Cell::new(0u64);
        let (histogram, handle, values, upkeep) = (&histogram, &handle, &values, &upkeep);
        move |i| {
            histogram.record(at(values, i));
            calls.set(calls.get() + 1);
            if calls.get() & 0xffff == 0 {
                // One at a time, as the exporter's own thread does it.
                if let Ok(_one) = upkeep.try_lock() {
                    handle.run_upkeep();
                }
            }
        }
    });
    expect("recorded", text_sum(&handle.render(), "x_count"), run.total());
    timing.into()
}
