//! Totals as Prometheus' own messages, `io.prometheus.client.MetricFamily`, each with its length in front.
//!
//! They are a handful of fields, written by hand: a code generator would weigh more than this file. The numbers are those of
//! [`metrics.proto`](https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto).

use crate::exemplars::Shown;
use crate::layout::{Block, PIECE, Part, Row, Step};
use crate::le_buckets::{self, Bounds, HistogramTotals};
use crate::names;
use crate::native_buckets::{self as native, Buckets, Native};
use crate::piece::Piece;
use crate::process::About;
use crate::totals::{Cell, ExposedTotals};
use ferrometer_core::Kind;

mod family {
    pub(crate) const NAME: u32 = 1;
    pub(crate) const HELP: u32 = 2;
    pub(crate) const TYPE: u32 = 3;
    pub(crate) const METRIC: u32 = 4;
    pub(crate) const UNIT: u32 = 5;
    pub(crate) const COUNTER: u64 = 0;
    pub(crate) const GAUGE: u64 = 1;
    pub(crate) const HISTOGRAM: u64 = 4;
}

mod metric {
    pub(crate) const LABEL: u32 = 1;
    pub(crate) const GAUGE: u32 = 2;
    pub(crate) const COUNTER: u32 = 3;
    pub(crate) const HISTOGRAM: u32 = 7;
    /// In `LabelPair`.
    pub(crate) const NAME: u32 = 1;
    pub(crate) const LABEL_VALUE: u32 = 2;
    /// In `Gauge` and `Counter`.
    pub(crate) const VALUE: u32 = 1;
    pub(crate) const COUNTER_EXEMPLAR: u32 = 2;
    pub(crate) const COUNTER_CREATED: u32 = 3;
}

mod histogram {
    pub(crate) const COUNT: u32 = 1;
    pub(crate) const SUM: u32 = 2;
    pub(crate) const BUCKET: u32 = 3;
    pub(crate) const SCHEMA: u32 = 5;
    pub(crate) const ZERO_THRESHOLD: u32 = 6;
    pub(crate) const ZERO_COUNT: u32 = 7;
    pub(crate) const NEGATIVE_SPAN: u32 = 9;
    pub(crate) const NEGATIVE_DELTA: u32 = 10;
    pub(crate) const POSITIVE_SPAN: u32 = 12;
    pub(crate) const POSITIVE_DELTA: u32 = 13;
    pub(crate) const CREATED: u32 = 15;
    pub(crate) const EXEMPLARS: u32 = 16;
    /// In `Bucket`.
    pub(crate) const CUMULATIVE_COUNT: u32 = 1;
    pub(crate) const UPPER_BOUND: u32 = 2;
    pub(crate) const BUCKET_EXEMPLAR: u32 = 3;
}

mod exemplar {
    pub(crate) const LABEL: u32 = 1;
    pub(crate) const VALUE: u32 = 2;
    pub(crate) const TIME: u32 = 3;
}

/// Renders whole families.
pub(crate) fn render(exposition: &ExposedTotals, steps: &[Step]) -> Vec<Piece> {
    let mut out = Pieces::default();
    for steps in steps.chunk_by(|a, b| (a.block, a.part) == (b.block, b.part)) {
        let mut metrics = Pieces::default();
        let (block, part) = (steps[0].block, steps[0].part);
        let shown = &exposition.layout.blocks[block];
        let bounds = shown.family.is_distribution().then(|| exposition.bounds(block));
        let (mut one, mut inner) = (Vec::new(), Vec::new());
        for at in steps.iter().flat_map(|step| step.rows.clone()) {
            one.clear();
            if write(&mut one, &mut inner, exposition, shown, part, at, bounds.as_deref()) {
                key(metrics.room(), family::METRIC, 2);
                varint(metrics.room(), one.len() as u64);
                metrics.push(&one);
            }
        }
        if metrics.bytes() == 0 {
            continue;
        }
        let (name, unit, note, kind) = about(shown, part);
        let mut head = Vec::new();
        text(&mut head, family::NAME, &name);
        text(&mut head, family::HELP, &format!("{}{note}", shown.help));
        unsigned(&mut head, family::TYPE, kind);
        if !unit.is_empty() {
            text(&mut head, family::UNIT, unit);
        }
        varint(out.room(), (head.len() + metrics.bytes()) as u64);
        out.push(&head);
        out.append(metrics);
    }
    out.finish()
}

