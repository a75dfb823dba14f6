//! Values of an instrument in one generation: its totals, and quantiles of what was recorded since the generation before.

use crate::coding::Row;
use crate::generation::Table;
use crate::record::{Head, Identity, Part, RecordType};
use ferrometer_core::{Cause, Distribution, Kind, Naming, Total, Totals, Value};
use ferrometer_export::Instrument;
use ferrometer_export::Labels;
use ferrometer_export::NameTable;
use ferrometer_export::full_name;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
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

/// The columns of an instrument's records, or why it has none. There may be a million of them, so each takes four bytes: the column, or a number that
/// no column has.
#[derive(Clone, Copy, Debug)]
struct Named(u32);

/// A [`Named`] as it is read.
enum Columns {
    /// It is not shown yet.
    Not,
    /// It has no name, and why.
    Refused(Cause),
    One,
    /// One for each of [`PARTS`], at this place.
    Parts(usize),
}

impl Named {
    const NOT: Named = Named(u32::MAX);
    /// The first number of parts; columns are below it.
    const PARTS: u32 = 1 << 31;

    fn refused(cause: Cause) -> Named {
        let at = Cause::ALL.iter().position(|one| *one == cause).unwrap_or_default();
        Named(Named::NOT.0 - 1 - at as u32)
    }

    fn columns(self) -> Columns {
        match (self.0, (Named::NOT.0 - self.0) as usize) {
            (column, _) if column < Named::PARTS => Columns::One,
            (_, 0) => Columns::Not,
            (_, behind) if behind <= Cause::ALL.len() => Columns::Refused(Cause::ALL[behind - 1]),
            (parts, _) => Columns::Parts((parts - Named::PARTS) as usize),
        }
    }
}

/// Key that is unique among records: metric, labels and object.
#[derive(Debug)]
struct Name(Arc<Identity>);

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.metric(), self.0.labels(), self.0.object()).hash(state);
    }
}

/// The names of all instruments in records.
#[derive(Debug, Default)]
pub(crate) struct RecordNames {
    claims: NameTable<Name>,
    /// By instrument.
    names: Vec<Named>,
    /// The columns of timers and histograms.
    parts: Vec<[u32; DISTRIBUTION_PARTS]>,
    heads: HashSet<Arc<Head>>,
    refused: usize,
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
        if !self.has(at) {
            self.names[at] = self.name(instrument, naming, table);
        }
        match self.names[at].columns() {
            Columns::Not => Ok(&[]),
            Columns::Refused(cause) => Err(cause),
            Columns::One => Ok(std::slice::from_ref(&self.names[at].0)),
            Columns::Parts(parts) => Ok(&self.parts[parts]),
        }
    }

    /// Makes room for this many instruments.
    pub(crate) fn grow(&mut self, instruments: usize, table: &mut Table) {
        let more = instruments.saturating_sub(self.names.len());
        self.names.reserve_exact(more);
        self.names.resize(instruments.max(self.names.len()), Named::NOT);
        self.claims.reserve(more);
        table.reserve(more);
    }

    fn name(&mut self, instrument: &Instrument, naming: &Naming, table: &mut Table) -> Named {
        let series = instrument.first;
        let base = full_name(naming, series);
        let parts: &[(&str, RecordType, Part)] = match series.kind() {
            Kind::Timer | Kind::Histogram => &PARTS,
            Kind::Counter => &[("", RecordType::Derive, Part::Total)],
            _ => &[("", RecordType::Gauge, Part::Value)],
        };
        let labels = Labels::of_series(naming, series);
        let heads = &mut self.heads;
        let mut identity = |(suffix, kind, part): &(&str, RecordType, Part)| {
            let head = Head::new(&format!("{base}{suffix}"), series.object(), *kind, *part, series.rate());
            Arc::new(Identity::new(head.shared(heads), labels.clone()))
        };
        let identities: Vec<Arc<Identity>> = parts.iter().map(&mut identity).collect();
        let longest = if base.is_empty() { "" } else { identities[0].metric() };
        let names = identities.iter().map(|identity| Name(Arc::clone(identity)));
        if let Err(cause) = self.claims.claim(series, longest, names) {
            self.refused += 1;
            return Named::refused(cause);
        }
        if let [one] = &*identities {
            return Named(table.column(one));
        }
        self.parts.push(std::array::from_fn(|part| table.column(&identities[part])));
        Named(Named::PARTS + self.parts.len() as u32 - 1)
    }

    /// Columns have other numbers from now on; `numbers` has them by the old ones.
    pub(crate) fn renumber(&mut self, numbers: &[u32]) {
        let ones =
            self.names.iter_mut().filter(|named| matches!(named.columns(), Columns::One)).map(|named| &mut named.0);
        for column in ones.chain(self.parts.iter_mut().flatten()) {
            *column = numbers[*column as usize];
        }
    }

    /// Returns whether an instrument was named, or refused a name, by now.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.names.get(at).is_some_and(|named| !matches!(named.columns(), Columns::Not))
    }

    /// Why an instrument is not shown.
    pub(crate) fn refused(&self, at: usize) -> Option<Cause> {
        match self.names.get(at)?.columns() {
            Columns::Refused(cause) => Some(cause),
            _ => None,
        }
    }

    /// How many instruments are not shown.
    pub(crate) fn count_refused(&self) -> usize {
        self.refused
    }
}

/// The distributions of a snapshot, by the ids of their series, in order.
#[derive(Debug, Default)]
pub(crate) struct Distributions(Vec<(u32, Arc<Distribution>)>);

impl Distributions {
    pub(crate) fn of(totals: Totals<'_>) -> Distributions {
        let distribution = |total: Total<'_>| match total.value {
            Value::Distribution(d) => Some((total.series.id() as u32, Arc::clone(d))),
            _ => None,
        };
        Distributions(totals.iter().filter_map(distribution).collect())
    }

    /// Returns the recordings that were added to a distribution since.
    fn until(&self, total: &Total<'_>, now: &Distribution) -> Distribution {
        match self.0.binary_search_by_key(&(total.series.id() as u32), |(id, _)| *id) {
            Ok(at) => now.since(&self.0[at].1),
            Err(_) => now.clone(),
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
                // Exact values are not scaled.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_say_which_columns_or_why_none() {
        assert_eq!(size_of::<Named>(), 4);
        assert!(matches!(Named::NOT.columns(), Columns::Not));
        for cause in Cause::ALL {
            assert!(matches!(Named::refused(*cause).columns(), Columns::Refused(found) if found == *cause), "{cause}");
        }
        assert!([0, 7, Named::PARTS - 1].into_iter().all(|column| matches!(Named(column).columns(), Columns::One)));
        for at in [0, 7, 1 << 24] {
            assert!(matches!(Named(Named::PARTS + at).columns(), Columns::Parts(found) if found == at as usize));
        }
    }
}
