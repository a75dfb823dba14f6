//! The catalog: what the names of the records stand for. A record says nothing of its instrument's kind, unit and meaning, because
//! those do not change; anyone who shows records to people looks here.

use crate::record_values::RecordNames;
use ferrometer_core::{Naming, Series, Totals};
use ferrometer_export::Instruments;
use ferrometer_export::full_name;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// Description of an instrument, for all its label sets.
///
/// ```
/// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
/// # use ferrometer_pull_cache::{PullCacheBackend, Settings};
/// # let backend = PullCacheBackend::new(Settings::default());
/// # let cache = backend.handle();
/// # ferrometer_core::install("catalog", Box::new(backend), std::time::Duration::from_secs(3600)).unwrap();
/// ferrometer::get_logger("shop").histogram("basket").unit("items").record(3);
/// # ferrometer_core::flush(std::time::Duration::from_secs(2));
/// let all = cache.instruments();
/// let basket = all.iter().find(|i| i.name == "shop.basket").unwrap();
/// assert_eq!((basket.kind, basket.unit.as_deref()), ("histogram", Some("items")));
/// # ferrometer_core::remove("catalog", std::time::Duration::from_secs(2));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Instrument {
    /// The full name. The records of a timer or histogram have it with a suffix.
    pub name: String,
    /// The beginning of the name, up to where the logger's name ends.
    pub logger: String,
    /// `counter`, `gauge`, `in_flight`, `timer` or `histogram`.
    pub kind: &'static str,
    /// The unit of its records: `ms` for timers, elsewhere as the program declared it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Meaning, in the words of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The place in the source that recorded it first, file and line, if that was an attribute or a verb macro: `src/shop.rs:12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The sample rates below 1 that it has been recorded with, ascending: of attributes, macros, sampled loggers and rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<f64>,
}

/// Builds the list; kept by the backend.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    list: Arc<Vec<Instrument>>,
    /// The place in the list, by kind and name.
    places: HashMap<(&'static str, String), usize>,
    /// Series of each place that may still bring a unit or a description. They differ in their names as they were given.
    told_by: Vec<Vec<&'static Series>>,
    /// Instruments that were looked at, by number, as bits.
    seen: Vec<u64>,
    /// Series that were looked at for their rates.
    series: usize,
}

impl Catalog {
    /// Takes in new instruments, and units, descriptions and places given since. The list is the same one while nothing has changed.
    pub(crate) fn update(
        &mut self,
        instruments: &Instruments,
        totals: Totals<'_>,
        names: &RecordNames,
        naming: &Naming,
    ) -> Arc<Vec<Instrument>> {
        // A further rate is a further series.
        let has_new = totals.len() > self.series;
        self.series = totals.len();
        self.seen.resize(instruments.len().div_ceil(64).max(self.seen.len()), 0);
        for (at, instrument) in instruments.iter() {
            let (word, bit) = (at / 64, 1 << (at % 64));
            // One that has no value yet may still get a name, or be refused one.
            let is_new = self.seen[word] & bit == 0;
            if !(is_new || has_new && instrument.rates(totals).next().is_some()) || !names.has(at) {
                continue;
            }
            self.seen[word] |= bit;
            if names.refused(at).is_none() {
                let series = instrument.first;
                let place = self.place(series, full_name(naming, series));
                for rate in instrument.rates(totals) {
                    let known = &self.list[place].rates;
                    if let Err(before) = known.binary_search_by(|known| known.total_cmp(&rate)) {
                        Arc::make_mut(&mut self.list)[place].rates.insert(before, rate);
                    }
                }
                let told_by = &mut self.told_by[place];
                let same = |known: &&Series| {
                    known.logger_name() == series.logger_name()
                        && known.metric_name() == series.metric_name()
                        && (known.call_site().is_some() || series.call_site().is_none())
                };
                if !told_by.iter().any(same) {
                    told_by.push(series);
                }
            }
        }
        for (place, told_by) in self.told_by.iter().enumerate() {
            for series in told_by {
                let known = &self.list[place];
                let unit = if known.kind == "timer" { Some("ms") } else { series.unit() };
                let unit = unit.filter(|_| known.unit.is_none());
                let description = series.description().filter(|_| known.description.is_none());
                let site = if known.at.is_none() { series.call_site() } else { None };
                if unit.is_some() || description.is_some() || site.is_some() {
                    let known = &mut Arc::make_mut(&mut self.list)[place];
                    known.unit = unit.map(str::to_owned).or(known.unit.take());
                    known.description = description.map(str::to_owned).or(known.description.take());
                    known.at = site.map(|site| format!("{}:{}", site.file, site.line)).or(known.at.take());
                }
            }
        }
        Arc::clone(&self.list)
    }

    fn place(&mut self, series: &Series, name: String) -> usize {
        let kind = series.kind().as_str();
        if let Some(place) = self.places.get(&(kind, name.clone())) {
            return *place;
        }
        let list = Arc::make_mut(&mut self.list);
        let logger = logger(&name, series.metric_name()).to_owned();
        list.push(Instrument {
            name: name.clone(),
            logger,
            kind,
            unit: None,
            description: None,
            at: None,
            rates: Vec::new(),
        });
        self.places.insert((kind, name), list.len() - 1);
        self.told_by.push(Vec::new());
        list.len() - 1
    }
}

/// A full name without the metric's own parts. The gate that names pass keeps dots, and skips empty parts.
fn logger<'n>(name: &'n str, metric: &str) -> &'n str {
    let own = metric.split('.').filter(|part| !part.is_empty()).count();
    name.rmatch_indices('.').nth(own.saturating_sub(1)).map_or("", |(at, _)| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logger_is_what_stands_before_the_metric() {
        for (name, metric, expected) in [
            ("a.b.c", "c", "a.b"),
            ("a.b.c", "b.c", "a"),
            ("a.b.c", ".b..c.", "a"),
            ("b.c", "b.c", ""),
            ("c", "c", ""),
            ("", "", ""),
        ] {
            assert_eq!(logger(name, metric), expected, "{name} {metric}");
        }
    }
}
