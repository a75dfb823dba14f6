//! Questions in PromQL about a metric, as a scrape of the program shows it.

use super::metric::Metric;
use ferrometer::backend::Kind;
use ferrometer_export::prometheus_names::{family_of, label};
use std::collections::BTreeSet;

/// Filters by the variables of the dashboard.
const CHOSEN: &str = r#"job=~"$job",instance=~"$instance""#;

/// One metric, as it is asked for.
pub(super) struct Asked {
    pub(super) kind: Kind,
    family: String,
    /// The name is known by its end alone: that of the logger is known only while the program runs.
    is_end: bool,
    labels: Vec<String>,
}

impl Asked {
    /// Returns `None` for a kind that is none, which a catalogue of another version may have.
    pub(super) fn new(metric: &Metric, prefix: &str) -> Option<Asked> {
        let kind = *Kind::ALL.iter().find(|kind| kind.as_str() == metric.kind)?;
        let unit = metric.unit.as_deref().unwrap_or_default();
        // In angle brackets there is the source of an expression.
        let (is_end, name) = match metric.name.starts_with('<').then(|| metric.name.rsplit_once(">.")).flatten() {
            Some((_, name)) => (true, name.to_owned()),
            None => (false, format!("{prefix}.{}", metric.name)),
        };
        let labels: BTreeSet<String> = metric.labels.iter().map(|key| label(key)).collect();
        Some(Asked { kind, family: family_of(&name, kind, unit), is_end, labels: labels.into_iter().collect() })
    }

    /// Returns whether calls are told apart by how they ended.
    pub(super) fn has_outcome(&self) -> bool {
        self.labels.iter().any(|label| label == "outcome")
    }

    /// Returns what the curves of a panel are called: the values of all labels.
    pub(super) fn legend(&self, more: &[&str]) -> String {
        let labels = more.iter().copied().chain(self.labels.iter().map(String::as_str));
        labels.map(|label| format!("{{{{{label}}}}}")).collect::<Vec<_>>().join(" ")
    }

    fn selector(&self, suffix: &str, more: &str) -> String {
        let name = format!("{}{suffix}", self.family);
        match self.is_end {
            true => format!(r#"{{__name__=~"(.+_)?{name}",{CHOSEN}{more}}}"#),
            false => format!("{name}{{{CHOSEN}{more}}}"),
        }
    }

    fn rate(&self, suffix: &str, more: &str) -> String {
        format!("rate({}[$__rate_interval])", self.selector(suffix, more))
    }

    fn by(&self, more: &[&str]) -> String {
        let labels: Vec<&str> = more.iter().copied().chain(self.labels.iter().map(String::as_str)).collect();
        match labels.is_empty() {
            true => String::new(),
            false => format!(" by ({})", labels.join(", ")),
        }
    }

    /// Returns the last values, of each process.
    pub(super) fn values(&self) -> String {
        format!("max{} ({})", self.by(&["instance"]), self.selector("", ""))
    }

    /// Returns what happens a second, of all processes together.
    pub(super) fn per_second(&self) -> String {
        let suffix = if self.kind == Kind::Counter { "_total" } else { "_count" };
        format!("sum{} ({})", self.by(&[]), self.rate(suffix, ""))
    }

    /// Returns a quantile over all calls. A server that keeps native histograms answers by the second half.
    pub(super) fn quantile(&self, q: f64) -> String {
        let (classic, native) = (self.rate("_bucket", ""), self.rate("", ""));
        format!("histogram_quantile({q}, sum by (le) ({classic})) or histogram_quantile({q}, sum ({native}))")
    }

    /// Returns the part of the calls that ended otherwise than well.
    pub(super) fn failed(&self) -> String {
        let suffix = if self.kind == Kind::Counter { "_total" } else { "_count" };
        let (bad, all) = (self.rate(suffix, r#",outcome!="ok""#), self.rate(suffix, ""));
        format!("(sum ({bad}) or vector(0)) / sum ({all})")
    }
}
