//! The totals of one moment, in the order of a layout: the numbers that every format writes.

use crate::exemplars::Exemplars;
use crate::layout::{Layout, NO_ROW, Part, Step};
use crate::le_buckets::{Bounds, GivenBounds};
use crate::number::scaled;
use crate::process;
use ferrometer_core::{Distribution, Kind, Totals, Value};
use ferrometer_export::{Instrument, Instruments};
use std::sync::{Arc, OnceLock};

/// Value of an instrument, its sample rates added up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
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
pub(crate) struct First {
    pub(crate) row: usize,
    pub(crate) decrement: usize,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ExposedTotals {
    pub(crate) layout: Arc<Layout>,
    pub(crate) cells: Vec<Cell>,
    /// With the rate each was sampled at.
    pub(crate) distributions: Vec<(f64, Arc<Distribution>)>,
    pub(crate) exemplars: Exemplars,
    /// By block.
    pub(crate) first: Vec<First>,
    bounds: Vec<OnceLock<Arc<Bounds>>>,
    given: GivenBounds,
    pub(crate) process: process::Values,
    pub(crate) process_created: i64,
    /// Sequence of the snapshot.
    sequence: u64,
}

/// Returns the value of an instrument, or `None` when it has no value: a gauge that was never set, or one that is not in the snapshot.
fn cell(instrument: &Instrument, totals: Totals<'_>, distributions: &mut Vec<(f64, Arc<Distribution>)>) -> Cell {
    let (mut increments_of_all, mut decrements_of_all, mut number, mut set) = (0u64, 0u64, 0.0, false);
    let (first, mut members) = (distributions.len(), 0usize);
    for total in instrument.totals(totals) {
        members += 1;
        match &total.value {
            Value::Counter { decrements, .. } => {
                let (rate, (exact, sampled)) = (total.series.rate(), total.increments());
                increments_of_all = increments_of_all.saturating_add(exact).saturating_add(scaled(sampled, rate));
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

/// Returns whether an instrument has anything to show.
pub(crate) fn has_value(instrument: &Instrument, totals: Totals<'_>) -> bool {
    let is_gauge = instrument.first.kind() == Kind::Gauge;
    instrument.totals(totals).any(|total| !is_gauge || total.recordings > 0)
}

impl ExposedTotals {
    pub(crate) fn new(
        layout: Arc<Layout>,
        instruments: &Instruments,
        totals: Totals<'_>,
        given: GivenBounds,
        process: (process::Values, i64),
        sequence: u64,
    ) -> ExposedTotals {
        let mut cells = vec![Cell::Hidden; layout.rows.len()];
        let mut distributions = Vec::new();
        let row = |at: usize| layout.row_of.get(at).copied().unwrap_or(NO_ROW) as usize;
        let exemplars = match totals.has_exemplars() {
            true => {
                let shown = instruments.iter().map(|(at, instrument)| (row(at), instrument));
                Exemplars::new(shown.filter(|(row, _)| *row < layout.rows.len()), totals)
            }
            false => Exemplars::default(),
        };
        for (at, instrument) in instruments.iter() {
            if let Some(place) = cells.get_mut(row(at)) {
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
        ExposedTotals {
            layout,
            cells,
            distributions,
            exemplars,
            first,
            bounds,
            given,
            process,
            process_created,
            sequence,
        }
    }

    /// The number of the snapshot it shows.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The bounds of a block's histograms: the same for all label sets, so that they can be added up.
    pub(crate) fn bounds(&self, block: usize) -> Arc<Bounds> {
        let first = self.layout.blocks[block].family.first;
        let (kind, viewed) = (first.kind(), first.buckets());
        if let Some(given) = self.given.of(kind).filter(|_| viewed.is_none()) {
            return given;
        }
        let found = || {
            if let Some(viewed) = viewed {
                return Bounds::given(kind, viewed);
            }
            let all = self.cells[self.layout.blocks[block].rows.clone()].iter();
            let all = all.flat_map(|cell| self.distributions_of(cell)).map(|(_, d)| &**d);
            Bounds::of(kind, all)
        };
        match self.bounds.get(block) {
            Some(kept) => Arc::clone(kept.get_or_init(|| Arc::new(found()))),
            None => Arc::new(found()),
        }
    }

    pub(crate) fn distributions_of(&self, cell: &Cell) -> &[(f64, Arc<Distribution>)] {
        match cell {
            Cell::Distributions(first, len) => {
                let first = *first as usize;
                self.distributions.get(first..first + *len as usize).unwrap_or(&[])
            }
            _ => &[],
        }
    }

    /// Returns whether the head of what a step is part of stands before its first line.
    pub(crate) fn begins(&self, step: &Step) -> bool {
        let first = &self.first[step.block];
        step.rows.contains(match step.part {
            Part::Main => &first.row,
            Part::Decrements => &first.decrement,
        })
    }
}
