//! Remote write's messages for `prost`, as an oracle: written from the official files, and none of the encoder's code.

#![allow(dead_code)]

pub mod second;

use prost::Message;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<Metadata>,
}
#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(int32, tag = "1")]
    pub kind: i32,
    #[prost(string, tag = "2")]
    pub family: String,
    #[prost(string, tag = "4")]
    pub help: String,
    #[prost(string, tag = "5")]
    pub unit: String,
}
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub histograms: Vec<Histogram>,
}
#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}
#[derive(Clone, PartialEq, Message)]
pub struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}
#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint32, tag = "2")]
    pub length: u32,
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
    pub negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
}

/// Reads a body off the wire. Bytes that are no field of these messages are an error, and so are labels out of order.
pub fn decode(wire: &[u8]) -> WriteRequest {
    let body = snap::raw::Decoder::new().decompress_vec(wire).unwrap();
    let request = WriteRequest::decode(body.as_slice()).unwrap();
    assert!(request.encode_to_vec() == body, "the oracle writes other bytes: {request:?}");
    for series in &request.timeseries {
        assert!(series.labels.windows(2).all(|pair| pair[0].name < pair[1].name), "{:?}", series.labels);
        assert!(series.labels.iter().all(|label| !label.value.is_empty()), "{:?}", series.labels);
        assert_eq!(series.samples.len() + series.histograms.len(), 1);
    }
    request
}

/// Samples by name: each with its labels and value.
pub fn samples(requests: &[WriteRequest], name: &str) -> Vec<(BTreeMap<String, String>, f64)> {
    let mut found = Vec::new();
    for series in requests.iter().flat_map(|request| &request.timeseries) {
        let mut labels: BTreeMap<String, String> =
            series.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
        if labels.remove("__name__").as_deref() == Some(name) {
            found.extend(series.samples.iter().map(|sample| (labels.clone(), sample.value)));
        }
    }
    found
}

/// The only sample of a name.
pub fn one(requests: &[WriteRequest], name: &str) -> Option<f64> {
    let found = samples(requests, name);
    assert!(found.len() <= 1, "{name}: {found:?}");
    found.first().map(|(_, value)| *value)
}
