//! Instruments as measures: a name, a moment and a value each, as JSON for a server and as bytes for an archive in this process.

use crate::settings::{Counters, Settings, Target};
use ferrometer_core::{Cause, Change, Kind, Naming, Scheme, Series, SnapshotView};
use ferrometer_export::folded_name;
use ferrometer_push::parts::{Interval, Number};
use ferrometer_push::{
    Claims, Exporter, Instruments, Limit, Memory, Packer, Summary, Texts, ids, moment, push_float, push_whole, scaled,
    summary,
};
use std::collections::HashMap;

/// The longest name of a metric that Gnocchi takes.
const LONGEST: usize = 255;
/// The longest unit.
const LONGEST_UNIT: usize = 31;

/// How measures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    #[cfg(feature = "embedded")]
    Bytes,
}

/// Where an instrument stood when it was last delivered, or dropped: what a delta is the distance from.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    /// Increments and decrements of a counter, the count of a distribution.
    counts: [u64; 2],
    sum: f64,
}

/// The exporter.
pub(crate) struct Measures {
    limit: Limit,
    form: Form,
    counters: Counters,
    /// Text before the unit in the JSON of a metric: its policy.
    policy: String,
    naming: Option<Naming>,
    instruments: Instruments,
    claims: Claims,
    names: Texts,
    interval: Interval,
    bases: Vec<Base>,
    /// True if a delivery was written: from then on the bases say where each instrument stood.
    has_begun: bool,
}

impl Measures {
    pub(crate) fn new(settings: &Settings) -> Measures {
        let form = match settings.target {
            Target::Remote(_) => Form::Json,
            #[cfg(feature = "embedded")]
            Target::Embedded(_) => Form::Bytes,
        };
        let told = |policy: &String| format!("\"archive_policy_name\":{},", serde_json::Value::from(policy.as_str()));
        let frame = serde_json::Value::from(settings.resource.as_str()).to_string().len() + 8;
        Measures {
            limit: Limit { bytes: settings.max_body_size, frame, pieces: usize::MAX },
            form,
            counters: settings.counters,
            policy: settings.policy.as_ref().map(told).unwrap_or_default(),
            naming: None,
            instruments: Instruments::default(),
            claims: Claims::default(),
            names: Texts::default(),
            interval: Interval::default(),
            bases: Vec::new(),
            has_begun: false,
        }
    }

    fn begin(&mut self, naming: &Naming) {
        if self.naming.as_ref() != Some(naming) {
            self.naming = Some(naming.clone());
            self.claims = Claims::default();
            self.names.clear();
        }
    }

    /// Decides whether an instrument can be written, the first time, and keeps its name.
    fn name(&mut self, at: usize, series: &'static Series, naming: &Naming) -> Result<(), Cause> {
        if self.names.get(at).is_some() {
            return Ok(());
        }
        if let Some(Err(cause)) = self.claims.known(series) {
            return Err(cause);
        }
        let name = folded_name(naming, series);
        let names: Vec<String> = suffixes(series.kind()).iter().map(|suffix| format!("{name}{suffix}")).collect();
        if names.iter().any(|name| name.len() > LONGEST) {
            return Err(Cause::Name);
        }
        self.claims.claim(series, &name, names.iter().map(String::as_str))?;
        self.names.set(at, name.as_bytes());
        Ok(())
    }

    /// Finds where each instrument stood when this backend was installed: at its totals, less what is new to this backend.
    fn find_bases(&mut self, view: &SnapshotView<'_>) {
        let totals = view.snapshot().totals();
        let mut new: HashMap<usize, Base> = HashMap::new();
        for delta in view.deltas() {
            let rate = delta.series.rate();
            let base = match &delta.change {
                Change::Counter { increments, decrements } => {
                    Base { counts: [scaled(*increments, rate), scaled(*decrements, rate)], sum: 0.0 }
                }
                Change::Values { singles, merged, scheme, .. } => {
                    let count = singles.len() as u64 + merged.iter().map(|(_, count)| count).sum::<u64>();
                    let merged = merged.iter().map(|(bucket, count)| scheme.middle(*bucket) * *count as f64);
                    let sum = singles.iter().copied().chain(merged).sum::<f64>() / unit_of(*scheme) / rate;
                    Base { counts: [scaled(count, rate), 0], sum }
                }
                _ => continue,
            };
            new.insert(delta.series.id(), base);
        }
        self.bases.resize(self.instruments.len(), Base::default());
        for (at, instrument) in self.instruments.iter() {
            let mut base = base_of(summary(instrument, totals));
            for new in ids(instrument, totals).filter_map(|id| new.get(&id)) {
                base.counts[0] = base.counts[0].saturating_sub(new.counts[0]);
                base.counts[1] = base.counts[1].saturating_sub(new.counts[1]);
                base.sum -= new.sum;
            }
            // The sum of merged values is near the true one; of no values it is known.
            if base.counts[0] == 0 {
                base.sum = 0.0;
            }
            self.bases[at] = base;
        }
    }

    fn base(&self, at: usize) -> Base {
        match self.counters {
            Counters::Delta => self.bases.get(at).copied().unwrap_or_default(),
            Counters::Total => Base::default(),
        }
    }

