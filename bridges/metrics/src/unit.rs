//! Units of the `metrics` crate, as ferrometer names them, and back.

use ferrometer_core::Unit;

/// Returns ferrometer's unit. A unit that it has no name for keeps the text of the `metrics` crate, such as `milliseconds`.
pub(crate) fn ours(unit: Option<metrics::Unit>) -> Unit {
    match unit {
        None | Some(metrics::Unit::Count) => Unit::None,
        Some(metrics::Unit::Seconds) => Unit::Seconds,
        Some(metrics::Unit::Bytes) => Unit::Bytes,
        Some(other) => Unit::Other(other.as_str()),
    }
}

/// Returns the unit of the `metrics` crate, where it has one.
pub(crate) fn theirs(unit: Option<&str>) -> Option<metrics::Unit> {
    metrics::Unit::from_string(unit?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_keep_their_meaning_both_ways() {
        for unit in [metrics::Unit::Seconds, metrics::Unit::Bytes, metrics::Unit::Milliseconds, metrics::Unit::Percent]
        {
            assert_eq!(theirs(Some(ours(Some(unit)).as_str())), Some(unit));
        }
        assert_eq!((ours(None), ours(Some(metrics::Unit::Count))), (Unit::None, Unit::None));
        assert_eq!((theirs(None), theirs(Some("parsecs"))), (None, None));
    }
}
