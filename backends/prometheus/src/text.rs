//! Totals as lines of text, in both text formats. Samples are the same in both but for `le` and the times of creation, which
//! only OpenMetrics has; what is said about them differs.

use crate::format::Format;
use crate::layout::{Block, Part, Row, Step};
use crate::le_buckets::{Bounds, HistogramTotals};
use crate::number;
use crate::process::{self, About};
use crate::totals::{Cell, ExposedTotals};
use ferrometer_core::Kind;

/// Appends one step.
pub(crate) fn render(out: &mut Vec<u8>, exposition: &ExposedTotals, step: &Step, format: Format) {
    let layout = &exposition.layout;
    let block = &layout.blocks[step.block];
    if exposition.begins(step) {
        head(out, block, step.part, format);
    }
    let rows = step.rows.clone().map(|at| (at, &exposition.cells[at], &layout.rows[at]));
    match (step.part, block.family.kind()) {
        (Part::Decrements, _) => rows.for_each(|(_, cell, row)| decrements(out, exposition, block, cell, row, format)),
        (_, Kind::Timer | Kind::Histogram) => {
            let histogram = Histogram { exposition, block, bounds: &exposition.bounds(step.block), format };
            rows.for_each(|shown| histogram.render(out, shown));
        }
        _ => rows.for_each(|shown| scalar(out, exposition, block, shown, format)),
    }
}