fn about(block: &Block, part: Part) -> (String, &str, &'static str, u64) {
    let name = &block.family.name;
    match (part, block.family.kind()) {
        (Part::Decrements, _) => (format!("{name}_decrements_total"), "", " (what was taken away)", family::COUNTER),
        (_, Kind::Counter) => (format!("{name}_total"), &block.unit, "", family::COUNTER),
        (_, Kind::Timer | Kind::Histogram) => (name.clone(), &block.unit, "", family::HISTOGRAM),
        _ => (name.clone(), &block.unit, "", family::GAUGE),
    }
}

/// A `Metric`; whether there was one. `inner` is room that is used again.
#[allow(clippy::too_many_arguments)]
fn write(
    out: &mut Vec<u8>,
    inner: &mut Vec<u8>,
    exposition: &ExposedTotals,
    block: &Block,
    part: Part,
    at: usize,
    bounds: Option<&Bounds>,
) -> bool {
    let (cell, row) = (&exposition.cells[at], &exposition.layout.rows[at]);
    inner.clear();
    let field = match (part, cell) {
        (Part::Main, Cell::Counter { increments: value, .. })
        | (Part::Decrements, Cell::Counter { decrements: value @ 1.., .. }) => {
            double(inner, metric::VALUE, *value as f64);
            if let Some(newest) = exposition.exemplars.of(at).next_back().filter(|_| part == Part::Main) {
                exemplar(inner, metric::COUNTER_EXEMPLAR, newest);
            }
            timestamp(inner, metric::COUNTER_CREATED, row.created);
            metric::COUNTER
        }
        (Part::Main, Cell::Number(value)) => {
            double(inner, metric::VALUE, *value);
            metric::GAUGE
        }
        (Part::Main, Cell::Distributions(..)) => {
            let Some(bounds) = bounds else { return false };
            distribution(inner, exposition, (at, cell, row), bounds);
            metric::HISTOGRAM
        }
        _ => return false,
    };
    for (name, value) in names::pairs(exposition.layout.labels(&block.family, row)) {
        label(out, metric::LABEL, name, &value);
    }
    bytes(out, field, inner);
    true
}

/// A `LabelPair`.
#[inline(never)]
fn label(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    let len = 2 + varint_len(name.len()) + name.len() + varint_len(value.len()) + value.len();
    key(out, field, 2);
    varint(out, len as u64);
    text(out, metric::NAME, name);
    text(out, metric::LABEL_VALUE, value);
}

/// An `Exemplar`.
#[inline(never)]
fn exemplar(out: &mut Vec<u8>, field: u32, shown: &Shown) {
    let mut inner = Vec::new();
    for (name, id) in shown.labels() {
        label(&mut inner, exemplar::LABEL, name, &id);
    }
    double(&mut inner, exemplar::VALUE, shown.value);
    timestamp(&mut inner, exemplar::TIME, shown.millis());
    bytes(out, field, &inner);
}

/// A `Histogram`: classic and native.
fn distribution(out: &mut Vec<u8>, exposition: &ExposedTotals, (at, cell, row): (usize, &Cell, &Row), bounds: &Bounds) {
    let rates = exposition.distributions_of(cell);
    let totals = HistogramTotals::of(rates, bounds);
    unsigned(out, histogram::COUNT, totals.count);
    if let Some(sum) = totals.sum {
        double(out, histogram::SUM, sum);
    }
    let mut bucket = Vec::new();
    let exemplars = exposition.exemplars.by_bucket(at, bounds);
    let exemplar_of = |bucket: usize| exemplars.get(bucket).copied().flatten();
    // The bucket of +Inf is the count, and written where it has an exemplar.
    let infinite = exemplar_of(bounds.len()).map(|_| (f64::INFINITY, totals.count));
    let all = bounds.shown.iter().copied().zip(totals.cumulative.iter().copied()).chain(infinite);
    for (number, (bound, n)) in all.enumerate() {
        bucket.clear();
        unsigned(&mut bucket, histogram::CUMULATIVE_COUNT, n);
        double(&mut bucket, histogram::UPPER_BOUND, bound);
        if let Some(shown) = exemplar_of(number) {
            exemplar(&mut bucket, histogram::BUCKET_EXEMPLAR, shown);
        }
        bytes(out, histogram::BUCKET, &bucket);
    }
    let native = Native::of(rates, rates.first().map_or(1.0, |(_, d)| le_buckets::unit(d.scheme())));
    unsigned(out, histogram::SCHEMA, zigzag(i64::from(native::SCHEMA)));
    double(out, histogram::ZERO_THRESHOLD, native.zero_threshold);
    unsigned(out, histogram::ZERO_COUNT, native.zero_count);
    for (side, span, delta) in [
        (&native.negative, histogram::NEGATIVE_SPAN, histogram::NEGATIVE_DELTA),
        (&native.positive, histogram::POSITIVE_SPAN, histogram::POSITIVE_DELTA),
    ] {
        populated(out, side, span, delta);
    }
    timestamp(out, histogram::CREATED, row.created);
    for shown in exposition.exemplars.of(at) {
        exemplar(out, histogram::EXEMPLARS, shown);
    }
}

