//! A metric, as far as one side knows it.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// Keys of labels.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) labels: BTreeSet<String>,
    /// Sample rates that call sites give, or that recordings were made with.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) rates: BTreeSet<String>,
    /// Files and lines. They change with every edit, and are never compared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) at: BTreeSet<String>,
}

/// Metrics by name and kind.
pub(super) type Catalogue = BTreeMap<(String, String), Metric>;

/// Returns whether a metric is one of ferrometer's own.
pub(super) fn is_own(name: &str) -> bool {
    name.split('.').any(|part| part == "ferrometer")
}

/// Returns a text of several lines as one.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