/// Head of a family.
struct Head<'a> {
    /// Its name in 0.0.4, and in OpenMetrics.
    names: [&'a str; 2],
    suffixes: [&'a str; 2],
    kind: &'a str,
    unit: &'a str,
    help: &'a str,
    note: &'a str,
}

impl Head<'_> {
    fn write(&self, out: &mut Vec<u8>, format: Format) {
        let at = usize::from(format == Format::OpenMetrics);
        let (name, suffix) = (self.names[at], self.suffixes[at]);
        let mut line = |key: &str, text: &str| {
            for part in ["# ", key, " ", name, suffix, " ", text] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        line("HELP", "");
        escape(out, self.help, format);
        out.extend_from_slice(self.note.as_bytes());
        out.push(b'\n');
        let mut line = |key: &str, text: &str| {
            for part in ["# ", key, " ", name, suffix, " ", text, "\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        line("TYPE", self.kind);
        if at == 1 && !self.unit.is_empty() {
            line("UNIT", self.unit);
        }
    }
}

/// The text of `HELP`; OpenMetrics escapes quotes too.
fn escape(out: &mut Vec<u8>, text: &str, format: Format) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if format == Format::OpenMetrics => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

fn head(out: &mut Vec<u8>, block: &Block, part: Part, format: Format) {
    let open = format == Format::OpenMetrics;
    let (suffixes, is_counter) = match (part, block.family.kind()) {
        (Part::Decrements, _) => (["_decrements_total", "_decrements"], block.decrements_is_counter),
        (_, Kind::Counter) => (["_total", ""], block.is_counter),
        _ => (["", ""], false),
    };
    // A counter whose own names are not free in OpenMetrics is a sample of no known type there.
    let unknown = open && !is_counter && (part == Part::Decrements || block.family.kind() == Kind::Counter);
    let kind = match (part, block.family.kind()) {
        _ if unknown => "unknown",
        (Part::Decrements, _) | (_, Kind::Counter) => "counter",
        (_, Kind::Timer | Kind::Histogram) => "histogram",
        _ => "gauge",
    };
    let (unit, note) = match part {
        Part::Main if !unknown => (block.unit.as_str(), ""),
        Part::Main => ("", ""),
        Part::Decrements => ("", " (what was taken away)"),
    };
    let suffixes = if unknown { [suffixes[0]; 2] } else { suffixes };
    let name = block.family.name.as_str();
    Head { names: [name; 2], suffixes, kind, unit, help: &block.help, note }.write(out, format);
}

/// A counter or gauge.
fn scalar(
    out: &mut Vec<u8>,
    exposition: &ExposedTotals,
    block: &Block,
    (at, cell, row): (usize, &Cell, &Row),
    format: Format,
) {
    let prefix = exposition.layout.prefix(row);
    match cell {
        Cell::Counter { increments, .. } => {
            out.extend_from_slice(prefix.as_bytes());
            number::whole(out, *increments);
            let is_open_counter = format == Format::OpenMetrics && block.is_counter;
            if let Some(newest) = exposition.exemplars.of(at).next_back().filter(|_| is_open_counter) {
                newest.write(out);
            }
            out.push(b'\n');
            if is_open_counter {
                created(out, exposition, block, "_created", row);
            }
        }
        Cell::Number(value) => {
            out.extend_from_slice(prefix.as_bytes());
            number::float(out, *value);
            out.push(b'\n');
        }
        Cell::Hidden | Cell::Distributions(..) => {}
    }
}

fn decrements(out: &mut Vec<u8>, exposition: &ExposedTotals, block: &Block, cell: &Cell, row: &Row, format: Format) {
    let Cell::Counter { decrements: decrements @ 1.., .. } = cell else { return };
    begin(out, exposition, block, "_decrements_total", row);
    number::whole(out, *decrements);
    out.push(b'\n');
    if format == Format::OpenMetrics && block.decrements_is_counter {
        created(out, exposition, block, "_decrements_created", row);
    }
}

/// `name_suffix{labels} `.
fn begin(out: &mut Vec<u8>, exposition: &ExposedTotals, block: &Block, suffix: &str, row: &Row) {
    out.extend_from_slice(block.family.name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let labels = exposition.layout.labels(&block.family, row);
    if !labels.is_empty() {
        out.push(b'{');
        out.extend_from_slice(labels.as_bytes());
        out.push(b'}');
    }
    out.push(b' ');
}

fn created(out: &mut Vec<u8>, exposition: &ExposedTotals, block: &Block, suffix: &str, row: &Row) {
    begin(out, exposition, block, suffix, row);
    number::seconds(out, row.created);
    out.push(b'\n');
}

struct Histogram<'a> {
    exposition: &'a ExposedTotals,
    block: &'a Block,
    bounds: &'a Bounds,
    format: Format,
}

impl Histogram<'_> {
    fn render(&self, out: &mut Vec<u8>, (at, cell, row): (usize, &Cell, &Row)) {
        let rates = self.exposition.distributions_of(cell);
        if rates.is_empty() {
            return;
        }
        let totals = HistogramTotals::of(rates, self.bounds);
        let prefix = self.exposition.layout.prefix(row);
        let open = self.format == Format::OpenMetrics;
        let labels = if open { &self.bounds.canonical } else { &self.bounds.text };
        let exemplars = if open { self.exposition.exemplars.by_bucket(at, self.bounds) } else { Vec::new() };
        let mut line = |bucket: usize, le: &str, n: u64| {
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(b"le=\"");
            out.extend_from_slice(le.as_bytes());
            out.extend_from_slice(b"\"} ");
            number::whole(out, n);
            if let Some(Some(exemplar)) = exemplars.get(bucket) {
                exemplar.write(out);
            }
            out.push(b'\n');
        };
        labels.iter().zip(&totals.cumulative).enumerate().for_each(|(at, (le, n))| line(at, le, *n));
        line(labels.len(), "+Inf", totals.count);
        // A sum with negative values may fall, which a reader would take for a restart. OpenMetrics allows none beside a bound
        // below zero, and no count without a sum; what is counted stands at +Inf.
        let sum = totals.sum.filter(|_| !(totals.has_negative || open && self.bounds.has_negative()));
        if let Some(sum) = sum {
            begin(out, self.exposition, self.block, "_sum", row);
            number::float(out, sum);
            out.push(b'\n');
        }
        if sum.is_some() || !open {
            begin(out, self.exposition, self.block, "_count", row);
            number::whole(out, totals.count);
            out.push(b'\n');
        }
        if open {
            created(out, self.exposition, self.block, "_created", row);
        }
    }
}

/// One of the process' own metrics.
pub(crate) fn process(out: &mut Vec<u8>, about: &About, value: f64, started: i64, format: Format) {
    let kind = if about.counter { "counter" } else { "gauge" };
    let names = [about.name, about.family()];
    Head { names, suffixes: [""; 2], kind, unit: about.unit, help: about.help, note: "" }.write(out, format);
    out.extend_from_slice(about.name.as_bytes());
    out.push(b' ');
    process::push(out, value);
    out.push(b'\n');
    if about.counter && format == Format::OpenMetrics {
        out.extend_from_slice(about.family().as_bytes());
        out.extend_from_slice(b"_created ");
        number::seconds(out, started);
        out.push(b'\n');
    }
}
