//! Timed blocks of other libraries.

use super::GROUP;
use crate::drive::drive;
use crate::groups::record::peers::{
    client_count, client_histogram, measured_count, measured_histogram_of, prometheus_histogram_of,
};
use crate::row::{Row, Run, Sample, expect};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

pub const ROWS: &[Row] = &[
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
];

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
