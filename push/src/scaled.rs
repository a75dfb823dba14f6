//! Counts of sampled recordings as counts of calls.

/// Returns the number of calls that a number of recordings sampled at `rate` stand for: whole, and never less for more recordings.
///
/// ```
/// assert_eq!(ferrometer_push::scaled(3, 0.25), 12);
/// assert_eq!(ferrometer_push::scaled(u64::MAX, 1.0), u64::MAX);
/// ```
#[must_use]
pub fn scaled(count: u64, rate: f64) -> u64 {
    if rate < 1.0 { (count as f64 / rate).round() as u64 } else { count }
}
