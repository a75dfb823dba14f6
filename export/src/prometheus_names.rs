//! Names by Prometheus' rules, as a scrape shows them and as remote write sends them: families, units and labels.

// `#[inline]` stands at what is long here, so that it is compiled with the exporters that use it: most programs have none.

use crate::full_name;
use ferrometer_core::{Kind, Naming, Series};

/// Returns the name of a family, for a counter without its suffix. Empty when nothing is left of the name.
///
/// ```
/// use ferrometer_core::{Naming, get_logger};
/// use ferrometer_export::prometheus_names::family;
///
/// let timer = get_logger("shop.api").timer("request").series();
/// assert_eq!(family(&Naming::default(), timer), "shop_api_request_seconds");
/// ```
#[must_use]
#[inline]
pub fn family(naming: &Naming, series: &Series) -> String {
    of_parts(&full_name(naming, series), series.kind(), &unit(series))
}

/// Returns the name of a family by what a catalogue tells of a metric: its full name, its kind and its unit. Other tools find by it what a
/// scrape shows.
///
/// ```
/// use ferrometer_core::Kind;
/// use ferrometer_export::prometheus_names::family_of;
///
/// assert_eq!(family_of("shop.api.request", Kind::Timer, ""), "shop_api_request_seconds");
/// assert_eq!(family_of("shop.sent.total", Kind::Counter, "bytes"), "shop_sent_bytes");
/// ```
#[must_use]
#[inline]
pub fn family_of(name: &str, kind: Kind, unit: &str) -> String {
    let parts: Vec<String> = name.split('.').filter(|part| !part.is_empty()).map(allowed).collect();
    of_parts(&parts.join("."), kind, &unit_of(kind, unit))
}

#[inline]
fn of_parts(full_name: &str, kind: Kind, unit: &str) -> String {
    let mut name = full_name.replace(['.', '-'], "_");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    // No suffix is written twice: `x.total` is `x_total`.
    if kind == Kind::Counter
        && let Some(stem) = name.strip_suffix("_total").filter(|stem| !stem.is_empty())
    {
        name.truncate(stem.len());
    }
    let has_it = name.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_'));
    if !name.is_empty() && !unit.is_empty() && !has_it {
        name.push('_');
        name.push_str(unit);
    }
    name
}

/// Returns the unit as it stands at the end of a family's name; empty when there is none.
#[must_use]
#[inline]
pub fn unit(series: &Series) -> String {
    unit_of(series.kind(), series.unit().unwrap_or(""))
}

#[inline]
fn unit_of(kind: Kind, unit: &str) -> String {
    match kind {
        Kind::Timer => "seconds".to_owned(),
        _ => allowed(unit).trim_matches('_').to_owned(),
    }
}

/// Returns a key as the name of a label: `[a-zA-Z_][a-zA-Z0-9_]*`, never with `__` in front, which Prometheus keeps for itself, and never `le`, which
/// a histogram needs.
///
/// ```
/// use ferrometer_export::prometheus_names::label;
/// assert_eq!([label("http.route"), label("le"), label("9")], ["http_route", "le_", "_9"]);
/// ```
#[must_use]
#[inline]
pub fn label(key: &str) -> String {
    let mut name = allowed(key);
    if name.starts_with("__") {
        name = format!("_{}", name.trim_start_matches('_'));
    }
    // Not `_` either, which the number of a second one would make `__2`.
    if name.is_empty() || name == "_" {
        return "_label".to_owned();
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if name == "le" {
        name.push('_');
    }
    name
}

#[inline]
fn allowed(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
