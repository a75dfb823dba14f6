//! Numbers as the formats show them: scaled for the sample rate, and written as text.

/// Returns the number of calls that a sampled count stands for. Monotone in `count`.
pub(crate) fn scaled(count: u64, rate: f64) -> u64 {
    if rate < 1.0 { (count as f64 / rate).round() as u64 } else { count }
}

/// A whole number.
pub(crate) fn whole(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A finite float as people, Go's `ParseFloat` and Python's `float` read it.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    if value.trunc() == value && value.abs() < 1e15 {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
    }
}

/// Returns the number as text.
pub(crate) fn text(value: f64) -> String {
    let mut out = Vec::new();
    float(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

/// A finite float in the one form that OpenMetrics wants for `le`: the shortest digits, with an exponent of at least two digits below
/// 1e-4 and from 1e6 on (Go's `%g`), and a `.0` behind a whole number.
pub(crate) fn canonical(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

/// Milliseconds since 1970 as seconds.
pub(crate) fn seconds(out: &mut Vec<u8>, millis: i64) {
    let millis = millis.max(0) as u64;
    whole(out, millis / 1000);
    let rest = millis % 1000;
    out.extend([b'.', b'0' + (rest / 100) as u8, b'0' + (rest / 10 % 10) as u8, b'0' + (rest % 10) as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_back_and_stay_short() {
        for (value, plain, exact) in [
            (0.0, "0", "0.0"),
            (1.0, "1", "1.0"),
            (-2.0, "-2", "-2.0"),
            (0.00025, "0.00025", "0.00025"),
            (1e-4, "0.0001", "0.0001"),
            (2e-5, "0.00002", "2e-05"),
            (1048576.0, "1048576", "1.048576e+06"),
            (999999.5, "999999.5", "999999.5"),
            (1e300, "1e+300", "1e+300"),
            (-0.5, "-0.5", "-0.5"),
            (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308", "2.2250738585072014e-308"),
            (2f64.powi(-20), "9.5367431640625e-7", "9.5367431640625e-07"),
            (f64::MAX, "1.7976931348623157e+308", "1.7976931348623157e+308"),
        ] {
            assert_eq!((text(value).as_str(), canonical(value).as_str()), (plain, exact));
            assert_eq!((text(value).parse(), canonical(value).parse()), (Ok(value), Ok(value)));
        }
        let mut out = Vec::new();
        seconds(&mut out, 1_795_294_921_007);
        whole(&mut out, u64::MAX);
        assert_eq!(out, b"1795294921.00718446744073709551615");
    }
}
