//! Recordings of metrics that offer exemplars, in a trace: the place is full but for the first.

use crate::drive::drive;
use crate::groups::record;
use crate::ours::{self, count_of};
use crate::row::{Row, Run, Sample, expect};
use ferrometer::exemplars::{TraceContext, provide};
use ferrometer::{Limits, Logger, Series, logger};
use ferrometer_core::{Naming, configure_with_exemplars};
use std::time::Duration;

const GROUP: &str = "exemplars";
pub const ROWS: &[Row] = &[
    Row::ours(GROUP, "exemplars.counter", "`counter.increment()` with exemplars", counter)
        .threaded()
        .iterations(10_000_000),
    Row::ours(GROUP, "exemplars.timer", "`timer.record(duration)` with exemplars", timer)
        .threaded()
        .iterations(5_000_000),
];

static METRICS: Logger = logger!("on");

fn on() {
    provide(|| TraceContext::new(1, 2)).expect("the first function");
    configure_with_exemplars(Naming::default(), Limits::default(), vec![], vec![], true);
    ours::on();
}

fn has_exemplars(series: &'static Series) {
    assert!(!ferrometer::snapshot().totals().exemplars(series).is_empty(), "no exemplars");
}

fn counter(run: &Run) -> Sample {
    on();
    let counter = METRICS.counter("x");
    let timing = drive(run, || |_| counter.increment());
    expect("counted", count_of(counter.series()), run.total());
    has_exemplars(counter.series());
    timing.into()
}

fn timer(run: &Run) -> Sample {
    on();
    let (values, timer) = (record::values(), METRICS.timer("x"));
    let durations: Vec<Duration> = values.into_iter().map(Duration::from_nanos).collect();
    let timing = drive(run, || |i| timer.record(durations[i as usize & 1023]));
    expect("recorded", count_of(timer.series()), run.total());
    has_exemplars(timer.series());
    timing.into()
}
