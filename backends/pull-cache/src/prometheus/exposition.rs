//! The totals of one moment, and what was written of them so far: each piece is rendered when the first reader comes to it, and
//! shared by all who come later.
//!
//! What is rendered is kept for the newest totals alone. A slow reader of older ones keeps the totals, a few bytes for
//! each series, and one piece at a time; so memory does not grow by a text for each reader.

use super::buckets::Bounds;
use super::layout::{Layout, NO_ROW, Part, Plan, Step};
use super::{Filter, Format, process, protobuf, text};
use ferrometer_core::{Distribution, Kind, Totals, Value};
use ferrometer_export::Instrument;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What an instrument stands at, its sample rates added up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    /// Not shown now.
    Hidden,
    Counter {
        increments: u64,
        decrements: u64,
    },
    Number(f64),
    /// The first of its distributions, and how many: one for each rate.
    Distributions(u32, u32),
}

/// Where in a block something is shown first: there its head is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    pub(super) row: usize,
    pub(super) decrement: usize,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Exposition {
    pub(super) layout: Arc<Layout>,
    pub(super) cells: Vec<Cell>,
    /// With the rate each was sampled at.
    pub(super) distributions: Vec<(f64, Arc<Distribution>)>,
    /// By block.
    pub(super) first: Vec<First>,
    bounds: Vec<OnceLock<Arc<Bounds>>>,
    pub(super) process: process::Values,
    pub(super) process_created: i64,
    /// Of the snapshot.
    sequence: u64,
    caches: [Mutex<Cache>; 3],
}

/// The pieces of one format. Each place may hold several: a large family cannot be taken apart in protobuf.
#[derive(Debug, Default)]
struct Cache {
    closed: bool,
    places: Vec<Option<Arc<[Piece]>>>,
}

/// A piece of an answer, shared and not copied. Usually some 64 KiB, never empty.
#[derive(Clone, Debug)]
pub struct Piece(Arc<Vec<u8>>);

