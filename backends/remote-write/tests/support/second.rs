//! Messages of remote write 2.0 for `prost`, as an oracle: written from the official file, and none of the encoder's code.

use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeries>,
}
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
    #[prost(int64, tag = "6")]
    pub created_timestamp: i64,
}
#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}
#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
    #[prost(int64, tag = "3")]
    pub start_timestamp: i64,
}
#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(int32, tag = "1")]
    pub kind: i32,
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub count: Option<u64>,
    #[prost(double, tag = "3")]
    pub sum: f64,
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub zero_count: Option<u64>,
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<super::Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<super::Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

/// One series, with its texts.
#[derive(Clone, Debug)]
pub struct Found {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub kind: i32,
    pub help: String,
    pub unit: String,
    /// Start times of the series and of its sample, which are equal.
    pub started: i64,
    pub sample: Option<(f64, i64)>,
    pub histogram: Option<Histogram>,
    /// With their labels in place of the numbers.
    pub exemplars: Vec<super::Exemplar>,
}

/// Reads a body off the wire, and checks what the specification says of every request: the symbols, each once and the empty one first; labels in order; one
/// sample or histogram; the type of each series; and since when those count that only grow.
pub fn decode(wire: &[u8]) -> Vec<Found> {
    let all = decode_kept(wire);
    assert!(all.iter().all(|found| (1..=3).contains(&found.kind)), "{all:?}");
    all
}

/// Reads a body of which series may lack a type, and then have no start either: one that was of 1.0 when it was kept.
pub fn decode_kept(wire: &[u8]) -> Vec<Found> {
    let body = snap::raw::Decoder::new().decompress_vec(wire).unwrap();
    let request = Request::decode(body.as_slice()).unwrap();
    assert!(request.encode_to_vec() == body, "the oracle writes other bytes: {request:?}");
    let symbols = &request.symbols;
    assert_eq!(symbols[0], "");
    assert_eq!(symbols.iter().collect::<BTreeSet<_>>().len(), symbols.len(), "a symbol twice: {symbols:?}");
    let text = |at: u32| symbols[at as usize].clone();
    let label = |pair: &[u32]| super::Label { name: text(pair[0]), value: text(pair[1]) };
    let exemplar = |found: &Exemplar| super::Exemplar {
        labels: found.labels_refs.chunks(2).map(label).collect(),
        value: found.value,
        timestamp: found.timestamp,
    };
    let found = request.timeseries.iter().map(|series| {
        let pairs: Vec<(String, String)> =
            series.labels_refs.chunks(2).map(|pair| (text(pair[0]), text(pair[1]))).collect();
        assert!(pairs.windows(2).all(|two| two[0].0 < two[1].0), "{pairs:?}");
        assert!(pairs.iter().all(|(_, value)| !value.is_empty()), "{pairs:?}");
        assert_eq!(series.samples.len() + series.histograms.len(), 1);
        let starts = series.samples.iter().map(|s| s.start_timestamp);
        let starts: Vec<i64> = starts.chain(series.histograms.iter().map(|h| h.start_timestamp)).collect();
        assert_eq!(starts, [series.created_timestamp]);
        let about = series.metadata.clone().unwrap_or_default();
        let (help, unit) = (text(about.help_ref), text(about.unit_ref));
        assert_eq!(series.created_timestamp > 0, [1, 3].contains(&about.kind), "{pairs:?}");
        let mut labels: BTreeMap<_, _> = pairs.into_iter().collect();
        Found {
            name: labels.remove("__name__").unwrap(),
            labels,
            kind: about.kind,
            help,
            unit,
            started: series.created_timestamp,
            sample: series.samples.first().map(|s| (s.value, s.timestamp)),
            histogram: series.histograms.first().cloned(),
            exemplars: series.exemplars.iter().map(exemplar).collect(),
        }
    });
    found.collect()
}
