//! A counter with two labels whose values vary among a known few, looked up at each call.

use crate::drive::drive;
use crate::ours::{self, count_of_all};
use crate::peers;
use crate::row::{Row, Run, Sample, expect};
use ferrometer::{Counter, LabelValue, Logger, count, logger};
use measured::label::StaticLabelSet;
use measured::{FixedCardinalityLabel, LabelGroup};
use opentelemetry::KeyValue;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter as ClientCounter;
use prometheus_client::metrics::family::Family;
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

const GROUP: &str = "labels";
pub const ROWS: &[Row] = &[
    Row::floor(GROUP, "base.label_tables", "the loop and the two tables of values", tables).iterations(50_000_000),
    Row::ours(GROUP, "labels.count", "`count!(METRICS, \"x\", 1, \"method\" => m, \"status\" => s)`", count_macro)
        .threaded()
        .iterations(3_000_000),
    Row::ours(GROUP, "labels.fixed", "the same, `m` and `s` of types that are `LabelValue`", fixed)
        .threaded()
        .iterations(10_000_000),
    Row::ours(GROUP, "labels.with_all", "`METRICS.with_all(&[…]).send_counter(\"x\", 1)`", with_all)
        .threaded()
        .iterations(3_000_000),
    Row::ours(GROUP, "labels.handles", "handles kept in a table", handles).threaded().iterations(15_000_000),
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

static METRICS: Logger = logger!("on");

const METHODS: [&str; 4] = ["GET", "PUT", "POST", "DELETE"];
const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue, FixedCardinalityLabel, EncodeLabelValue)]
enum Method {
    Get,
    Put,
    Post,
    Delete,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue, FixedCardinalityLabel, EncodeLabelValue)]
enum Status {
    Ok,
    Moved,
    Wrong,
    Failed,
}
const METHOD: [Method; 4] = [Method::Get, Method::Put, Method::Post, Method::Delete];
const STATUS: [Status; 4] = [Status::Ok, Status::Moved, Status::Wrong, Status::Failed];

/// The values of an iteration: an order that repeats every 16, every pair once.
#[inline(always)]
fn pick<A: Copy, B: Copy>(methods: &[A; 4], statuses: &[B; 4], i: u64) -> (A, B) {
    let i = i as usize;
    (methods[i & 3], statuses[(i >> 2) & 3])
}

fn tables(run: &Run) -> Sample {
    drive(run, || {
        |i| {
            black_box(pick(&METHODS, &STATUSES, i));
        }
    })
    .into()
}

fn count_macro(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHODS, &STATUSES, i);
            count!(METRICS, "x", 1, "method" => method, "status" => status);
        }
    });
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

fn fixed(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHOD, &STATUS, i);
            count!(METRICS, "x", 1, "method" => method, "status" => status);
        }
    });
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

fn with_all(run: &Run) -> Sample {
    ours::on();
    let timing = drive(run, || {
        |i| {
            let (method, status) = pick(&METHODS, &STATUSES, i);
            METRICS.with_all(&[("method", method), ("status", status)]).send_counter("x", 1);
        }
    });
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

fn handles(run: &Run) -> Sample {
    ours::on();
    let handle = |m, s| METRICS.with_all(&[("method", m), ("status", s)]).counter("x");
    let table: [[Counter; 4]; 4] = METHODS.map(|m| STATUSES.map(|s| handle(m, s)));
    let timing = drive(run, || |i| table[i as usize & 3][(i >> 2) as usize & 3].increment());
    expect("counted", count_of_all("on", "x"), run.total());
    timing.into()
}

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
    expect("counted", peers::text_sum(&handle.render(), "x"), run.total());
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
