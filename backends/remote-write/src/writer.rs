//! Writes the series of one instrument.
//!
//! Each kind of instrument has its series here, and histograms have two shapes.

use crate::families::{Families, Form};
use crate::labels;
use crate::message::{self, Labels, STALE, Time};
use crate::names;
use crate::settings::Histograms;
use ferrometer_core::{Kind, Series, SnapshotView, Totals};
use ferrometer_export::Instrument;
use ferrometer_push::histogram::{self, Exponential, Sum};
use ferrometer_push::{Packer, Rates, Summary, ids, moment, push_float, summary};
use std::time::SystemTime;

/// The explicit bounds: as recorded, and as the label `le`.
#[derive(Debug)]
pub(crate) struct Bounds {
    timers: (Vec<f64>, Vec<Vec<u8>>),
    histograms: (Vec<f64>, Vec<Vec<u8>>),
    infinity: Vec<u8>,
}

impl Bounds {
    pub(crate) fn new(families: &Families) -> Bounds {
        let of = |kind, unit: f64| {
            let recorded = histogram::bounds(kind);
            let shown = recorded.iter().map(|bound| le_of(families, bound / unit)).collect();
            (recorded, shown)
        };
        let infinity = le(families, b"+Inf");
        Bounds { timers: of(Kind::Timer, 1e9), histograms: of(Kind::Histogram, 1.0), infinity }
    }

    /// The bounds that a view gives a metric.
    fn viewed(families: &Families, series: &Series) -> Option<(Vec<f64>, Vec<Vec<u8>>)> {
        let unit = if series.kind() == Kind::Timer { 1e9 } else { 1.0 };
        let shown = series.buckets()?;
        let recorded = shown.iter().map(|bound| bound * unit).collect();
        Some((recorded, shown.iter().map(|bound| le_of(families, *bound)).collect()))
    }
}

fn le(families: &Families, bound: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    labels::label(families, &mut out, "le", bound);
    out
}

/// The names of a family's samples as labels, for all of its instruments.
pub(crate) struct Names(pub(crate) [Vec<u8>; 4]);

/// Places in [`names::samples`] of a counter's names, and of those of a timer or histogram. That of anything else is `MAIN`, too.
pub(crate) const MAIN: usize = 0;
const DECREMENTS: usize = 1;
const SUM: usize = 1;
const COUNT: usize = 2;
const BUCKET: usize = 3;

impl Names {
    pub(crate) fn new(families: &Families, family: &str, kind: Kind) -> Names {
        let mut all = [const { Vec::new() }; 4];
        for (name, suffix) in all.iter_mut().zip(names::samples(kind)) {
            *name = labels::name(families, family, suffix);
        }
        Names(all)
    }
}

fn le_of(families: &Families, bound: f64) -> Vec<u8> {
    let mut text = Vec::new();
    push_float(&mut text, bound);
    le(families, &text)
}

/// The series of an instrument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Values,
    /// That its series end.
    End,
}

/// An exemplar that is written already.
struct Spot {
    recorded: f64,
    time: SystemTime,
    bytes: Vec<u8>,
}

/// Takes those out that fit: as fields, the oldest first.
fn take(spots: &mut Vec<Spot>, fits: impl Fn(f64) -> bool) -> Vec<u8> {
    spots.extract_if(.., |spot| fits(spot.recorded)).flat_map(|spot| spot.bytes).collect()
}

/// Writes one instrument.
pub(crate) struct Writer<'w, 'v> {
    pub(crate) view: &'w SnapshotView<'v>,
    pub(crate) families: &'w Families,
    pub(crate) form: Form,
    pub(crate) labels: Labels<'w>,
    /// How many bytes its family, and a piece, may need in a body beside their own.
    pub(crate) weights: (usize, usize),
    pub(crate) names: &'w Names,
    /// The family's number.
    pub(crate) group: u32,
    pub(crate) millis: i64,
    pub(crate) time: &'w Time,
    pub(crate) what: What,
    pub(crate) histograms: Histograms,
    pub(crate) bounds: &'w Bounds,
    pub(crate) buckets: &'w mut Exponential,
    pub(crate) cumulative: &'w mut Vec<u64>,
}

