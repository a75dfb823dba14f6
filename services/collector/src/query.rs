//! The PromQL of one definition, scope and period.

use crate::config::settings::ByOrder;
use crate::definition::Definition;
use std::fmt::Write as _;

pub use crate::label::is_label_name;

/// Words of PromQL that are read as something else than the name of a metric, in some place or version.
const WORDS: &[&str] = &[
    "and",
    "or",
    "unless",
    "atan2",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "start",
    "end",
    "inf",
    "nan",
    "sum",
    "avg",
    "count",
    "min",
    "max",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "count_values",
    "quantile",
    "limitk",
    "limit_ratio",
    "anchored",
    "smoothed",
    "default",
    "if",
    "ifnot",
    "keep_metric_names",
    "limit",
    "with",
];

/// Returns if a metric can stand in a query as it is; all others go through `__name__`.
fn is_plain_metric(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b == b':';
    text.bytes().next().is_some_and(letter)
        && text.bytes().all(|b| letter(b) || b.is_ascii_digit())
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Appends a label's value between quotes, so that nothing in it can end them.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends `metric{label="value", …}`.
fn push_selector(out: &mut String, metric: &str, labels: &[(&str, &str)], separator: &str) {
    let plain = is_plain_metric(metric);
    if plain {
        out.push_str(metric);
        if labels.is_empty() {
            return;
        }
    }
    out.push('{');
    if !plain {
        out.push_str("__name__=");
        push_quoted(out, metric);
    }
    for (n, (label, value)) in labels.iter().enumerate() {
        if n > 0 || !plain {
            out.push_str(separator);
        }
        out.push_str(label);
        out.push('=');
        push_quoted(out, value);
    }
    out.push('}');
}

/// Length of a range, in milliseconds, as a query writes it: in whole seconds where it has them.
fn push_range(out: &mut String, millis: u64) {
    let _ = if millis.is_multiple_of(1000) { write!(out, "[{}s]", millis / 1000) } else { write!(out, "[{millis}ms]") };
}

/// How ranges of a server treat a sample that is exactly as old as the range is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ranges {
    /// Leave it out: Prometheus 3, VictoriaMetrics.
    LeftOpen,
    /// Take it in: Prometheus 2. The range of a sum has to be a millisecond shorter, or the sample is counted in two periods.
    Closed,
}

/// Writes the query of one period, to be asked at its end.
///
/// The range of `…_over_time` is a millisecond shorter where `ranges` are closed. Functions such as `rate` keep the whole range: they look
/// at the way between samples, and a sample that two periods share belongs to both ways.
#[must_use]
pub fn usage(
    definition: &Definition,
    scope_key: &str,
    scope: &str,
    period: u32,
    order: ByOrder,
    ranges: Ranges,
) -> String {
    let method = definition.method.name();
    let mut query = String::with_capacity(256);
    if !definition.query_prefix.is_empty() {
        query.push_str(&definition.query_prefix);
        query.push(' ');
    }
    query.push_str(method);
    query.push('(');
    if let Some(function) = definition.query_function {
        query.push_str(function);
        query.push('(');
    }
    let mut millis = u64::from(period) * 1000;
    match definition.range_function {
        Some(function) => query.push_str(function),
        None => {
            millis -= u64::from(ranges == Ranges::Closed);
            query.push_str(method);
            query.push_str("_over_time");
        }
    }
    query.push('(');
    push_selector(&mut query, &definition.metric, &[(scope_key, scope)], ", ");
    push_range(&mut query, millis);
    query.push(')');
    if definition.query_function.is_some() {
        query.push(')');
    }
    query.push_str(") by (");
    let mut labels: Vec<&str> = definition.groupby.iter().map(String::as_str).collect();
    let at = match order {
        ByOrder::Document => 0,
        ByOrder::Upstream => definition.scope_at.unwrap_or(labels.len()).min(labels.len()),
    };
    labels.insert(at, scope_key);
    labels.extend(definition.metadata.iter().map(String::as_str));
    query.push_str(&labels.join(", "));
    query.push(')');
    if !definition.query_suffix.is_empty() {
        query.push(' ');
        query.push_str(&definition.query_suffix);
    }
    query
}

/// Writes the query whose series name the scopes: those of a moment, as CloudKitty asks, or of some seconds before it.
#[must_use]
pub fn scopes(metric: &str, filters: &[(String, String)], attribute: &str, seconds: Option<i64>) -> String {
    let mut query = String::from(if seconds.is_some() { "max(max_over_time(" } else { "max(" });
    let filters: Vec<(&str, &str)> = filters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    push_selector(&mut query, metric, &filters, ", ");
    if let Some(seconds) = seconds {
        let _ = write!(query, "[{seconds}s])");
    }
    let _ = write!(query, ") by ({attribute})");
    query
}

/// A query that tells how a server's ranges treat their old end, asked at a multiple of a minute: 1 where it is left out, else 2.
pub(crate) const PROBE: &str = "count_over_time(vector(1)[1m:1m])";
