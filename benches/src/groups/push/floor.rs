//! The floors: minimal programs that have what stands in front of each number, copy it, and write the number behind it. Their bodies are of the sizes of
//! ours.

use super::floor;
use super::sink::{Format, Sink};
use crate::row::{Run, Sample};
use std::time::{SystemTime, UNIX_EPOCH};

/// Sizes of bodies, as the backends have them by default.
const LINES: usize = 25_000_000;
const SAMPLES: usize = 2000;
const POINTS: usize = 10_000_000;

fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn id(i: u64) -> String {
    format!("{i:07}")
}

pub fn lines(run: &Run) -> Sample {
    let sink = Sink::start(Format::Lines);
    let prefixes: Vec<String> = (0..run.iterations).map(|i| format!("app.requests,id={} value=", id(i))).collect();
    let mut body = Vec::new();
    floor(run, &sink, |round, post| {
        let end = format!("i {}\n", nanos());
        for prefix in &prefixes {
            body.extend_from_slice(prefix.as_bytes());
            number(&mut body, round);
            body.extend_from_slice(end.as_bytes());
            if body.len() > LINES {
                post(&body);
                body.clear();
            }
        }
        post(&body);
        body.clear();
    })
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A sample of remote write as a field.
fn sample(out: &mut Vec<u8>, field: u8, value: f64, millis: u64, since: Option<u64>) {
    let from = out.len();
    out.extend_from_slice(&[field << 3 | 2, 0, 1 << 3 | 1]);
    out.extend_from_slice(&value.to_le_bytes());
    out.push(2 << 3);
    varint(out, millis);
    if let Some(since) = since {
        out.push(3 << 3);
        varint(out, since);
    }
    out[from + 1] = (out.len() - from - 2) as u8;
}

/// Posts what was written, compressed.
fn post_snappy(body: &mut Vec<u8>, wire: &mut Vec<u8>, encoder: &mut snap::raw::Encoder, post: &mut dyn FnMut(&[u8])) {
    wire.resize(snap::raw::max_compress_len(body.len()), 0);
    let length = encoder.compress(body, wire).expect("snappy");
    post(&wire[..length]);
    body.clear();
}

pub fn labels(run: &Run) -> Sample {
    let sink = Sink::start(Format::RemoteWrite);
    let labels: Vec<Vec<u8>> = (0..run.iterations)
        .map(|i| {
            let mut all = Vec::new();
            for (name, value) in [("__name__", "app_requests_total"), ("id", id(i).as_str())] {
                let mut label = Vec::new();
                bytes(&mut label, 1, name.as_bytes());
                bytes(&mut label, 2, value.as_bytes());
                bytes(&mut all, 1, &label);
            }
            all
        })
        .collect();
    let (mut body, mut wire, mut encoder) = (Vec::new(), Vec::new(), snap::raw::Encoder::new());
    floor(run, &sink, |round, post| {
        let millis = nanos() / 1_000_000;
        for chunk in labels.chunks(SAMPLES) {
            for labels in chunk {
                let from = body.len();
                body.extend_from_slice(&[1 << 3 | 2, 0]);
                body.extend_from_slice(labels);
                sample(&mut body, 2, round as f64, millis, None);
                body[from + 1] = (body.len() - from - 2) as u8;
            }
            post_snappy(&mut body, &mut wire, &mut encoder, post);
        }
    })
}

pub fn symbols(run: &Run) -> Sample {
    let sink = Sink::start(Format::RemoteWrite);
    let ids: Vec<String> = (0..run.iterations).map(id).collect();
    let (mut body, mut wire, mut encoder) = (Vec::new(), Vec::new(), snap::raw::Encoder::new());
    let started = nanos() / 1_000_000;
    floor(run, &sink, |round, post| {
        let millis = nanos() / 1_000_000;
        for chunk in ids.chunks(SAMPLES) {
            for symbol in ["", "__name__", "app_requests_total", "id"] {
                bytes(&mut body, 4, symbol.as_bytes());
            }
            chunk.iter().for_each(|id| bytes(&mut body, 4, id.as_bytes()));
            for number in 4..4 + chunk.len() as u64 {
                let from = body.len();
                body.extend_from_slice(&[5 << 3 | 2, 0, 1 << 3 | 2, 0, 1, 2, 3]);
                varint(&mut body, number);
                body[from + 3] = (body.len() - from - 4) as u8;
                sample(&mut body, 2, round as f64, millis, Some(started));
                body.extend_from_slice(&[5 << 3 | 2, 2, 1 << 3, 1, 6 << 3]);
                varint(&mut body, started);
                body[from + 1] = (body.len() - from - 2) as u8;
            }
            post_snappy(&mut body, &mut wire, &mut encoder, post);
        }
    })
}

pub fn points(run: &Run) -> Sample {
    let sink = Sink::start(Format::Otlp);
    let attributes: Vec<Vec<u8>> = (0..run.iterations)
        .map(|i| {
            let (mut value, mut pair, mut all) = (Vec::new(), Vec::new(), Vec::new());
            bytes(&mut value, 1, id(i).as_bytes());
            bytes(&mut pair, 1, b"id");
            bytes(&mut pair, 2, &value);
            bytes(&mut all, 7, &pair);
            all
        })
        .collect();
    let (mut points, mut body, mut sum) = (Vec::new(), Vec::new(), Vec::new());
    let start = nanos();
    floor(run, &sink, |round, post| {
        let time = nanos();
        for (i, attributes) in attributes.iter().enumerate() {
            let from = points.len();
            points.extend_from_slice(&[1 << 3 | 2, 0]);
            points.extend_from_slice(attributes);
            for (field, value) in [(2u8, start), (3, time), (6, round)] {
                points.push(field << 3 | 1);
                points.extend_from_slice(&value.to_le_bytes());
            }
            points[from + 1] = (points.len() - from - 2) as u8;
            if points.len() < POINTS && i + 1 < run.iterations as usize {
                continue;
            }
            // The lengths of what stands around the points are known: each layer is written once, and the points are copied once.
            sum.clear();
            sum.extend_from_slice(&[2 << 3, 2, 3 << 3, 1]);
            let len = |len: usize| {
                let mut out = Vec::new();
                varint(&mut out, len as u64);
                out
            };
            let data = [&[7 << 3 | 2], len(points.len() + sum.len()).as_slice()].concat();
            let mut name = Vec::new();
            bytes(&mut name, 1, b"app.requests");
            let metric = [&[2 << 3 | 2], len(name.len() + data.len() + points.len() + sum.len()).as_slice()].concat();
            let inner = metric.len() + name.len() + data.len() + points.len() + sum.len();
            let scope = [&[2 << 3 | 2], len(inner).as_slice()].concat();
            let resource = [&[1 << 3 | 2], len(scope.len() + inner).as_slice()].concat();
            body.clear();
            for part in [&resource, &scope, &metric, &name, &data, &points, &sum] {
                body.extend_from_slice(part);
            }
            post(&body);
            points.clear();
        }
    })
}
