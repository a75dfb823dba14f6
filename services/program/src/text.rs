//! Texts that are safe to print, numbers and times as people read them.
//!
//! Text from elsewhere (a network, a file) may hold sequences that a terminal obeys. [`visible`] makes them text.

use jiff::Timestamp;
use std::borrow::Cow;
use std::fmt::Write;

/// Returns `true` for a character that a terminal, or a reader's eye, takes for something else than a character: controls, and marks that
/// change the direction of text or are not seen.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns the text with everything that is not seen written as an escape of Rust: `\u{1b}`, `\n`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_hidden(c) {
            true if matches!(c, '\n' | '\r' | '\t') => out.extend(c.escape_default()),
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Returns bytes as text, what is no UTF-8 as `\xff`.
pub(crate) fn visible_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&visible(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Returns a number in few characters: `1234567` as `1234567`, `0.1234567` as `0.1235`, `1e12` as `1.000e12`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == value.trunc() && size < 1e9 {
        format!("{value}")
    } else if (1e-3..1e9).contains(&size) {
        let digits = (4 - size.log10().floor() as i32).clamp(0, 6) as usize;
        let text = format!("{value:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    } else {
        format!("{value:.3e}")
    }
}

/// Returns a number of bytes: `512 B`, `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Returns seconds since 1970 as `2026-01-31T13:00:00Z`; the number itself where no such year is.
pub(crate) fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// Reads `2026-01-31T13:00:00Z`, `2026-01-31`, or seconds since 1970.
pub(crate) fn read_moment(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let parsed = text.parse::<Timestamp>().ok().or_else(|| day().map(|day| day.timestamp()));
    let wanted = "expected seconds since 1970, 2026-01-31 or 2026-01-31T13:00:00Z";
    parsed.map(Timestamp::as_second).ok_or_else(|| format!("{:?} is no moment: {wanted}", visible(text)))
}

/// Reads `500ms`, `10s`, `5m`, `2h`; more than nothing and at most a year.
pub(crate) fn read_duration(text: &str) -> Result<std::time::Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let seconds = match unit {
        "ms" => Some(0.001),
        "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let value = digits.parse::<f64>().ok().zip(seconds).map(|(number, unit)| number * unit);
    match value.filter(|seconds| *seconds > 0.0 && *seconds <= 31_536_000.0) {
        Some(seconds) => Ok(std::time::Duration::from_secs_f64(seconds)),
        None => Err(format!(
            "{:?} is no time: expected a number with its unit, such as 500ms, 10s, 5m or 2h",
            visible(text)
        )),
    }
}

/// Returns what was probably meant by a word that is none of those known.
pub(crate) fn meant<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.into_iter().map(|word| (strsim::damerau_levenshtein(found, word), word));
    near.min().filter(|(distance, word)| *distance <= word.len().div_ceil(3)).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_stays() {
        assert_eq!(visible("shop.sales"), "shop.sales");
        assert_eq!(visible("a\x1b[2Jb\u{9b}c"), "a\\u{1b}[2Jb\\u{9b}c");
        assert_eq!(visible("a\nb\tc"), "a\\nb\\tc");
        assert_eq!(visible("\u{202e}txt\u{200b}"), "\\u{202e}txt\\u{200b}");
        assert_eq!(visible("größe"), "größe");
        assert_eq!(visible_bytes(b"a\xff\x1b"), "a\\xff\\u{1b}");
    }

    #[test]
    fn numbers_are_short_and_right() {
        for (value, text) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (1234567.0, "1234567"),
            (0.1234567, "0.12346"),
            (12.34567, "12.346"),
            (123456.789, "123457"),
            (1e12, "1.000e12"),
            (1e-9, "1.000e-9"),
            (f64::MAX, "1.798e308"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(
            (bytes(1023), bytes(1536), bytes(u64::MAX)),
            ("1023 B".into(), "1.5 KiB".into(), "16384.0 PiB".into())
        );
    }

    #[test]
    fn moments_and_times_are_read() {
        assert_eq!(read_moment("1700000000"), Ok(1_700_000_000));
        assert_eq!(read_moment("2023-11-14T22:13:20Z"), Ok(1_700_000_000));
        assert_eq!(read_moment("2023-11-14"), Ok(1_699_920_000));
        assert!(read_moment("yesterday").is_err());
        assert_eq!(read_duration("1.5s"), Ok(std::time::Duration::from_millis(1500)));
        for wrong in ["", "10", "s", "0s", "-1s", "1e9s", "1d", "99999h"] {
            assert!(read_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_nearest_word_is_meant() {
        assert_eq!(meant("htpp", ["http", "statsd"]), Some("http"));
        assert_eq!(meant("something", ["http", "statsd"]), None);
    }
}
