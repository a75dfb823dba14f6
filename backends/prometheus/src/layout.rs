//! Where everything stands: which families there are, in which order, and the beginning of every line, `name{labels} `, in one
//! buffer. It changes when a series or a description comes, and is shared by the expositions made meanwhile.

use crate::filter::Filter;
use crate::order::order;
use crate::{names, process};
use ferrometer_core::{Cause, Kind, Series};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Size of a rendered piece, roughly, in bytes.
pub(crate) const PIECE: usize = 64 << 10;

/// Properties that the samples of one name share. All have one (logger, name, kind); they differ in labels.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name, for a counter without its suffix.
    pub(crate) name: String,
    /// One of its series, for what it measures and means.
    pub(crate) first: &'static Series,
}

impl Family {
    pub(crate) fn kind(&self) -> Kind {
        self.first.kind()
    }

    pub(crate) fn is_distribution(&self) -> bool {
        matches!(self.kind(), Kind::Timer | Kind::Histogram)
    }

    fn is_described(&self) -> bool {
        self.first.description().is_some_and(|text| !text.is_empty())
    }

    /// The suffixes of its names, as they are seen in either text format.
    fn suffixes(&self, part: Part) -> &'static [&'static str] {
        match (part, self.kind()) {
            (Part::Decrements, _) => &["_decrements", "_decrements_total", "_decrements_created"],
            (_, Kind::Counter) => &["", "_total", "_created"],
            (_, Kind::Timer | Kind::Histogram) => &["", "_bucket", "_count", "_sum", "_created"],
            _ => &[""],
        }
    }
}

/// A family of this crate may be two of Prometheus'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Samples of the instrument itself.
    Main,
    /// Samples of the decrements of counters.
    Decrements,
}

/// An instrument with its labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Where its beginning of a line stands in the buffer.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// When it began to count from 0, in milliseconds since 1970.
    pub(crate) created: i64,
}

/// A family in its place.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) family: Arc<Family>,
    pub(crate) rows: Range<usize>,
    /// The text of `HELP`, as given.
    pub(crate) help: String,
    /// End of its name.
    pub(crate) unit: String,
    is_described: bool,
    /// True if OpenMetrics may call it a counter, and what was taken away too. Else other names stand in the way:
    /// there, a counter `x` owns `x` and `x_created` besides `x_total`.
    pub(crate) is_counter: bool,
    pub(crate) decrements_is_counter: bool,
}

/// A part of the rows of a family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) block: usize,
    pub(crate) part: Part,
    pub(crate) rows: Range<usize>,
}

/// Steps in the order of writing, and the pieces they form.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Ranges of steps that are rendered at a time in the text formats.
    pub(crate) pieces: Vec<Range<usize>>,
    /// Ranges of steps for formats in which a family cannot be taken apart.
    pub(crate) whole: Vec<Range<usize>>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Layout {
    prefixes: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) blocks: Vec<Block>,
    /// By instrument; `NO_ROW` for those without.
    pub(crate) row_of: Vec<u32>,
    pub(crate) plan: Plan,
    /// Which of [`process::ALL`] have a name of their own.
    pub(crate) process: [bool; process::ALL.len()],
}

pub(crate) const NO_ROW: u32 = u32::MAX;

/// An instrument that is to get a row.
pub(crate) struct Entry<'a> {
    pub(crate) family: usize,
    pub(crate) instrument: usize,
    pub(crate) labels: &'a str,
    pub(crate) created: i64,
}

