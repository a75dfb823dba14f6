//! Numbers as servers read them: plain decimals, without exponent. (Etsy reads `1e-1` as 1.)

use std::io::Write;

/// Appends a whole number.
pub(crate) fn push_int(out: &mut Vec<u8>, value: i128) {
    match u64::try_from(value.unsigned_abs()) {
        Ok(magnitude) => {
            if value < 0 {
                out.push(b'-');
            }
            push_u64(out, magnitude);
        }
        // Writing to a `Vec` cannot fail.
        Err(_) => drop(write!(out, "{value}")),
    }
}

fn push_u64(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends nanoseconds as milliseconds, exactly: 1234567 as `1.234567`.
pub(crate) fn push_millis(out: &mut Vec<u8>, nanos: u64) {
    push_u64(out, nanos / 1_000_000);
    let mut rest = nanos % 1_000_000;
    if rest == 0 {
        return;
    }
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let len = digits.iter().rposition(|d| *d != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..len]);
}

/// Appends a finite float: the shortest digits that read back as the same, never with an exponent, no sign on zero.
pub(crate) fn push_float(out: &mut Vec<u8>, value: f64) {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        push_int(out, value as i128);
    } else {
        // Writing to a `Vec` cannot fail.
        drop(write!(out, "{value}"));
    }
}

/// A count as a sum of powers of two, largest first. Dividing a rate by one is exact, and so is what a server gets that computes
/// 1 ÷ rate: weights are lost to no rounding.
pub(crate) fn weights(mut count: u64) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let weight = 1u64 << count.checked_ilog2()?;
        count -= weight;
        Some(weight)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for (value, expected) in [(0, "0"), (-7, "-7"), (i128::from(i64::MIN), "-9223372036854775808")] {
            assert_eq!(text(|o| push_int(o, value)), expected);
        }
        assert_eq!(text(|o| push_int(o, -(1 << 64))), "-18446744073709551616");
        for (nanos, expected) in [
            (0, "0"),
            (1, "0.000001"),
            (125_000_000, "125"),
            (1_234_567, "1.234567"),
            (100_500, "0.1005"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(text(|o| push_millis(o, nanos)), expected);
        }
        for (value, expected) in
            [(0.1, "0.1"), (-0.0, "0"), (-5.0, "-5"), (1e-7, "0.0000001"), (2.5e20, "250000000000000000000")]
        {
            assert_eq!(text(|o| push_float(o, value)), expected);
        }
        for value in [f64::MAX, f64::MIN_POSITIVE, 1.0 / 3.0, 5e-324] {
            let shown = text(|o| push_float(o, value));
            assert_eq!(shown.parse::<f64>(), Ok(value));
            assert!(!shown.contains('e'));
        }
    }

    #[test]
    fn weights_add_up_and_their_rates_read_back_exactly() {
        for count in (0..5000).chain([99_999, 9_999_999_999_999, u64::MAX]) {
            assert_eq!(weights(count).sum::<u64>(), count);
            for weight in weights(count) {
                let rate = text(|o| push_float(o, 1.0 / weight as f64));
                assert_eq!(1.0 / rate.parse::<f64>().unwrap(), weight as f64);
            }
        }
    }
}
