//! Labels of other libraries: some are told the values when they are compiled, as enums.

use super::{GROUP, METHOD, METHODS, Method, STATUS, STATUSES, Status, pick};
use crate::drive::drive;
use crate::groups::exposition::text_sum;
use crate::peers;
use crate::row::{Row, Run, Sample, expect};
use measured::LabelGroup;
use measured::label::StaticLabelSet;
use opentelemetry::KeyValue;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter as ClientCounter;
use prometheus_client::metrics::family::Family;
use std::sync::atomic::Ordering::Relaxed;

pub const ROWS: &[Row] = &[
    Row::peer(GROUP, "labels.family_str", "prometheus-client `Family`, labels `&'static str`", family_str)
        .threaded()
        .iterations(1_000_000),
    Row::peer(GROUP, "labels.family_enum", "prometheus-client `Family`, labels enums", family_enum)
        .threaded()
        .iterations(1_500_000),
    Row::peer(GROUP, "labels.prometheus_vec", "prometheus `IntCounterVec`", prometheus_vec)
        .threaded()
        .iterations(800_000),
    Row::peer(GROUP, "labels.otel", "opentelemetry, 2 attributes", otel).threaded().iterations(500_000),
    Row::peer(GROUP, "labels.metrics", "metrics + prometheus recorder, one label", metrics_macro)
        .threaded()
        .iterations(300_000),
    Row::peer(GROUP, "labels.measured", "measured `CounterVec`, dense: values known when compiling", measured_dense)
        .threaded()
        .iterations(4_000_000),
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StrLabels {
    method: &'static str,
    status: &'static str,
}

fn family_str(run: &Run) -> Sample {
    let family = Family::<StrLabels, ClientCounter>::default();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHODS, &STATUSES, i);
            family.get_or_create(&StrLabels { method, status }).inc();
        }
    });
    let all = METHODS.iter().flat_map(|m| STATUSES.map(|s| (*m, s)));
    expect(
        "counted",
        all.map(|(method, status)| family.get_or_create(&StrLabels { method, status }).get()).sum(),
        run.total(),
    );
    timing.into()
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EnumLabels {
    method: Method,
    status: Status,
}

fn family_enum(run: &Run) -> Sample {
    let family = Family::<EnumLabels, ClientCounter>::default();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHOD, &STATUS, i);
            family.get_or_create(&EnumLabels { method, status }).inc();
        }
    });
    let all = METHOD.iter().flat_map(|m| STATUS.map(|s| (*m, s)));
    expect(
        "counted",
        all.map(|(method, status)| family.get_or_create(&EnumLabels { method, status }).get()).sum(),
        run.total(),
    );
    timing.into()
}

fn prometheus_vec(run: &Run) -> Sample {
    let opts = prometheus::Opts::new("x", "help");
    let counter = prometheus::IntCounterVec::new(opts, &["method", "status"]).expect("a counter");
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHODS, &STATUSES, i);
            counter.with_label_values(&[method, status]).inc();
        }
    });
    let all = METHODS.iter().flat_map(|m| STATUSES.map(|s| (*m, s)));
    expect("counted", all.map(|(m, s)| counter.with_label_values(&[m, s]).get()).sum(), run.total());
    timing.into()
}

fn otel(run: &Run) -> Sample {
    let (provider, reader) = peers::otel();
    let counter = peers::meter(&provider).u64_counter("x").build();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHODS, &STATUSES, i);
            counter.add(1, &[KeyValue::new("method", method), KeyValue::new("status", status)]);
        }
    });
    expect("counted", peers::otel_sum(&reader), run.total());
    timing.into()
}

fn metrics_macro(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    let timing = drive(run, || {
        |i| {
            let (method, _) = pick(&METHODS, &STATUSES, i);
            metrics::counter!("x", "method" => method).increment(1);
        }
    });
    expect("counted", text_sum(&handle.render(), "x"), run.total());
    timing.into()
}

#[derive(Clone, Copy, PartialEq, Debug, LabelGroup)]
#[label(set = DenseSet)]
struct Dense {
    method: Method,
    status: Status,
}

fn measured_dense(run: &Run) -> Sample {
    let counter = measured::CounterVec::dense_with_label_set(DenseSet {
        method: StaticLabelSet::new(),
        status: StaticLabelSet::new(),
    });
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHOD, &STATUS, i);
            counter.inc(Dense { method, status });
        }
    });
    let all = METHOD.iter().flat_map(|m| STATUS.map(|s| (*m, s)));
    let sum = all.map(|(method, status)| {
        let id = counter.with_labels(Dense { method, status });
        counter.get_metric(id).count.load(Relaxed)
    });
    expect("counted", sum.sum(), run.total());
    timing.into()
}
