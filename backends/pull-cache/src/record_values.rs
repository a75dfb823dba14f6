//! Values of an instrument in one generation: its totals, and quantiles of what was recorded since the generation before.

use crate::coding::Row;
use crate::generation::Table;
use crate::record::{Identity, Part, RecordType};
use ferrometer_core::{Cause, Distribution, Kind, Naming, Total, Totals, Value};
use ferrometer_export::Instrument;
use ferrometer_export::Labels;
use ferrometer_export::NameTable;
use ferrometer_export::full_name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A timer or histogram is shown as these, in this order.
const PARTS: [(&str, RecordType, Part); 6] = [
    (".count", RecordType::Derive, Part::Total),
    (".sum", RecordType::Derive, Part::Total),
    (".p50", RecordType::Gauge, Part::Quantile),
    (".p95", RecordType::Gauge, Part::Quantile),
    (".p99", RecordType::Gauge, Part::Quantile),
    (".max", RecordType::Gauge, Part::Quantile),
];
/// How many records one instrument is at most.
pub(crate) const DISTRIBUTION_PARTS: usize = PARTS.len();

/// The columns of an instrument's records, or why it has none.
type Named = Result<Box<[u32]>, Cause>;

/// Key that is unique among records: metric, labels and object.
type Name = (Arc<str>, Arc<Labels>, Option<Arc<str>>);

/// The names of all instruments in records.
#[derive(Debug, Default)]
pub(crate) struct RecordNames {
    claims: NameTable<Name>,
    /// By instrument; `None` until it is shown.
    names: Vec<Option<Named>>,
}

impl RecordNames {
    /// The columns of an instrument's records: one, or one for each of [`PARTS`].
    pub(crate) fn get(
        &mut self,
        at: usize,
        instrument: &Instrument,
        naming: &Naming,
        table: &mut Table,
    ) -> Result<&[u32], Cause> {
        if self.names.len() <= at {
            self.names.resize(at + 1, None);
        }
        let claims = &mut self.claims;
        let named = self.names[at].get_or_insert_with(|| name(claims, instrument, naming, table));
        named.as_deref().map_err(|cause| *cause)
    }

    /// Columns have other numbers from now on; `numbers` has them by the old ones.
    pub(crate) fn renumber(&mut self, numbers: &[u32]) {
        for columns in self.names.iter_mut().flatten().flatten() {
            for column in columns.iter_mut() {
                *column = numbers[*column as usize];
            }
        }
    }

    /// Returns whether an instrument was named, or refused a name, by now.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.names.get(at).is_some_and(Option::is_some)
    }

    /// Why an instrument is not shown.
    pub(crate) fn refused(&self, at: usize) -> Option<Cause> {
        self.names.get(at)?.as_ref()?.as_ref().err().copied()
    }

    /// How many instruments are not shown.
    pub(crate) fn count_refused(&self) -> usize {
        self.names.iter().filter(|n| matches!(n, Some(Err(_)))).count()
    }
}

fn name(claims: &mut NameTable<Name>, instrument: &Instrument, naming: &Naming, table: &mut Table) -> Named {
    let base = full_name(naming, instrument.first);
    let parts: &[(&str, RecordType, Part)] = match instrument.first.kind() {
        Kind::Timer | Kind::Histogram => &PARTS,
        Kind::Counter => &[("", RecordType::Derive, Part::Total)],
        _ => &[("", RecordType::Gauge, Part::Value)],
    };
    let labels = Arc::new(Labels::of_record(ferrometer_export::labels(naming, instrument.first)));
    let rate = instrument.first.rate();
    let object: Option<Arc<str>> = instrument.first.object().map(Arc::from);
    let identity = |(suffix, kind, part): &(&str, RecordType, Part)| {
        let metric = format!("{base}{suffix}").into();
        Arc::new(Identity::new(metric, Arc::clone(&labels), *kind, *part, rate).of(object.clone()))
    };
    let identities: Box<[Arc<Identity>]> = parts.iter().map(identity).collect();
    let longest = if base.is_empty() { "" } else { &identities[0].metric };
    let names: Vec<Name> =
        identities.iter().map(|i| (Arc::clone(&i.metric), Arc::clone(&i.labels), object.clone())).collect();
    claims.claim(instrument.first, longest, names)?;
    Ok(identities.iter().map(|identity| table.column(identity)).collect())
}