impl Writer<'_, '_> {
    pub(crate) fn write(&mut self, packer: &mut Packer<'_, '_>, instrument: &Instrument, totals: Totals<'_>) {
        let Some(summary) = summary(instrument, totals) else { return };
        let owners = || ids(instrument, totals);
        let mut spots = self.spots(instrument, totals);
        let mut all = || take(&mut spots, |_| true);
        match summary {
            Summary::Counter { increments, decrements } => {
                self.sample(packer, owners(), MAIN, &[], (increments as f64, &all()));
                if decrements > 0 {
                    self.sample(packer, owners(), DECREMENTS, &[], (decrements as f64, &[]));
                }
            }
            Summary::Gauge(value) => self.sample(packer, owners(), MAIN, &[], (value, &[])),
            Summary::InFlight(value) => self.sample(packer, owners(), MAIN, &[], (value as f64, &[])),
            Summary::Distributions(rates) if self.histograms == Histograms::Native => {
                let sum = Sum::of(&rates);
                self.buckets.count(&rates);
                let (buckets, millis, what, exemplars) = (&*self.buckets, self.millis, self.what, all());
                let weights = (self.weights.0, self.weights.1 + exemplars.len());
                packer.piece_in(self.group, weights, owners(), |out| {
                    message::series(out, self.form, self.labels, &self.names.0[MAIN], |out| match what {
                        What::Values => {
                            out.extend_from_slice(&exemplars);
                            message::histogram(out, &sum, buckets, millis);
                        }
                        What::End => message::stale_histogram(out, millis),
                    });
                });
            }
            Summary::Distributions(rates) => self.classic(packer, instrument, (&rates, spots), owners),
        }
    }

    /// Returns the exemplars of an instrument that came since the last delivery, the oldest first.
    fn spots(&self, instrument: &Instrument, totals: Totals<'_>) -> Vec<Spot> {
        if !totals.has_exemplars() || self.what == What::End {
            return Vec::new();
        }
        let unit = instrument.first.kind().scheme().map_or(1.0, histogram::unit);
        let new = instrument.totals(totals).flat_map(|total| self.view.new_exemplars(total.series));
        let mut spots: Vec<Spot> = new
            .map(|new| {
                let mut bytes = Vec::new();
                message::exemplar(&mut bytes, new.value / unit, millis(new.time), new.context);
                Spot { recorded: new.value, time: new.time, bytes }
            })
            .collect();
        spots.sort_by_key(|spot| spot.time);
        spots
    }

    fn sample(
        &self,
        packer: &mut Packer<'_, '_>,
        owners: impl Iterator<Item = usize>,
        name: usize,
        le: &[u8],
        (value, exemplars): (f64, &[u8]),
    ) {
        let value = if self.what == What::End { STALE } else { value };
        let weights = (self.weights.0, self.weights.1 + exemplars.len());
        packer.piece_in(self.group, weights, owners, |out| {
            message::sample(out, self.form, self.labels, (&self.names.0[name], le), (value, exemplars), self.time);
        });
    }

    /// Buckets, of which those below the first value and beyond the last are left out where bounds are many. An exemplar stands at the first that is written
    /// and not below it.
    fn classic<O: Iterator<Item = usize>>(
        &mut self,
        packer: &mut Packer<'_, '_>,
        instrument: &Instrument,
        (rates, mut spots): (&Rates<'_>, Vec<Spot>),
        owners: impl Fn() -> O,
    ) {
        let sum = Sum::of(rates);
        let is_timer = instrument.first.kind() == Kind::Timer;
        let viewed = Bounds::viewed(self.families, instrument.first);
        let of_kind = if is_timer { &self.bounds.timers } else { &self.bounds.histograms };
        let (recorded, shown) = viewed.as_ref().unwrap_or(of_kind);
        histogram::explicit(rates, recorded, self.cumulative);
        let mut is_complete = false;
        for ((count, bound), le) in self.cumulative.iter().zip(recorded).zip(shown) {
            let is_needed = is_timer || viewed.is_some() || (*count > 0 && !is_complete);
            is_complete = *count == sum.count;
            if is_needed {
                let exemplars = take(&mut spots, |recorded| recorded <= *bound);
                self.sample(packer, owners(), BUCKET, le, (*count as f64, &exemplars));
            }
        }
        let exemplars = take(&mut spots, |_| true);
        self.sample(packer, owners(), BUCKET, &self.bounds.infinity, (sum.count as f64, &exemplars));
        self.sample(packer, owners(), COUNT, &[], (sum.count as f64, &[]));
        // One that may fall is no sum of Prometheus'.
        if let Some(value) = sum.sum.filter(|_| !sum.has_negative) {
            self.sample(packer, owners(), SUM, &[], (value, &[]));
        }
    }
}

pub(crate) fn millis(time: SystemTime) -> i64 {
    i64::try_from(moment::nanos(time) / 1_000_000).unwrap_or(i64::MAX)
}
