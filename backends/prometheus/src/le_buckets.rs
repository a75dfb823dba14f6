//! The buckets of a Prometheus histogram, from the finer ones of the core.
//!
//! A core bucket is counted at the first bound `le` that is not below its upper bound. So no value is ever counted at a bound below
//! it; a value up to 12.5 % below a bound that does not fall on the edge of a core bucket may be counted at the next. A value
//! equal to a bound is counted at the next, because core buckets exclude their upper bound.

use crate::buckets::Buckets;
use crate::number::{self, scaled};
use crate::settings::Settings;
use ferrometer_core::{Distribution, Kind, Scheme};
use std::sync::Arc;

/// The bounds of timers, in nanoseconds: 100 µs to 10 s.
const TIMER_BOUNDS: [f64; 16] =
    [1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9, 2.5e9, 5e9, 1e10];

/// The bounds of one family's histograms.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// Ascending, without +Inf, in what was recorded: nanoseconds for timers.
    recorded: Vec<f64>,
    /// Bounds as they are shown.
    pub(crate) shown: Vec<f64>,
    /// As `le` in the text format, and in OpenMetrics.
    pub(crate) text: Vec<String>,
    pub(crate) canonical: Vec<String>,
}

impl Bounds {
    /// The bounds for distributions that are shown together.
    pub(crate) fn of<'d>(kind: Kind, distributions: impl Iterator<Item = &'d Distribution>) -> Bounds {
        let (recorded, unit) = match kind {
            Kind::Timer => (TIMER_BOUNDS.to_vec(), 1e9),
            _ => (octaves(distributions), 1.0),
        };
        let shown = recorded.iter().map(|bound| bound / unit).collect();
        Bounds::shown(recorded, shown)
    }

    /// The bounds that a configuration gives, for all instruments of a kind or for one.
    pub(crate) fn given(kind: Kind, bounds: &[f64]) -> Bounds {
        let unit = if kind == Kind::Timer { 1e9 } else { 1.0 };
        Bounds::shown(bounds.iter().map(|bound| bound * unit).collect(), bounds.to_vec())
    }

    fn shown(recorded: Vec<f64>, shown: Vec<f64>) -> Bounds {
        let text = shown.iter().map(|bound| number::text(*bound)).collect();
        let canonical = shown.iter().map(|bound| number::canonical(*bound)).collect();
        Bounds { recorded, shown, text, canonical }
    }

    /// Returns how many there are, without +Inf.
    pub(crate) fn len(&self) -> usize {
        self.recorded.len()
    }

    /// Returns the first that is not below a recorded value; for one beyond the last, how many there are.
    pub(crate) fn bucket_of(&self, recorded: f64) -> usize {
        self.recorded.partition_point(|bound| *bound < recorded)
    }

    /// Returns whether there is one below zero.
    pub(crate) fn has_negative(&self) -> bool {
        self.shown.first().is_some_and(|bound| *bound < 0.0)
    }
}

/// The bounds that a configuration gives, made once for all families.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenBounds {
    timers: Option<Arc<Bounds>>,
    histograms: Option<Arc<Bounds>>,
}

impl GivenBounds {
    pub(crate) fn new(settings: &Settings) -> GivenBounds {
        let given = |kind, buckets: &Option<Buckets>| {
            buckets.as_ref().map(|buckets| Arc::new(Bounds::given(kind, buckets.bounds())))
        };
        GivenBounds {
            timers: given(Kind::Timer, &settings.timer_buckets),
            histograms: given(Kind::Histogram, &settings.histogram_buckets),
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> Option<Arc<Bounds>> {
        let given = if kind == Kind::Timer { &self.timers } else { &self.histograms };
        given.clone()
    }
}

/// Sum of the distributions of one instrument over its sample rates.
pub(crate) struct HistogramTotals {
    /// At each bound.
    pub(crate) cumulative: Vec<u64>,
    pub(crate) count: u64,
    /// In the unit it is shown in; `None` when it is beyond what a float holds.
    pub(crate) sum: Option<f64>,
    pub(crate) has_negative: bool,
}

impl HistogramTotals {
    pub(crate) fn of(rates: &[(f64, Arc<Distribution>)], bounds: &Bounds) -> HistogramTotals {
        let mut totals =
            HistogramTotals { cumulative: vec![0; bounds.recorded.len()], count: 0, sum: None, has_negative: false };
        let mut sum = 0.0;
        for (rate, d) in rates {
            let add = |(to, n): (&mut u64, u64)| *to = to.saturating_add(scaled(n, *rate));
            totals.cumulative.iter_mut().zip(cumulative(d, &bounds.recorded)).for_each(add);
            add((&mut totals.count, d.count()));
            sum += d.sum() / unit(d.scheme()) / rate;
            totals.has_negative |= has_negative(d);
        }
        totals.sum = sum.is_finite().then_some(sum);
        totals
    }
}

/// By what a recorded value is divided when it is shown: timers are shown in seconds.
pub(crate) fn unit(scheme: Scheme) -> f64 {
    if scheme == Scheme::Nanos { 1e9 } else { 1.0 }
}

fn octaves<'d>(distributions: impl Iterator<Item = &'d Distribution>) -> Vec<f64> {
    let kind = Scheme::Float;
    // Powers of two, which are edges of core buckets, over the range that occurs.
    let (mut negative, mut positive) = (None, None);
    let widen = |range: &mut Option<(i32, i32)>, low: i32, high: i32| {
        *range = Some(range.map_or((low, high), |(l, h)| (l.min(low), h.max(high))));
    };
    for (index, _) in distributions.flat_map(Distribution::buckets) {
        let (low, high) = kind.bounds(index);
        if low >= 0.0 {
            widen(&mut positive, exponent(low), exponent(low) + 1);
        } else if high <= 0.0 {
            widen(&mut negative, exponent(-high), exponent(-high));
        }
    }
    let mut out = Vec::new();
    if let Some((low, high)) = negative {
        out.extend((low..=high).rev().map(|e| -2f64.powi(e)));
    }
    if let Some((low, high)) = positive {
        out.extend((low..=high).map(|e| 2f64.powi(e)));
    }
    out
}

/// The power of two at or below a positive number.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// How many values are counted at each bound, cumulative.
fn cumulative(distribution: &Distribution, bounds: &[f64]) -> Vec<u64> {
    let scheme = distribution.scheme();
    // The last bucket takes what lies beyond it too.
    let upper = |index| if index + 1 == scheme.len() { f64::INFINITY } else { scheme.bounds(index).1 };
    let mut buckets = distribution.buckets().peekable();
    let mut seen = 0;
    let count = |bound: &f64| {
        while let Some((_, count)) = buckets.next_if(|(index, _)| upper(*index) <= *bound) {
            seen += count;
        }
        seen
    };
    bounds.iter().map(count).collect()
}

/// Returns whether there are values below zero.
fn has_negative(distribution: &Distribution) -> bool {
    let scheme = distribution.scheme();
    distribution.sum() < 0.0 || distribution.buckets().next().is_some_and(|(index, _)| scheme.bounds(index).1 <= 0.0)
}
