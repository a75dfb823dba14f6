//! Addresses of queries.

use super::when::When;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// Everything that is escaped in a parameter: what JavaScript's `encodeURIComponent` escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Returns the address of the API's function for such a query.
pub(super) fn endpoint(base: &str, when: When) -> String {
    match when {
        When::At(_) => format!("{base}/query"),
        When::Every { .. } => format!("{base}/query_range"),
    }
}

/// Returns the names and values of a query's parameters.
fn pairs(query: &str, when: When) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("query", query.to_owned())];
    match when {
        When::At(moment) => parameters.push(("time", moment.to_string())),
        When::Every { start, end, step } => {
            parameters.extend([("start", start.to_string()), ("end", end.to_string()), ("step", step.to_string())]);
            // VictoriaMetrics moves the moments to multiples of the step, unless it is told not to. Others ignore it.
            parameters.push(("nocache", "1".into()));
        }
    }
    parameters
}

/// Returns the parameters of a query, encoded for an address or a form.
pub(super) fn parameters(query: &str, when: When) -> String {
    let mut out = String::with_capacity(query.len() * 2);
    for (n, (name, value)) in pairs(query, when).iter().enumerate() {
        let _ = write!(out, "{}{name}={}", if n == 0 { "" } else { "&" }, utf8_percent_encode(value, ESCAPED));
    }
    out
}

/// Returns the address with the parameters.
pub(super) fn full(base: &str, query: &str, when: When) -> String {
    format!("{}?{}", endpoint(base, when), parameters(query, when))
}
