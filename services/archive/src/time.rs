//! Time stamps and spans of time, read and written as Gnocchi does: epoch seconds, ISO 8601, `1 hour`, calendar units.

use crate::{Nanos, SECOND};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// Returns the current time in nanoseconds since the epoch.
pub fn now() -> Nanos {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Returns the day of a date, counted from 1970-01-01; for years 1 to 9999.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    // March is the first month of the year, so that the day that not every year has is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns year, month and day of a day.
fn date_of(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

/// Why a text is no time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTimestamp {
    /// It is neither a number nor ISO 8601.
    Unreadable,
    /// It is before 1970.
    BeforeEpoch,
    /// It is after 2262-04-11, which nanoseconds in 64 bits do not reach.
    TooLate,
}

fn in_range(nanos: i128) -> Result<Nanos, NoTimestamp> {
    match Nanos::try_from(nanos) {
        _ if nanos < 0 => Err(NoTimestamp::BeforeEpoch),
        Ok(nanos) => Ok(nanos),
        Err(_) => Err(NoTimestamp::TooLate),
    }
}

/// Reads a time stamp: seconds since the epoch as a number, or ISO 8601 with or without a zone (UTC without).
///
/// # Errors
/// [`NoTimestamp`].
///
/// ```
/// use ferrometer_archive::time::{NoTimestamp, read_timestamp};
/// assert_eq!(read_timestamp("2014-10-06T14:34:12+02:00"), read_timestamp("1412598852"));
/// assert_eq!(read_timestamp("1969-12-31T23:59:59"), Err(NoTimestamp::BeforeEpoch));
/// ```
pub fn read_timestamp(text: &str) -> Result<Nanos, NoTimestamp> {
    let text = text.trim();
    match (parse_iso(text), text.parse()) {
        (Some(nanos), _) => in_range(nanos),
        (None, Ok(seconds)) => read_seconds(seconds),
        (None, Err(_)) => Err(NoTimestamp::Unreadable),
    }
}

/// Returns a number of seconds since the epoch as nanoseconds.
///
/// # Errors
/// [`NoTimestamp`].
pub fn read_seconds(seconds: f64) -> Result<Nanos, NoTimestamp> {
    if seconds.is_finite() { in_range((seconds * 1e9).round() as i128) } else { Err(NoTimestamp::Unreadable) }
}

/// Reads a time stamp, or none; see [`read_timestamp`].
pub fn parse_timestamp(text: &str) -> Option<Nanos> {
    read_timestamp(text).ok()
}

/// Reads ISO 8601. A bare year is a number of seconds, and none of these.
fn parse_iso(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    if !is(4, b"-") {
        return None;
    }
    let (year, month) = (number(0, 4)?, number(5, 7)?);
    let day = match bytes.len() {
        7 => 1,
        _ if is(7, b"-") => number(8, 10)?,
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=longest).contains(&day) {
        return None;
    }
    let mut seconds = day_of(year, month, day) * DAY;
    let mut nanos = 0;
    let mut at = bytes.len().min(10);
    if is(10, b"T ") {
        let (hour, minute) = match bytes.len() {
            13 => (number(11, 13)?, 0),
            _ if is(13, b":") => (number(11, 13)?, number(14, 16)?),
            _ => return None,
        };
        at = bytes.len().min(16);
        let mut second = 0;
        if is(16, b":") {
            second = number(17, 19)?;
            at = 19;
            if is(19, b".,") {
                let digits = bytes[20..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                at = 20 + digits;
                nanos = number(20, 20 + digits.min(9))? * 10_i64.pow(9 - digits.min(9) as u32);
            }
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        seconds += hour * 3600 + minute * 60 + second;
    }
    let zone = text.get(at..)?.trim_start();
    let offset = match zone.as_bytes() {
        [] | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let rest: Vec<i64> =
                rest.iter().filter(|byte| **byte != b':').map(|byte| i64::from(byte.wrapping_sub(b'0'))).collect();
            let valid = matches!(rest.len(), 2 | 4) && rest.iter().all(|digit| (0..10).contains(digit));
            let digit = |at: usize| rest.get(at).copied().unwrap_or(0);
            let span = (digit(0) * 10 + digit(1)) * 3600 + (digit(2) * 10 + digit(3)) * 60;
            if !valid || span >= DAY {
                return None;
            }
            if *sign == b'-' { -span } else { span }
        }
        _ => return None,
    };
    Some(i128::from(seconds - offset) * i128::from(SECOND) + i128::from(nanos))
}

/// Writes a time stamp as `2014-10-06T14:34:12+00:00`, with a fraction where there is one.
pub fn write_timestamp(out: &mut String, stamp: Nanos) {
    let seconds = stamp.div_euclid(SECOND);
    let (year, month, day) = date_of(seconds.div_euclid(DAY));
    let of_day = seconds.rem_euclid(DAY);
    // A time stamp of 64 bits lies between the years 1677 and 2262.
    let mut text = *b"0000-00-00T00:00:00.000000000";
    let mut put = |place: std::ops::Range<usize>, mut number: i64| {
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0..4, year);
    put(5..7, month);
    put(8..10, day);
    put(11..13, of_day / 3600);
    put(14..16, of_day / 60 % 60);
    put(17..19, of_day % 60);
    let fraction = stamp.rem_euclid(SECOND);
    put(20..29, fraction);
    let end = match fraction {
        0 => 19,
        _ if fraction % 1000 == 0 => 26,
        _ if fraction % 100 == 0 => 27,
        _ if fraction % 10 == 0 => 28,
        _ => 29,
    };
    out.push_str(std::str::from_utf8(&text[..end]).unwrap_or_default());
    out.push_str("+00:00");
}

/// Returns a time stamp as text; see [`write_timestamp`].
pub fn timestamp(stamp: Nanos) -> String {
    let mut out = String::with_capacity(32);
    write_timestamp(&mut out, stamp);
    out
}

const UNITS: [(&[&str], f64); 5] = [
    (&["w", "wk", "wks", "week", "weeks"], 604_800.0),
    (&["d", "dy", "dys", "day", "days"], 86_400.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3600.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
];

/// Reads a span of time: seconds, `1 hour, 2 mins`, `1h30m`, `00:05:00`, `2 days, 3:00:00`, with a sign or without.
///
/// # Errors
/// The reason, in Gnocchi's words.
pub fn parse_timespan(text: &str, allow_negative: bool) -> Result<Nanos, String> {
    let seconds = match text.trim().parse::<f64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => parse_words(text.trim()),
    };
    let seconds = seconds.filter(|seconds| seconds.is_finite()).ok_or("Unable to parse timespan")?;
    let nanos = seconds * 1e9;
    if nanos.abs() >= i64::MAX as f64 {
        return Err("Unable to parse timespan: more than 292 years".into());
    }
    if !allow_negative && nanos < 1.0 {
        return Err("Timespan must be positive".into());
    }
    Ok(nanos.round() as Nanos)
}

fn parse_words(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest.trim_start()),
        None => (1.0, text.strip_prefix('+').unwrap_or(text).trim_start()),
    };
    let mut sum = 0.0;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if rest[digits..].starts_with(':') {
            return parse_clock(rest).map(|clock| sign * (sum + clock));
        }
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let word = rest[..letters].to_ascii_lowercase();
        let unit = UNITS.iter().position(|(names, _)| names.contains(&word.as_str()))?;
        if unit < next_unit {
            return None;
        }
        next_unit = unit + 1;
        sum += number * UNITS[unit].1;
        rest = rest[letters..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    (next_unit > 0).then_some(sign * sum)
}

/// Reads `mm:ss`, `hh:mm:ss` or `dd:hh:mm:ss`.
fn parse_clock(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=4).contains(&parts.len()) || parts.iter().any(|part| part.is_empty() || part.starts_with(['+', '-'])) {
        return None;
    }
    let scales = [1.0, 60.0, 3600.0, 86_400.0];
    parts.iter().rev().zip(scales).try_fold(0.0, |sum, (part, scale)| Some(sum + part.parse::<f64>().ok()? * scale))
}

