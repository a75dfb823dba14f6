//! Numbers as servers read them: plain decimals, without exponent. (Etsy reads `1e-1` as 1.)

use std::io::Write;

/// Appends the difference of two whole numbers.
pub(crate) fn push_net(out: &mut Vec<u8>, more: u64, less: u64) {
    if less > more {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(more.abs_diff(less)).as_bytes());
}

/// Appends nanoseconds as milliseconds, exactly: 1234567 as `1.234567`.
pub(crate) fn push_millis(out: &mut Vec<u8>, nanos: u64) {
    let mut digits = [0; MILLIS];
    let len = write_millis(&mut digits, nanos);
    out.extend_from_slice(&digits[..len]);
}

/// Room for nanoseconds as milliseconds, and for a few bytes that are written and not used.
pub(crate) const MILLIS: usize = 32;

/// 000 to 999, as text, and how many of the three digits are left without the zeros at the end.
static TRIPLES: [[u8; 4]; 1000] = {
    let mut triples = [[0; 4]; 1000];
    let mut i = 0;
    while i < 1000 {
        let (a, b, c) = (i / 100, i / 10 % 10, i % 10);
        let len = if c > 0 {
            3
        } else if b > 0 {
            2
        } else if a > 0 {
            1
        } else {
            0
        };
        triples[i] = [b'0' + a as u8, b'0' + b as u8, b'0' + c as u8, len];
        i += 1;
    }
    triples
};

/// Writes nanoseconds as milliseconds, exactly and no digit more than needed; says how many bytes that took.
#[inline(always)]
pub(crate) fn write_millis(out: &mut [u8; MILLIS], nanos: u64) -> usize {
    let (whole, rest) = (nanos / 1_000_000, (nanos % 1_000_000) as u32);
    let len = if whole < 10 {
        out[0] = b'0' + whole as u8;
        1
    } else {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(whole).as_bytes();
        out[..digits.len()].copy_from_slice(digits);
        digits.len()
    };
    if rest == 0 {
        return len;
    }
    let [a, b, c, high] = TRIPLES[(rest / 1000) as usize];
    let [d, e, f, low] = TRIPLES[(rest % 1000) as usize];
    let digits = if low > 0 { 3 + low } else { high };
    out[len..len + 8].copy_from_slice(&[b'.', a, b, c, d, e, f, 0]);
    len + 1 + usize::from(digits)
}

/// A whole number that is kept as a float, not negative.
#[inline(always)]
pub(crate) fn whole(value: f64) -> u64 {
    // Below 2^52, adding 2^52 leaves the number in the lowest bits: a conversion with its checks takes several times as long.
    const TOP: f64 = (1u64 << 52) as f64;
    if value < TOP { (value + TOP).to_bits() & ((1 << 52) - 1) } else { value as u64 }
}

/// Appends a finite float: the shortest digits that read back as the same, never with an exponent, no sign on zero.
pub(crate) fn push_float(out: &mut Vec<u8>, value: f64) {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        push_net(out, value.max(0.0) as u64, (-value).max(0.0) as u64);
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
    fn whole_numbers_and_nanoseconds_are_as_the_standard_library_writes_them() {
        let edges = (0..20).map(|e| 10u64.pow(e)).flat_map(|p| [p - 1, p, p + 1, p.saturating_mul(7)]);
        for value in edges.chain(0..12_000).chain([u64::MAX, u64::MAX - 1]) {
            assert_eq!(text(|o| push_net(o, value, 0)), value.to_string());
            let millis = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
            assert_eq!(text(|o| push_millis(o, value)), millis.trim_end_matches('0').trim_end_matches('.'));
        }
    }

    #[test]
    fn whole_numbers_in_floats_are_read_exactly() {
        for bits in (0..64).map(|b| 1u64 << b).flat_map(|p| [p - 1, p, p + 1]) {
            let value = bits as f64;
            assert_eq!(whole(value), value as u64, "{value}");
        }
        assert_eq!((whole(0.0), whole(-0.0), whole(f64::MAX)), (0, 0, u64::MAX));
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for (more, less) in [(0, 0), (7, 0), (0, 7), (7, 7), (8, 1), (1, 8), (u64::MAX, 1), (0, u64::MAX), (1 << 63, 0)]
        {
            let net = i128::from(more) - i128::from(less);
            assert_eq!(text(|o| push_net(o, more, less)), net.to_string());
        }
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
