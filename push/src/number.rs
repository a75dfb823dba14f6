//! Numbers as texts.

/// Appends a whole number.
pub fn push_whole(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a finite float, whole ones without a point: `3`, `0.25`, `1e-7`.
pub fn push_float(out: &mut Vec<u8>, value: f64) {
    if value.trunc() == value && value.abs() < 1e15 {
        push_whole(out, value as i64);
    } else {
        out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
    }
}

/// Appends a finite float in plain decimals, never with an exponent: `0.0000001`.
pub fn push_plain(out: &mut Vec<u8>, value: f64) {
    if value.trunc() == value && value.abs() < 1e15 {
        push_whole(out, value as i64);
    } else if (1e-5..1e15).contains(&value.abs()) {
        out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
    } else {
        // `Display` of floats has no exponent.
        out.extend_from_slice(format!("{value}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_back() {
        for value in
            [0.0, -0.5, 1.0, 0.1 + 0.2, 1e300, 1e-300, 5e-324, f64::MAX, 1e15, 123_456.75, -1e-5, 1e-6, 2f64.powi(53)]
        {
            let read = |push: fn(&mut Vec<u8>, f64)| {
                let mut out = Vec::new();
                push(&mut out, value);
                String::from_utf8(out).unwrap()
            };
            let (short, plain) = (read(push_float), read(push_plain));
            assert_eq!((short.parse(), plain.parse()), (Ok(value), Ok(value)), "{short} {plain}");
            assert!(!plain.contains(['e', 'E']), "{plain}");
        }
    }
}