impl Layout {
    /// Lays out entries, which come in the order of their instruments.
    pub(crate) fn new(families: &[Result<Arc<Family>, Cause>], entries: Vec<Entry<'_>>, rows: usize) -> Layout {
        let name = |at: usize| families.get(at).and_then(|f| f.as_ref().ok()).map(|f| f.name.as_str());
        let order = order(families.len(), &|a, b| name(a).cmp(&name(b)));

        let mut layout = Layout { row_of: vec![NO_ROW; rows], ..Layout::default() };
        let (sorted, ends) = by_family(&entries, families.len());
        let mut block_of = vec![None; families.len()];
        for claimed in order {
            let start = claimed.checked_sub(1).map_or(0, |before| ends[before]);
            let (Some(Ok(family)), of_family) = (families.get(claimed), &sorted[start..ends[claimed]]) else {
                continue;
            };
            if of_family.is_empty() {
                continue;
            }
            let first = layout.rows.len();
            of_family.iter().for_each(|at| layout.add(family, &entries[*at]));
            block_of[claimed] = Some(layout.blocks.len());
            layout.blocks.push(Block::new(Arc::clone(family), first..layout.rows.len()));
        }
        layout.assign_names(&block_of);
        layout.plan = Plan::new(&layout, &|_, _| true);
        layout
    }

    fn add(&mut self, family: &Family, entry: &Entry<'_>) {
        let start = self.prefixes.len();
        self.prefixes.push_str(&family.name);
        match family.kind() {
            Kind::Counter => self.prefixes.push_str("_total"),
            Kind::Timer | Kind::Histogram => self.prefixes.push_str("_bucket{"),
            _ => {}
        }
        match (family.is_distribution(), entry.labels) {
            (_, "") => {}
            (true, labels) => self.prefixes.extend([labels, ","]),
            (false, labels) => self.prefixes.extend(["{", labels, "}"]),
        }
        if !family.is_distribution() {
            self.prefixes.push(' ');
        }
        if let (Ok(row), Some(place)) = (u32::try_from(self.rows.len()), self.row_of.get_mut(entry.instrument)) {
            *place = row;
        }
        self.rows.push(Row { start, end: self.prefixes.len(), created: entry.created });
    }

    /// Returns whether an instrument has a row.
    pub(crate) fn has_row(&self, instrument: usize) -> bool {
        self.row_of.get(instrument).is_some_and(|row| *row != NO_ROW)
    }

    /// The beginning of a line of a row: all of it for a counter or gauge, up to `le` for a bucket.
    pub(crate) fn prefix(&self, row: &Row) -> &str {
        &self.prefixes[row.start..row.end]
    }

    /// The labels of a row, without braces.
    pub(crate) fn labels(&self, family: &Family, row: &Row) -> &str {
        let prefix = self.prefix(row);
        let (name, end) = match family.kind() {
            Kind::Counter => ("_total".len(), "} ".len()),
            Kind::Timer | Kind::Histogram => ("_bucket".len(), ",".len()),
            _ => (0, "} ".len()),
        };
        prefix.get(family.name.len() + name + 1..prefix.len() - end.min(prefix.len())).unwrap_or("")
    }

    /// Decides which counters are counters in OpenMetrics, and which of the process' own metrics are shown: names that samples
    /// have are taken; what a counter owns besides is given to whom comes first. `block_of` has the blocks in the order in which names were claimed.
    fn assign_names(&mut self, block_of: &[Option<usize>]) {
        let mut taken: HashSet<String> = HashSet::new();
        for Block { family, .. } in &self.blocks {
            taken.extend(names::samples(&family.name, family.kind()));
        }
        self.process = process::ALL.map(|about| {
            let free = !taken.contains(about.name) && !taken.contains(about.family());
            let created = format!("{}_created", about.family());
            let free = free && !(about.counter && taken.contains(&created));
            if free {
                taken.extend([about.name.to_owned(), about.family().to_owned()]);
                taken.extend(about.counter.then_some(created));
            }
            free
        });
        let mut claim = |name: String| {
            let created = format!("{name}_created");
            let free = !taken.contains(&name) && !taken.contains(&created);
            if free {
                taken.extend([name, created]);
            }
            free
        };
        for at in block_of.iter().flatten() {
            let block = &mut self.blocks[*at];
            if !block.is_counter {
                continue;
            }
            block.is_counter = claim(block.family.name.clone());
            block.decrements_is_counter = claim(format!("{}_decrements", block.family.name));
        }
    }

