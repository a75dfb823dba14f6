//! The text of other libraries.

use super::{GROUP, SERIES, best};
use crate::peers;
use crate::row::{Row, Run, Sample};
use measured::text::BufferedTextEncoder;
use measured::{CounterVec, LabelGroup, MetricGroup};
use paracord::ParaCord;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family};

pub const ROWS: &[Row] = &[
    Row::peer(GROUP, "exposition.measured", "measured, the encoder kept", measured_text).exactly(SERIES),
    Row::peer(
        GROUP,
        "exposition.prometheus_client",
        "prometheus-client `text::encode`, the string kept",
        prometheus_client_text,
    )
    .exactly(SERIES),
    Row::peer(GROUP, "exposition.prometheus", "prometheus `gather` and `TextEncoder`", prometheus_text)
        .exactly(SERIES)
        .samples(3),
    Row::peer(GROUP, "exposition.metrics", "metrics + prometheus recorder, `render`", metrics_text)
        .exactly(SERIES)
        .samples(3),
];

#[derive(Clone, Copy, PartialEq, Debug, LabelGroup)]
#[label(set = IdSet)]
struct Id<'a> {
    #[label(dynamic_with = ParaCord)]
    id: &'a str,
}

#[derive(MetricGroup)]
struct Group {
    /// help
    requests_total: CounterVec<IdSet>,
}

/// measured's counters of one label.
pub fn measured_counters(series: u64, by: impl Fn(u64) -> u64) -> impl Fn(&mut BufferedTextEncoder) {
    let group = Group { requests_total: CounterVec::with_label_set(IdSet { id: ParaCord::default() }) };
    for i in 0..series {
        group.requests_total.inc_by(Id { id: &format!("{i:06}") }, by(i));
    }
    move |encoder| group.collect_group_into(encoder).expect("a text")
}

fn measured_text(run: &Run) -> Sample {
    let collect = measured_counters(run.iterations, |i| i + 1);
    let mut encoder = BufferedTextEncoder::new();
    best(run.iterations, "requests_total", |done| {
        collect(&mut encoder);
        let text = encoder.finish();
        done(std::str::from_utf8(&text).expect("text"));
    })
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    id: String,
}

fn prometheus_client_text(run: &Run) -> Sample {
    let mut registry = prometheus_client::registry::Registry::default();
    let family = Family::<Labels, Counter>::default();
    registry.register("requests", "help", family.clone());
    for i in 0..run.iterations {
        family.get_or_create(&Labels { id: format!("{i:06}") }).inc_by(i + 1);
    }
    let mut text = String::new();
    best(run.iterations, "requests_total", |done| {
        text.clear();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a text");
        done(&text);
    })
}

fn prometheus_text(run: &Run) -> Sample {
    let registry = prometheus::Registry::new();
    let counters =
        prometheus::IntCounterVec::new(prometheus::Opts::new("requests_total", "help"), &["id"]).expect("counters");
    registry.register(Box::new(counters.clone())).expect("registered");
    for i in 0..run.iterations {
        counters.with_label_values(&[&format!("{i:06}")]).inc_by(i + 1);
    }
    let mut text = String::new();
    best(run.iterations, "requests_total", |done| {
        text.clear();
        prometheus::TextEncoder::new().encode_utf8(&registry.gather(), &mut text).expect("a text");
        done(&text);
    })
}

fn metrics_text(run: &Run) -> Sample {
    let handle = peers::metrics_prometheus();
    for i in 0..run.iterations {
        metrics::counter!("requests_total", "id" => format!("{i:06}")).increment(i + 1);
    }
    best(run.iterations, "requests_total", |done| done(&handle.render()))
}
