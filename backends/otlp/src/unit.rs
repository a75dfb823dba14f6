//! Units as OpenTelemetry writes them: in UCUM, so `By` where Prometheus has `bytes`.

/// Each unit by its name in the plural, as Prometheus and the `metrics` crate have it, and its code in UCUM.
const CODES: &[(&str, &str)] = &[
    ("amperes", "A"),
    ("bits_per_second", "bit/s"),
    ("bytes", "By"),
    ("celsius", "Cel"),
    ("count_per_second", "1/s"),
    ("days", "d"),
    ("gibibytes", "GiBy"),
    ("gigabits_per_second", "Gbit/s"),
    ("grams", "g"),
    ("hertz", "Hz"),
    ("hours", "h"),
    ("joules", "J"),
    ("kelvin", "K"),
    ("kibibytes", "KiBy"),
    ("kilobits_per_second", "kbit/s"),
    ("mebibytes", "MiBy"),
    ("megabits_per_second", "Mbit/s"),
    ("meters", "m"),
    ("microseconds", "us"),
    ("milliseconds", "ms"),
    ("minutes", "min"),
    ("nanoseconds", "ns"),
    ("percent", "%"),
    ("ratio", "1"),
    ("seconds", "s"),
    ("tebibytes", "TiBy"),
    ("terabits_per_second", "Tbit/s"),
    ("volts", "V"),
    ("watts", "W"),
];

/// Returns the code of a unit; a unit without one as it is, such as `rows`, and one that is a code already.
pub(crate) fn ucum(unit: &'static str) -> &'static str {
    let found = CODES.binary_search_by_key(&unit, |(name, _)| *name);
    found.map_or(unit, |at| CODES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_core::Unit;

    #[test]
    fn every_unit_with_a_name_has_a_code() {
        let named = [
            (Unit::Seconds, "s"),
            (Unit::Bytes, "By"),
            (Unit::Ratio, "1"),
            (Unit::Celsius, "Cel"),
            (Unit::Meters, "m"),
            (Unit::Grams, "g"),
            (Unit::Joules, "J"),
            (Unit::Volts, "V"),
            (Unit::Amperes, "A"),
        ];
        for (unit, code) in named {
            assert_eq!(ucum(unit.as_str()), code);
        }
        assert_eq!(["", "By", "rows"].map(ucum), ["", "By", "rows"]);
    }

    #[test]
    fn every_row_is_found() {
        CODES.iter().for_each(|(name, code)| assert_eq!(ucum(name), *code));
    }
}