fn populated(out: &mut Vec<u8>, side: &Buckets, span: u32, delta: u32) {
    let mut inner = Vec::new();
    for (offset, len) in &side.spans {
        inner.clear();
        unsigned(&mut inner, 1, zigzag(i64::from(*offset)));
        unsigned(&mut inner, 2, u64::from(*len));
        bytes(out, span, &inner);
    }
    if !side.deltas.is_empty() {
        inner.clear();
        side.deltas.iter().for_each(|delta| varint(&mut inner, zigzag(*delta)));
        bytes(out, delta, &inner);
    }
}

/// One of the process' own metrics.
pub(crate) fn process(out: &mut Vec<u8>, about: &About, value: f64, started: i64) {
    let mut inner = Vec::new();
    double(&mut inner, metric::VALUE, value);
    if about.counter {
        timestamp(&mut inner, metric::COUNTER_CREATED, started);
    }
    let mut one = Vec::new();
    bytes(&mut one, if about.counter { metric::COUNTER } else { metric::GAUGE }, &inner);
    let mut message = Vec::new();
    text(&mut message, family::NAME, about.name);
    text(&mut message, family::HELP, about.help);
    unsigned(&mut message, family::TYPE, if about.counter { family::COUNTER } else { family::GAUGE });
    bytes(&mut message, family::METRIC, &one);
    if !about.unit.is_empty() {
        text(&mut message, family::UNIT, about.unit);
    }
    varint(out, message.len() as u64);
    out.extend_from_slice(&message);
}

/// Bytes in pieces of bounded size.
#[derive(Default)]
struct Pieces {
    full: Vec<Vec<u8>>,
    full_bytes: usize,
    last: Vec<u8>,
}

impl Pieces {
    fn bytes(&self) -> usize {
        self.full_bytes + self.last.len()
    }

    /// Where the next bytes go.
    fn room(&mut self) -> &mut Vec<u8> {
        if self.last.len() >= PIECE {
            self.full_bytes += self.last.len();
            self.full.push(std::mem::take(&mut self.last));
        }
        &mut self.last
    }

    fn push(&mut self, bytes: &[u8]) {
        self.room().extend_from_slice(bytes);
    }

    fn append(&mut self, other: Pieces) {
        for piece in other.full {
            self.push(&piece);
        }
        self.push(&other.last);
    }

    fn finish(mut self) -> Vec<Piece> {
        if !self.last.is_empty() {
            self.full.push(self.last);
        }
        self.full.into_iter().map(Piece::new).collect()
    }
}

// A function that appends a field is called and not inlined: it stands at two dozen places.

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: usize) -> usize {
    (64 - (value as u64 | 1).leading_zeros() as usize).div_ceil(7)
}

/// Signed numbers, small ones short.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Wire types: 0 a number, 1 eight bytes, 2 bytes with their length in front.
fn key(out: &mut Vec<u8>, field: u32, wire: u32) {
    varint(out, u64::from(field << 3 | wire));
}

#[inline(never)]
fn unsigned(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, 0);
    varint(out, value);
}

#[inline(never)]
fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    key(out, field, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

#[inline(never)]
fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    key(out, field, 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn text(out: &mut Vec<u8>, field: u32, value: &str) {
    bytes(out, field, value.as_bytes());
}

/// A `google.protobuf.Timestamp`.
#[inline(never)]
fn timestamp(out: &mut Vec<u8>, field: u32, millis: i64) {
    let (seconds, nanos) = (millis.max(0) as u64 / 1000, millis.max(0) as u64 % 1000 * 1_000_000);
    let len = 2 + varint_len(seconds as usize) + varint_len(nanos as usize);
    key(out, field, 2);
    varint(out, len as u64);
    unsigned(out, 1, seconds);
    unsigned(out, 2, nanos);
}
