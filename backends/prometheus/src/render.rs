//! An exposition: the totals of one moment, and the text rendered of them so far. Each piece is rendered when the first reader comes to
//! it, and shared with all later readers.
//!
//! Rendered text is kept for the newest totals alone. A slow reader of older totals keeps the numbers, a few bytes for each
//! series, and one piece at a time; so memory does not grow by a text for each reader. Of the newest a reader takes a [run](RUN) of pieces at a time: of
//! many that come at once, all but one wait for each run and not for each piece.

use crate::filter::Filter;
use crate::format::Format;
use crate::layout::{self, Plan};
use crate::piece::Piece;
use crate::totals::ExposedTotals;
use crate::{process, protobuf, text};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Exposition {
    totals: ExposedTotals,
    caches: [Mutex<Cache>; 3],
}

/// The pieces of one format. Each place may hold several: a large family cannot be taken apart in protobuf.
#[derive(Debug, Default)]
struct Cache {
    closed: bool,
    places: Vec<Option<Arc<[Piece]>>>,
}

/// How many bytes a reader takes at a time, and renders for all if need be: a piece at least.
const RUN: usize = 8 * layout::PIECE;

impl Exposition {
    pub(crate) fn new(totals: ExposedTotals) -> Exposition {
        Exposition { totals, caches: Default::default() }
    }

    /// The number of the snapshot it shows.
    pub(crate) fn sequence(&self) -> u64 {
        self.totals.sequence()
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

    /// Returns a run of the [`places`](Exposition::places) before `end`, from one on, rendered unless they are there already; and where it ends.
    fn run(&self, format: Format, from: usize, end: usize) -> (Vec<Piece>, usize) {
        let render = |at| self.render(format, &self.totals.layout.plan, at);
        let mut cache = self.cache(format);
        if cache.closed {
            drop(cache);
            return (render(from), from + 1);
        }
        let (mut run, mut bytes) = (Vec::new(), 0);
        for at in from..end {
            if bytes >= RUN {
                return (run, at);
            }
            if cache.places.len() <= at {
                cache.places.resize(at + 1, None);
            }
            // Rendered under the lock: nobody renders what another one is rendering.
            let pieces = cache.places[at].get_or_insert_with(|| render(at).into());
            bytes += pieces.iter().map(|piece| piece.len()).sum::<usize>();
            run.extend_from_slice(pieces);
        }
        (run, end)
    }

    /// How many places there are in a plan, the last for what stands at the end.
    fn places(plan: &Plan, format: Format) -> usize {
        1 + if format == Format::Protobuf { plan.whole.len() } else { plan.pieces.len() }
    }

    fn render(&self, format: Format, plan: &Plan, at: usize) -> Vec<Piece> {
        let groups = if format == Format::Protobuf { &plan.whole } else { &plan.pieces };
        let steps = groups.get(at).and_then(|group| plan.steps.get(group.clone())).unwrap_or(&[]);
        if format == Format::Protobuf {
            return protobuf::render(&self.totals, steps);
        }
        let mut out = Vec::with_capacity(layout::PIECE + (layout::PIECE >> 2));
        steps.iter().for_each(|step| text::render(&mut out, &self.totals, step, format));
        if out.is_empty() { Vec::new() } else { vec![Piece::new(out)] }
    }

    /// Returns the pieces behind all families: the metrics of the process, and the end of the format.
    fn end(&self, format: Format, filter: &Filter) -> Vec<Piece> {
        let shown = process::ALL.iter().zip(self.totals.process).zip(self.totals.layout.process).filter_map(
            |((about, value), free)| {
                let names =
                    filter.is_all() || filter.fits(about.name, &[""]) || filter.fits(about.family(), &["", "_created"]);
                value.filter(|_| free && names).map(|value| (about, value))
            },
        );
        let mut out = Vec::new();
        match format {
            Format::Protobuf => {
                shown.for_each(|(about, v)| protobuf::process(&mut out, about, v, self.totals.process_created))
            }
            _ => shown.for_each(|(about, v)| text::process(&mut out, about, v, self.totals.process_created, format)),
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
    /// Plan that the filter leaves; `None` when that is everything.
    selected: Option<Plan>,
    next: usize,
    ready: std::vec::IntoIter<Piece>,
}

impl Pieces {
    pub(crate) fn new(exposition: Arc<Exposition>, format: Format, filter: &Filter) -> Pieces {
        let selected = (!filter.is_all()).then(|| exposition.totals.layout.select(filter));
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
                Exposition::places(self.selected.as_ref().unwrap_or(&self.exposition.totals.layout.plan), self.format);
            let at = self.next;
            if at >= places {
                return None;
            }
            let (ready, next) = if at + 1 == places {
                (self.exposition.end(self.format, &self.filter), places)
            } else {
                match &self.selected {
                    Some(plan) => (self.exposition.render(self.format, plan, at), at + 1),
                    None => self.exposition.run(self.format, at, places - 1),
                }
            };
            (self.ready, self.next) = (ready.into_iter(), next);
        }
    }
}