    /// Appends one measure.
    fn measure(&self, out: &mut Vec<u8>, name: &[u8], suffix: &str, unit: &str, at: u64, value: f64) {
        match self.form {
            Form::Json => {
                if !out.is_empty() {
                    out.push(b',');
                }
                // Names have passed the gate and need no escapes.
                out.push(b'"');
                out.extend_from_slice(name);
                out.extend_from_slice(suffix.as_bytes());
                out.extend_from_slice(b"\":{");
                out.extend_from_slice(self.policy.as_bytes());
                if !unit.is_empty() {
                    out.extend_from_slice(format!("\"unit\":{},", serde_json::Value::from(unit)).as_bytes());
                }
                out.extend_from_slice(b"\"measures\":[{\"timestamp\":");
                push_whole(out, at / 1_000_000_000);
                out.extend_from_slice(format!(".{:03}", at / 1_000_000 % 1000).as_bytes());
                out.extend_from_slice(b",\"value\":");
                push_float(out, value);
                out.extend_from_slice(b"}]}");
            }
            #[cfg(feature = "embedded")]
            Form::Bytes => {
                out.push((name.len() + suffix.len()) as u8);
                out.extend_from_slice(name);
                out.extend_from_slice(suffix.as_bytes());
                out.push(unit.len() as u8);
                out.extend_from_slice(unit.as_bytes());
                out.extend_from_slice(&at.to_le_bytes());
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
}

/// The suffixes of an instrument's metrics.
fn suffixes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Timer | Kind::Histogram => &[".count", ".sum", ".p50", ".p95", ".p99", ".max"],
        _ => &[""],
    }
}

fn suffix(part: &str) -> &'static str {
    suffixes(Kind::Timer).iter().copied().find(|suffix| suffix.strip_prefix('.') == Some(part)).unwrap_or("")
}

/// The unit of a part, where Gnocchi takes it.
fn unit(series: &'static Series, part: &str) -> &'static str {
    let unit = match (series.kind(), part) {
        (Kind::Timer | Kind::Histogram, "count") => "",
        (Kind::Timer, _) => "ms",
        _ => series.unit().unwrap_or(""),
    };
    if unit.chars().count() <= LONGEST_UNIT && unit.len() <= usize::from(u8::MAX) { unit } else { "" }
}

/// The difference of two counts, as the nearest float.
fn difference(now: u64, before: u64) -> f64 {
    if now >= before { (now - before) as f64 } else { -((before - now) as f64) }
}

impl Exporter for Measures {
    fn limit(&self) -> Limit {
        self.limit
    }

    fn write(&mut self, view: &SnapshotView<'_>, packer: &mut Packer<'_, '_>) {
        self.begin(view.naming());
        let totals = view.snapshot().totals();
        self.instruments.update(totals);
        if !self.has_begun && self.counters == Counters::Delta {
            self.find_bases(view);
        }
        let time = moment::nanos(view.snapshot().time());
        let instruments = std::mem::take(&mut self.instruments);
        for (at, instrument) in instruments.iter() {
            if packer.is_stopped() {
                break;
            }
            let Some(summary) = summary(instrument, totals) else { continue };
            let series = instrument.first;
            if let Err(cause) = self.name(at, series, view.naming()) {
                ids(instrument, totals).for_each(|id| packer.dropped(id, cause));
                continue;
            }
            let (name, base) = (self.names.get(at).unwrap_or_default(), self.base(at));
            let owners = ids(instrument, totals);
            // A byte more for the comma in front of each.
            packer.piece(at as u32, 1, owners, |out| {
                let mut piece = Vec::new();
                let mut one = |part: &'static str, value: f64| {
                    self.measure(&mut piece, name, suffix(part), unit(series, part), time, value);
                };
                match &summary {
                    Summary::Counter { increments, decrements } => {
                        let up = increments.wrapping_sub(base.counts[0]);
                        one("", difference(up, decrements.wrapping_sub(base.counts[1])));
                    }
                    summary => self.interval.parts(summary, ids(instrument, totals), |part, number| match number {
                        Number::Whole(count) => one(part, count.saturating_sub(base.counts[0]) as f64),
                        Number::Signed(value) => one(part, value as f64),
                        Number::Float(sum) if part == "sum" => one(part, sum - base.sum),
                        Number::Float(value) => one(part, value),
                    }),
                }
                out.extend_from_slice(&piece);
            });
        }
        self.instruments = instruments;
    }

    fn written(&mut self, view: &SnapshotView<'_>, memory: &Memory) {
        let totals = view.snapshot().totals();
        self.interval.sent(totals, memory);
        self.has_begun = true;
        if self.counters == Counters::Total {
            return;
        }
        self.bases.resize(self.instruments.len(), Base::default());
        for (at, instrument) in self.instruments.iter() {
            // Dropped values are gone: no later delta holds them.
            if ids(instrument, totals).all(|id| memory.account().is_settled(id)) {
                self.bases[at] = base_of(summary(instrument, totals));
            }
        }
    }
}

/// By what a recorded value is divided: timers are shown in milliseconds.
fn unit_of(scheme: Scheme) -> f64 {
    if scheme == Scheme::Nanos { 1e6 } else { 1.0 }
}

fn base_of(summary: Option<Summary<'_>>) -> Base {
    match summary {
        Some(Summary::Counter { increments, decrements }) => Base { counts: [increments, decrements], sum: 0.0 },
        Some(Summary::Distributions(rates)) => {
            let mut base = Base::default();
            for (rate, d) in rates.iter() {
                base.counts[0] = base.counts[0].saturating_add(scaled(d.count(), rate));
                base.sum += d.sum() / unit_of(d.scheme()) / rate;
            }
            // As `parts` leaves out a sum that no float holds.
            if !base.sum.is_finite() {
                base.sum = 0.0;
            }
            base
        }
        _ => Base::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_push::parts;

    #[test]
    fn every_part_of_a_distribution_has_its_suffix() {
        for kind in [Kind::Timer, Kind::Histogram] {
            let parts: Vec<String> = parts::names(kind).iter().map(|part| suffix(part).to_owned()).collect();
            assert_eq!(parts, suffixes(kind));
        }
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!((difference(3, 5), difference(5, 3), difference(u64::MAX, 0)), (-2.0, 2.0, u64::MAX as f64));
    }
}
