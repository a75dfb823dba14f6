//! Cardinality: which names and which labels have the most series, for anyone who looks for what fills a limit or a bill.

use ferrometer_core::Snapshot;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// How many series there are, and the names and labels that have most of them.
///
/// ```
/// use ferrometer_core::{get_logger, snapshot};
/// use ferrometer_export::Cardinality;
///
/// for user in ["ada", "bob", "cyd"] {
///     let _ = get_logger("shop").with("user", user).counter("clicks").series();
/// }
/// let found = Cardinality::new(&snapshot(), 10);
/// assert_eq!((found.names[0].name.as_str(), found.names[0].series), ("shop.clicks", 3));
/// assert_eq!((found.labels[0].label, found.labels[0].values, found.labels[0].series), ("user", 3, 3));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Cardinality {
    /// All series, those of ferrometer's own metrics among them.
    pub series: usize,
    /// The names with the most series, those first.
    pub names: Vec<NameCount>,
    /// The labels with the most values, those first.
    pub labels: Vec<LabelCount>,
}

/// A name, and its series.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NameCount {
    /// Logger and metric, as the program names them, without prefix and host.
    pub name: String,
    /// Series of that name: combinations of labels, sample rates and kinds.
    pub series: usize,
}

/// A label, and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LabelCount {
    /// The label's name; an object's id is the label `object`.
    pub label: &'static str,
    /// Values that differ.
    pub values: usize,
    /// Series that have the label.
    pub series: usize,
}

impl Cardinality {
    /// Counts the series of a snapshot, and keeps the `largest` names and labels. Names and labels with as many come in the order of the alphabet.
    ///
    /// Its work and memory grow with the series of the program, which the limits bound; it is meant for a report, not for each delivery.
    // Compiled in the program that calls it: most do not.
    #[must_use]
    #[inline]
    pub fn new(snapshot: &Snapshot, largest: usize) -> Cardinality {
        let mut names: HashMap<(&str, &str), usize> = HashMap::new();
        let mut labels: HashMap<&'static str, (HashSet<&'static str>, usize)> = HashMap::new();
        let totals = snapshot.totals();
        for total in totals.iter() {
            let series = total.series;
            *names.entry((series.logger_name(), series.metric_name())).or_default() += 1;
            for (label, value) in series.labels_with_object() {
                let (values, series) = labels.entry(label).or_default();
                values.insert(value);
                *series += 1;
            }
        }
        let names =
            names.into_iter().map(|((logger, metric), series)| NameCount { name: joined(logger, metric), series });
        let labels = labels.into_iter();
        let labels = labels.map(|(label, (values, series))| LabelCount { label, values: values.len(), series });
        let mut found = Cardinality { series: totals.len(), names: names.collect(), labels: labels.collect() };
        found.names.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.name.cmp(&b.name)));
        found.labels.sort_by(|a, b| (b.values, b.series).cmp(&(a.values, a.series)).then_with(|| a.label.cmp(b.label)));
        found.names.truncate(largest);
        found.labels.truncate(largest);
        found
    }
}

/// Returns both with a dot between, and without one where either is empty.
#[inline]
fn joined(logger: &str, metric: &str) -> String {
    let parts = [logger, metric].into_iter().filter(|part| !part.is_empty());
    parts.map(Cow::Borrowed).collect::<Vec<_>>().join(".")
}
