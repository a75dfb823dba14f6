//! A report of the names and labels with the most series.

pub use ferrometer_export::{Cardinality, LabelCount, NameCount};

/// Returns the `largest` names and labels by their series, as of now.
///
/// ```
/// let found = ferrometer::cardinality(10);
/// for name in &found.names {
///     println!("{:>8} {}", name.series, name.name);
/// }
/// for label in &found.labels {
///     println!("{:>8} values of {}, in {} series", label.values, label.label, label.series);
/// }
/// ```
// Compiled in the program that calls it: most do not.
#[must_use]
#[inline]
pub fn cardinality(largest: usize) -> Cardinality {
    Cardinality::new(&ferrometer_core::snapshot(), largest)
}