    /// Returns the plan that a filter leaves.
    pub(crate) fn select(&self, filter: &Filter) -> Plan {
        Plan::new(self, &|block, part| filter.fits(&block.family.name, block.family.suffixes(part)))
    }

    /// Returns whether a family was described since.
    pub(crate) fn is_outdated(&self) -> bool {
        self.blocks.iter().any(|block| block.is_described != block.family.is_described())
    }
}

impl Block {
    fn new(family: Arc<Family>, rows: Range<usize>) -> Block {
        let series = family.first;
        let help = match series.description() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                let logger = series.logger_name();
                let dot = if logger.is_empty() { "" } else { "." };
                format!("The {} {logger}{dot}{}.", series.kind(), series.metric_name())
            }
        };
        // A unit declared after the name was decided is none.
        let unit = names::unit(series);
        let ends = family.name.strip_suffix(unit.as_str()).is_some_and(|n| n.ends_with('_'));
        let unit = if ends { unit } else { String::new() };
        let is_counter = family.kind() == Kind::Counter;
        let is_described = family.is_described();
        Block { family, rows, help, unit, is_described, is_counter, decrements_is_counter: is_counter }
    }

    fn parts(&self) -> &'static [Part] {
        if self.family.kind() == Kind::Counter { &[Part::Main, Part::Decrements] } else { &[Part::Main] }
    }
}

impl Plan {
    /// Cuts up what is to be written, the parts of families that are `wanted`, so that no piece is much larger than [`PIECE`].
    fn new(layout: &Layout, wanted: &dyn Fn(&Block, Part) -> bool) -> Plan {
        let mut plan = Plan::default();
        let (mut bytes, mut whole_bytes) = (0, 0);
        let (mut piece, mut whole) = (0, 0);
        let parts =
            layout.blocks.iter().enumerate().flat_map(|(at, block)| block.parts().iter().map(move |part| (at, *part)));
        for (block, part) in parts {
            if !wanted(&layout.blocks[block], part) {
                continue;
            }
            let (rows, lines) = (&layout.blocks[block].rows, lines(layout.blocks[block].family.kind()));
            if whole_bytes >= PIECE {
                plan.whole.push(whole..plan.steps.len());
                (whole, whole_bytes) = (plan.steps.len(), 0);
            }
            let mut first = rows.start;
            for row in rows.clone() {
                let size = (layout.rows[row].end - layout.rows[row].start + 32) * lines;
                if bytes + size > PIECE && bytes > 0 {
                    if first < row {
                        plan.steps.push(Step { block, part, rows: first..row });
                    }
                    plan.pieces.push(piece..plan.steps.len());
                    (piece, first, bytes) = (plan.steps.len(), row, 0);
                }
                bytes += size;
                whole_bytes += size;
            }
            plan.steps.push(Step { block, part, rows: first..rows.end });
        }
        if piece < plan.steps.len() {
            plan.pieces.push(piece..plan.steps.len());
        }
        if whole < plan.steps.len() {
            plan.whole.push(whole..plan.steps.len());
        }
        plan
    }
}

/// Returns the numbers of the entries by their family, within it as they come, and where each family ends.
fn by_family(entries: &[Entry<'_>], families: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut next, mut sum) = (vec![0; families], 0);
    entries.iter().for_each(|entry| next[entry.family] += 1);
    for start in &mut next {
        sum += std::mem::replace(start, sum);
    }
    let mut sorted = vec![0; entries.len()];
    for (at, entry) in entries.iter().enumerate() {
        sorted[next[entry.family]] = at;
        next[entry.family] += 1;
    }
    (sorted, next)
}

/// How many lines a row takes, roughly.
fn lines(kind: Kind) -> usize {
    match kind {
        Kind::Timer => 20,
        Kind::Histogram => 70,
        _ => 1,
    }
}
