//! OpenTelemetry's own exporter: the same counters, in the SDK, over HTTP as protobuf.

use super::sink::{Format, Sink};
use super::{Best, GROUP, ROUNDS, SERIES, expected};
use crate::drive::process_cpu_ns;
use crate::row::{Row, Run, Sample, expect};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_otlp::{Compression, MetricExporter, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream};
use std::time::Duration;

pub const ROWS: &[Row] = &[
    Row::peer(GROUP, "push.otel", "opentelemetry-otlp, HTTP, protobuf", |run| otel(run, false)).exactly(SERIES),
    Row::peer(GROUP, "push.otel_gzip", "opentelemetry-otlp, HTTP, protobuf, gzip", |run| otel(run, true))
        .exactly(SERIES)
        .samples(3),
];

fn otel(run: &Run, gzip: bool) -> Sample {
    let sink = Sink::start(Format::Otlp);
    let builder = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let builder = builder.with_endpoint(format!("http://{}/v1/metrics", sink.address));
    let builder = if gzip { builder.with_compression(Compression::Gzip) } else { builder };
    let exporter = builder.build().expect("an exporter");
    // It delivers when it is told to.
    let reader = PeriodicReader::builder(exporter).with_interval(Duration::from_secs(3600)).build();
    let series = run.iterations as usize;
    // Beyond 2,000 label sets it counts all others as one, unless it is told.
    let view = move |_: &Instrument| Stream::builder().with_cardinality_limit(series + 1).build().ok();
    let provider = SdkMeterProvider::builder().with_reader(reader).with_view(view).build();
    let counter = provider.meter("bench").u64_counter("app.requests").build();
    let sets: Vec<[KeyValue; 1]> = (0..run.iterations).map(|i| [KeyValue::new("id", format!("{i:07}"))]).collect();
    let mut best = Best::new();
    for round in 1..=ROUNDS + 1 {
        sets.iter().for_each(|set| counter.add(1, set));
        sink.forget();
        let before = process_cpu_ns() - sink.cpu_ns();
        provider.force_flush().expect("a delivery");
        let process = process_cpu_ns() - sink.cpu_ns() - before;
        expect("the sum of what arrived", sink.delivery().sum(), expected(run.iterations, round));
        best.take(if round == 1 { "first_process_ms" } else { "process_ms" }, process);
    }
    best.sample(&sink)
}