impl Piece {
    pub(super) fn new(mut bytes: Vec<u8>) -> Piece {
        bytes.shrink_to_fit();
        Piece(Arc::new(bytes))
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What an instrument stands at, or `None` when it has no value: a gauge that was never set, or one that is not in the snapshot.
fn cell(instrument: &Instrument, totals: Totals<'_>, distributions: &mut Vec<(f64, Arc<Distribution>)>) -> Cell {
    let (mut increments_of_all, mut decrements_of_all, mut number, mut set) = (0u64, 0u64, 0.0, false);
    let (first, mut members) = (distributions.len(), 0usize);
    for total in instrument.totals(totals) {
        members += 1;
        match &total.value {
            Value::Counter { increments, decrements } => {
                let rate = total.series.rate();
                increments_of_all = increments_of_all.saturating_add(scaled(*increments, rate));
                decrements_of_all = decrements_of_all.saturating_add(scaled(*decrements, rate));
            }
            Value::Gauge(value) => {
                number += value;
                set |= total.recordings > 0;
            }
            Value::InFlight(value) => {
                number += *value as f64;
                set = true;
            }
            Value::Distribution(d) => distributions.push((total.series.rate(), Arc::clone(d))),
            // A kind this version does not know is not shown.
            _ => {}
        }
    }
    match instrument.first.kind() {
        _ if members == 0 => Cell::Hidden,
        Kind::Counter => Cell::Counter { increments: increments_of_all, decrements: decrements_of_all },
        Kind::Timer | Kind::Histogram => {
            let len = distributions.len() - first;
            match (u32::try_from(first), u32::try_from(len)) {
                (Ok(first), Ok(len)) => Cell::Distributions(first, len),
                _ => Cell::Hidden,
            }
        }
        _ if set && number.is_finite() => Cell::Number(number),
        _ => Cell::Hidden,
    }
}

/// Whether an instrument has anything to show.
pub(super) fn has_value(instrument: &Instrument, totals: Totals<'_>) -> bool {
    let is_gauge = instrument.first.kind() == Kind::Gauge;
    instrument.totals(totals).any(|total| !is_gauge || total.recordings > 0)
}

/// What a sampled count stands for. Monotone in `count`.
pub(super) fn scaled(count: u64, rate: f64) -> u64 {
    if rate < 1.0 { (count as f64 / rate).round() as u64 } else { count }
}

impl Exposition {
    pub(super) fn new<'i>(
        layout: Arc<Layout>,
        instruments: impl Iterator<Item = (usize, &'i Instrument)>,
        totals: Totals<'_>,
        process: (process::Values, i64),
        sequence: u64,
    ) -> Exposition {
        let mut cells = vec![Cell::Hidden; layout.rows.len()];
        let mut distributions = Vec::new();
        for (at, instrument) in instruments {
            let row = layout.row_of.get(at).copied().unwrap_or(NO_ROW);
            if let Some(place) = cells.get_mut(row as usize) {
                *place = cell(instrument, totals, &mut distributions);
            }
        }
        let first = layout.blocks.iter().map(|block| {
            let find = |shown: fn(&Cell) -> bool| {
                let found = cells[block.rows.clone()].iter().position(shown);
                found.map_or(usize::MAX, |at| block.rows.start + at)
            };
            First {
                row: find(|cell| !matches!(cell, Cell::Hidden)),
                decrement: find(|cell| matches!(cell, Cell::Counter { decrements: 1.., .. })),
            }
        });
        let first = first.collect();
        let bounds = layout.blocks.iter().map(|_| OnceLock::new()).collect();
        let (process, process_created) = process;
        let caches = Default::default();
        Exposition { layout, cells, distributions, first, bounds, process, process_created, sequence, caches }
    }

    /// The number of the snapshot it shows.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The bounds of a block's histograms: the same for all label sets, so that they can be added up.
    pub(super) fn bounds(&self, block: usize) -> Arc<Bounds> {
        let found = || {
            let all = self.cells[self.layout.blocks[block].rows.clone()].iter();
            let all = all.flat_map(|cell| self.distributions_of(cell)).map(|(_, d)| &**d);
            Bounds::of(self.layout.blocks[block].family.kind(), all)
        };
        match self.bounds.get(block) {
            Some(kept) => Arc::clone(kept.get_or_init(|| Arc::new(found()))),
            None => Arc::new(found()),
        }
    }

    pub(super) fn distributions_of(&self, cell: &Cell) -> &[(f64, Arc<Distribution>)] {
        match cell {
            Cell::Distributions(first, len) => {
                let first = *first as usize;
                self.distributions.get(first..first + *len as usize).unwrap_or(&[])
            }
            _ => &[],
        }
    }

    /// Whether the head of what a step is part of stands before its first line.
    pub(super) fn begins(&self, step: &Step) -> bool {
        let first = &self.first[step.block];
        step.rows.contains(match step.part {
            Part::Main => &first.row,
            Part::Decrements => &first.decrement,
        })
    }

    fn cache(&self, format: Format) -> MutexGuard<'_, Cache> {
        let at = match format {
            Format::Text => 0,
            Format::OpenMetrics => 1,
            Format::Protobuf => 2,
        };
        self.caches[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees what was rendered, and keeps nothing from now on: there are newer totals.
    pub(crate) fn supersede(&self) {
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            let mut cache = self.cache(format);
            cache.closed = true;
            let places = std::mem::take(&mut cache.places);
            drop(cache);
            drop(places);
        }
    }

    /// One of [`places`](Exposition::places), rendered unless it is there already.
    fn piece(&self, format: Format, at: usize) -> Arc<[Piece]> {
        let mut cache = self.cache(format);
        if cache.closed {
            drop(cache);
            return self.render(format, &self.layout.plan, at).into();
        }
        if cache.places.len() <= at {
            cache.places.resize(at + 1, None);
        }
        // Rendered under the lock: nobody renders what another one is rendering.
        Arc::clone(cache.places[at].get_or_insert_with(|| self.render(format, &self.layout.plan, at).into()))
    }

    /// How many places there are in a plan, the last for what stands at the end.
    fn places(plan: &Plan, format: Format) -> usize {
        1 + if format == Format::Protobuf { plan.whole.len() } else { plan.pieces.len() }
    }

    fn render(&self, format: Format, plan: &Plan, at: usize) -> Vec<Piece> {
        let groups = if format == Format::Protobuf { &plan.whole } else { &plan.pieces };
        let steps = groups.get(at).and_then(|group| plan.steps.get(group.clone())).unwrap_or(&[]);
        if format == Format::Protobuf {
            return protobuf::render(self, steps);
        }
        let mut out = Vec::with_capacity(super::layout::PIECE + (super::layout::PIECE >> 2));
        steps.iter().for_each(|step| text::render(&mut out, self, step, format));
        if out.is_empty() { Vec::new() } else { vec![Piece::new(out)] }
    }

    /// What stands behind all families: what is said of the process, and how the format ends.
    fn end(&self, format: Format, filter: &Filter) -> Vec<Piece> {
        let shown =
            process::ALL.iter().zip(self.process).zip(self.layout.process).filter_map(|((about, value), free)| {
                let names =
                    filter.is_all() || filter.fits(about.name, &[""]) || filter.fits(about.family(), &["", "_created"]);
                value.filter(|_| free && names).map(|value| (about, value))
            });
        let mut out = Vec::new();
        match format {
            Format::Protobuf => {
                shown.for_each(|(about, v)| protobuf::process(&mut out, about, v, self.process_created))
            }
            _ => shown.for_each(|(about, v)| text::process(&mut out, about, v, self.process_created, format)),
        }
        if format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        if out.is_empty() { Vec::new() } else { vec![Piece::new(out)] }
    }
}

/// An answer in one format, piece by piece. Each is rendered when it is asked for, unless another reader came to it first.
#[derive(Debug)]
pub struct Pieces {
    exposition: Arc<Exposition>,
    format: Format,
    filter: Filter,
    /// What the filter leaves; `None` when that is everything.
    selected: Option<Plan>,
    next: usize,
    ready: std::vec::IntoIter<Piece>,
}

impl Pieces {
    pub(crate) fn new(exposition: Arc<Exposition>, format: Format, filter: &Filter) -> Pieces {
        let selected = (!filter.is_all()).then(|| exposition.layout.select(filter));
        Pieces { exposition, format, filter: filter.clone(), selected, next: 0, ready: Vec::new().into_iter() }
    }

    /// The format it is in.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// All of it in one buffer, which may be large.
    #[must_use]
    pub fn collect_bytes(self) -> Vec<u8> {
        self.fold(Vec::new(), |mut all, piece| {
            all.extend_from_slice(&piece);
            all
        })
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.ready.next() {
                return Some(piece);
            }
            let places =
                Exposition::places(self.selected.as_ref().unwrap_or(&self.exposition.layout.plan), self.format);
            let at = self.next;
            if at >= places {
                return None;
            }
            self.next += 1;
            self.ready = if at + 1 == places {
                self.exposition.end(self.format, &self.filter).into_iter()
            } else {
                match &self.selected {
                    Some(plan) => self.exposition.render(self.format, plan, at).into_iter(),
                    None => self.exposition.piece(self.format, at).to_vec().into_iter(),
                }
            };
        }
    }
}