/// The distributions of a snapshot, by series.
#[derive(Debug, Default)]
pub(crate) struct Distributions(Vec<Option<Arc<Distribution>>>);

impl Distributions {
    pub(crate) fn of(totals: Totals<'_>) -> Distributions {
        let distribution = |total: Total<'_>| match total.value {
            Value::Distribution(d) => Some(Arc::clone(d)),
            _ => None,
        };
        Distributions(totals.iter().map(distribution).collect())
    }

    /// Returns the recordings that were added to a distribution since.
    fn until(&self, total: &Total<'_>, now: &Distribution) -> Distribution {
        match self.0.get(total.series.id()).and_then(Option::as_ref) {
            Some(before) => now.since(before),
            None => now.clone(),
        }
    }
}

/// Returns whether there is anything to show: a gauge that was never set has no value.
pub(crate) fn has_value(instrument: &Instrument, totals: Totals<'_>) -> bool {
    instrument.first.kind() != Kind::Gauge || instrument.totals(totals).any(|t| t.recordings > 0)
}

/// Writes down what an instrument says; `before` is where the interval began.
pub(crate) fn push(
    out: &mut Row,
    columns: &[u32],
    instrument: &Instrument,
    totals: Totals<'_>,
    before: &Distributions,
) {
    let mut push = |at: usize, value: f64| {
        // A sum beyond what a float holds has no value to show.
        if value.is_finite() {
            out.set(columns[at] as usize, value);
        }
    };
    // From nanoseconds to milliseconds.
    let unit = if instrument.first.kind() == Kind::Timer { 1e6 } else { 1.0 };
    let (mut count, mut sum) = (0.0, 0.0);
    let mut interval = Vec::new();
    for total in instrument.totals(totals) {
        let rate = total.series.rate();
        match &total.value {
            Value::Distribution(d) => {
                count += d.count() as f64 / rate;
                sum += d.sum() / unit / rate;
                interval.push((rate, before.until(&total, d)));
            }
            Value::Gauge(value) => sum += value,
            Value::InFlight(value) => sum += *value as f64,
            Value::Counter { decrements, .. } if rate < 1.0 => {
                // What is exact is not scaled.
                let (exact, sampled) = total.increments();
                sum += exact as f64 + (sampled as f64 - *decrements as f64) / rate;
            }
            Value::Counter { .. } => sum += total.value.net().unwrap_or(0) as f64,
            // A kind this version does not know has no record.
            _ => {}
        }
    }
    if interval.is_empty() {
        return push(0, sum);
    }
    push(0, count);
    push(1, sum);
    interval.retain(|(_, d)| d.count() > 0);
    if interval.is_empty() {
        return;
    }
    for (at, q) in [(2, 0.5), (3, 0.95), (4, 0.99)] {
        push(at, quantile(&interval, q) / unit);
    }
    push(5, max(&interval) / unit);
}

fn max(parts: &[(f64, Distribution)]) -> f64 {
    parts.iter().map(|(_, d)| d.max()).fold(f64::NEG_INFINITY, f64::max)
}

/// The quantile of distributions sampled at different rates, each value counted as many times as calls it stands for.
fn quantile(parts: &[(f64, Distribution)], q: f64) -> f64 {
    if let [(_, only)] = parts {
        return only.quantile(q).unwrap_or(0.0);
    }
    // Weights relative to the largest rate; the smallest weight is 1.
    let largest = parts.iter().map(|(rate, _)| *rate).fold(0.0, f64::max);
    let mut buckets: BTreeMap<usize, f64> = BTreeMap::new();
    for (rate, d) in parts {
        d.buckets().for_each(|(bucket, count)| *buckets.entry(bucket).or_default() += count as f64 * (largest / rate));
    }
    let rank = q * buckets.values().sum::<f64>();
    let mut seen = 0.0;
    let reached = buckets.iter().find(|(_, weight)| {
        seen += **weight;
        seen >= rank
    });
    let bucket = reached.or(buckets.last_key_value()).map_or(0, |(bucket, _)| *bucket);
    let max = max(parts);
    parts[0].1.scheme().representative(bucket, max).min(max)
}
