//! Differences: metrics that vanished or changed since they were written down.

use super::metric::{Catalogue, Metric};
use serde::Serialize;
use std::collections::BTreeSet;

/// Metrics that are other than they were.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Differences {
    pub(super) vanished: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) new: Vec<String>,
}

/// Compares what was written down with what is.
pub(super) fn compare(known: &Catalogue, found: &Catalogue) -> Differences {
    let mut out = Differences::default();
    for ((name, kind), before) in known {
        let Some(now) = found.get(&(name.clone(), kind.clone())) else {
            match found
                .values()
                .find(|metric| metric.name == *name && !known.contains_key(&(name.clone(), metric.kind.clone())))
            {
                Some(other) => out.changed.push(format!("{name}: was a {kind}, is a {}", other.kind)),
                None => out.vanished.push(format!("{name} ({kind})")),
            }
            continue;
        };
        let text = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
        let list = |texts: &BTreeSet<String>| texts.iter().cloned().collect::<Vec<_>>().join(", ");
        // A rate of 1 is none: every recording counts.
        let rate = |metric: &Metric| list(&metric.rates.iter().filter(|rate| *rate != "1").cloned().collect());
        for (what, before, now) in [
            ("unit", text(&before.unit), text(&now.unit)),
            ("description", text(&before.description), text(&now.description)),
            ("labels", list(&before.labels), list(&now.labels)),
            ("rate", rate(before), rate(now)),
        ] {
            if before != now {
                out.changed.push(format!("{name}: {what} was {before:?}, is {now:?}"));
            }
        }
    }
    let is_new = |key: &&(String, String)| !known.contains_key(*key) && !known.keys().any(|(name, _)| *name == key.0);
    out.new = found.keys().filter(is_new).map(|(name, kind)| format!("{name} ({kind})")).collect();
    out
}

#[cfg(test)]
mod tests {
    use super::super::written::tests::{catalogue, metric};
    use super::*;

    #[test]
    fn what_vanished_or_changed_is_found() {
        let known = catalogue(&[
            metric("gone", "counter", None, &[]),
            metric("kind", "counter", None, &[]),
            metric("unit", "gauge", Some("bytes"), &["a"]),
            metric("same", "gauge", None, &[]),
        ]);
        let mut found = catalogue(&[
            metric("kind", "gauge", None, &[]),
            metric("unit", "gauge", Some("rows"), &["a", "b"]),
            metric("same", "gauge", None, &[]),
            metric("more", "gauge", None, &[]),
        ]);
        found.get_mut(&("same".to_owned(), "gauge".to_owned())).unwrap().rates.clear();
        let differences = compare(&known, &found);
        assert_eq!(differences.vanished, ["gone (counter)"]);
        assert_eq!(
            differences.changed,
            [
                "kind: was a counter, is a gauge",
                "same: rate was \"0.1, 0.5\", is \"\"",
                "unit: unit was \"bytes\", is \"rows\"",
                "unit: labels was \"a\", is \"a, b\""
            ]
        );
        assert_eq!(differences.new, ["more (gauge)"]);
        assert_eq!(compare(&known, &known), Differences::default());
        // No edit moves a metric, and a rate of 1 is none.
        found = known.clone();
        found.values_mut().for_each(|metric| metric.at.clear());
        found.values_mut().for_each(|metric| {
            metric.rates.insert("1".to_owned());
        });
        assert_eq!(compare(&known, &found), Differences::default());
    }
}
