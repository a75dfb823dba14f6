//! The macros of the `metrics` crate, recorded by ferrometer through the bridge, beside the recorder of metrics-exporter-prometheus.

use crate::drive::drive;
use crate::ours;
use crate::peers;
use crate::row::{Row, Run, Sample, expect};
use ferrometer_metrics_bridge::Bridge;
use std::hint::black_box;

pub const GROUP: &str = "bridge";

pub const ROWS: &[Row] = &[
    Row::ours(GROUP, "bridge.counter", "`metrics::counter!(\"x\").increment(1)` through the bridge", counter)
        .threaded()
        .iterations(2_000_000),
    Row::ours(GROUP, "bridge.handle", "a cached `metrics::Counter` through the bridge", handle)
        .threaded()
        .iterations(4_000_000),
    Row::ours(GROUP, "bridge.labels", "`metrics::counter!` with one label through the bridge", labels)
        .iterations(1_000_000),
    Row::ours(GROUP, "bridge.histogram", "`metrics::histogram!(\"x\").record(v)` through the bridge", histogram)
        .iterations(2_000_000),
    Row::peer(
        GROUP,
        "bridge.metrics_histogram",
        "metrics + prometheus recorder, `histogram!(\"x\").record(v)`",
        metrics_histogram,
    )
    .iterations(500_000),
];

fn on() {
    ours::on();
    Bridge::new().install().expect("the first recorder");
}

fn counted(run: &Run, names: &[&str]) {
    expect("counted", names.iter().map(|name| ours::count_of_all("", name)).sum(), run.total());
}

fn counter(run: &Run) -> Sample {
    on();
    let timing = drive(run, || |_| metrics::counter!("x").increment(1));
    counted(run, &["x"]);
    timing.into()
}

fn handle(run: &Run) -> Sample {
    on();
    let timing = drive(run, || {
        let counter = metrics::counter!("x");
        move |_| counter.increment(1)
    });
    counted(run, &["x"]);
    timing.into()
}

fn labels(run: &Run) -> Sample {
    on();
    let timing = drive(run, || {
        |n| {
            let method = if n % 2 == 0 { "GET" } else { "PUT" };
            metrics::counter!("x", "method" => black_box(method)).increment(1);
        }
    });
    counted(run, &["x"]);
    timing.into()
}

fn histogram(run: &Run) -> Sample {
    on();
    let timing = drive(run, || |n| metrics::histogram!("x").record(n as f64));
    counted(run, &["x"]);
    timing.into()
}

fn metrics_histogram(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    let timing = drive(run, || |n| metrics::histogram!("x").record(n as f64));
    handle.run_upkeep();
    expect("counted", crate::groups::exposition::text_sum(&handle.render(), "x_count"), run.total());
    timing.into()
}