/// A unit of the calendar that series are resampled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// A year.
    Year,
    /// Half a year.
    Half,
    /// A quarter of a year.
    Quarter,
    /// A month.
    Month,
    /// A week, from Sunday.
    Week,
}

impl Calendar {
    /// Returns the unit of a letter: Y, H, Q, M or W.
    pub fn from_letter(letter: &str) -> Option<Calendar> {
        Some(match letter {
            "Y" => Calendar::Year,
            "H" => Calendar::Half,
            "Q" => Calendar::Quarter,
            "M" => Calendar::Month,
            "W" => Calendar::Week,
            _ => return None,
        })
    }

    /// Returns the letter of the unit.
    pub fn letter(self) -> &'static str {
        match self {
            Calendar::Year => "Y",
            Calendar::Half => "H",
            Calendar::Quarter => "Q",
            Calendar::Month => "M",
            Calendar::Week => "W",
        }
    }

    /// Returns when the unit that a time stamp is in began.
    pub fn floor(self, stamp: Nanos) -> Nanos {
        let day = stamp.div_euclid(SECOND * DAY);
        let (year, month, _) = date_of(day);
        let begun = match self {
            Calendar::Year => day_of(year, 1, 1),
            Calendar::Half => day_of(year, (month - 1) / 6 * 6 + 1, 1),
            Calendar::Quarter => day_of(year, (month - 1) / 3 * 3 + 1, 1),
            Calendar::Month => day_of(year, month, 1),
            // The epoch was a Thursday, four days after a Sunday.
            Calendar::Week => day - (day + 4).rem_euclid(7),
        };
        begun * DAY * SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_in_every_form_and_written_in_one() {
        for (text, expected) in [
            ("2014-10-06T14:33:57", Some("2014-10-06T14:33:57+00:00")),
            ("2014-10-06T14:34", Some("2014-10-06T14:34:00+00:00")),
            ("2014-10-06 14", Some("2014-10-06T14:00:00+00:00")),
            ("2014-10", Some("2014-10-01T00:00:00+00:00")),
            ("2016-02-29T23:59:59.5Z", Some("2016-02-29T23:59:59.500000+00:00")),
            ("2014-10-06T14:33:57.000000001-0130", Some("2014-10-06T16:03:57.000000001+00:00")),
            ("1412606061", Some("2014-10-06T14:34:21+00:00")),
            ("0", Some("1970-01-01T00:00:00+00:00")),
            ("2262-04-11T23:47:16", Some("2262-04-11T23:47:16+00:00")),
            ("2262-04-11T23:47:17", None),
            ("9999-12-31T00:00:00", None),
            ("2015-02-29", None),
            ("2014-13-01", None),
            ("2014-10-06T14:33:57+99:00", None),
            ("2014-10-06T14:33:57x", None),
            ("-1", None),
            ("NaN", None),
            ("1e30", None),
            ("", None),
            ("2014-10-06T14:33:57.", None),
            ("2014-1é-06T", None),
        ] {
            assert_eq!(parse_timestamp(text).map(timestamp).as_deref(), expected, "{text}");
        }
        for day in (-800_000..800_000).step_by(17) {
            let (year, month, date) = date_of(day);
            assert_eq!(day_of(year, month, date), day);
        }
    }

    #[test]
    fn spans_are_read_in_words_and_by_the_clock() {
        let seconds = |text: &str| parse_timespan(text, true).map(|nanos| nanos as f64 / 1e9);
        for (text, expected) in [
            ("60", 60.0),
            ("1s", 1.0),
            ("1 minute", 60.0),
            ("2 hour", 7200.0),
            ("1h30m", 5400.0),
            ("5 hours, 34 minutes, 56 seconds", 20_096.0),
            ("00:05:00", 300.0),
            ("1:24", 84.0),
            ("2 days, 3:00:00", 183_600.0),
            ("-10 seconds", -10.0),
            ("1.5d", 129_600.0),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for wrong in ["", "abc", "1 fortnight", "1m2h", "1:2:3:4:5", ":5", "nan", "1..2s", "é"] {
            assert_eq!(seconds(wrong), Err("Unable to parse timespan".into()), "{wrong}");
        }
        assert_eq!(parse_timespan("-1", false), Err("Timespan must be positive".into()));
        assert!(parse_timespan("1e20", false).is_err());
    }

    #[test]
    fn calendar_units_begin_where_people_say() {
        let stamp = parse_timestamp("2014-10-06T14:33:57").unwrap();
        let begun = |unit: Calendar| timestamp(unit.floor(stamp))[..10].to_owned();
        assert_eq!(begun(Calendar::Year), "2014-01-01");
        assert_eq!(begun(Calendar::Half), "2014-07-01");
        assert_eq!(begun(Calendar::Quarter), "2014-10-01");
        assert_eq!(begun(Calendar::Month), "2014-10-01");
        assert_eq!(begun(Calendar::Week), "2014-10-05");
    }
}
