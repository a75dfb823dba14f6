//! Durations as people write them: `500ms`, `10s`, `1m`, `1h`, or plain seconds.

use std::time::Duration;

/// Reads a number (digits, at most one point) and a unit, spaces between them allowed; nothing signed, nothing compound.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let mut end = 0;
    while text.as_bytes().get(end).is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
        end += 1;
    }
    let (number, unit) = text.split_at(end);
    let nanos_per_unit: u128 = match unit.trim_start() {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Beyond 18 digits they make no difference.
    let fraction = if fraction.bytes().all(|b| b.is_ascii_digit()) { &fraction[..fraction.len().min(18)] } else { "" };
    let (whole, part) = (whole.parse::<u64>().ok()?, fraction.parse::<u64>().ok()?);
    let parts = 10u128.pow(fraction.len() as u32);
    let nanos = u128::from(whole) * nanos_per_unit + (u128::from(part) * nanos_per_unit + parts / 2) / parts;
    Some(Duration::new(u64::try_from(nanos / 1_000_000_000).ok()?, (nanos % 1_000_000_000) as u32))
}

/// `None` for what is negative, not a number or beyond what a [`Duration`] holds.
pub(super) fn from_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// The shortest of the forms that [`parse`] reads; the largest unit that leaves no fraction.
pub(super) fn show(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match (seconds, nanos) {
        (0, 0) => "0s".to_owned(),
        (s, 0) if s % 3600 == 0 => format!("{}h", s / 3600),
        (s, 0) if s % 60 == 0 => format!("{}m", s / 60),
        (s, 0) => format!("{s}s"),
        (_, n) if n % 1_000_000 == 0 => format!("{}ms", duration.as_millis()),
        _ => format!("{}s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_documented_and_nothing_else() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("0s", 0),
            (" 10 s ", 10_000),
            ("100ms", 100),
            ("0.1s", 100),
            ("0.0125h", 45_000),
            ("12.000m", 720_000),
            ("0.00100000000000000000000000000009s", 1),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "10", "s", "-1s", "+1s", "1e3s", "1.s", ".5s", "1.2.3s", "1m30s", "1S", "1 d", "NaNs", "infs", "１s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("0.0000015ms"), Some(Duration::from_nanos(2)));
        assert_eq!(parse("0.000000000123456789h"), Some(Duration::from_nanos(444)));
        let too_long = "9".repeat(400) + "h";
        assert_eq!(parse(&too_long), None);
    }

    #[test]
    fn shows_what_it_can_read_back() {
        for millis in [0, 1, 10, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&show(duration)), Some(duration), "{}", show(duration));
        }
    }
}
