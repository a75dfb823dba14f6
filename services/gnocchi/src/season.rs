//! Aggregates by weekday and by hour of the day: `by=weekday`, `by=hour`, `by=weekday,hour`, with `utc_offset=+02:00`.

use crate::reply::Refusal;
use crate::request::Request;
use ferrometer_archive::{Kind, Method, Nanos, Point, SECOND, aggregate};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const HOUR: Nanos = 3600 * SECOND;
const DAY: Nanos = 24 * HOUR;

/// By what aggregates are brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Season {
    weekday: bool,
    hour: bool,
    /// Between UTC and the clock whose days and hours are meant.
    offset: Nanos,
}

impl Season {
    /// Reads what is asked for; none where it is not.
    pub fn of(request: &Request<'_>) -> Result<Option<Season>, Refusal> {
        let Some(text) = request.parameter("by") else { return Ok(None) };
        let mut season = Season { weekday: false, hour: false, offset: 0 };
        for part in text.split(',') {
            match part.trim() {
                "weekday" => season.weekday = true,
                "hour" => season.hour = true,
                _ => return Err(Refusal::argument("by", "Must be weekday, hour or weekday,hour")),
            }
        }
        if request.parameter("resample").is_some_and(|text| !text.is_empty()) {
            return Err(Refusal::argument("by", "Must not be used with resample"));
        }
        if let Some(text) = request.parameter("utc_offset") {
            let wrong = || Refusal::argument("utc_offset", "Must be an offset such as +02:00, up to 14 hours");
            season.offset = offset(text).ok_or_else(wrong)?;
        }
        Ok(Some(season))
    }

    /// Refuses buckets that are longer than what they are brought together by.
    pub fn check(self, granularity: Nanos) -> Result<(), Refusal> {
        let most = if self.hour { HOUR } else { DAY };
        if granularity > most {
            let words = format!("A granularity of at most {:?} seconds is needed here", most as f64 / 1e9);
            return Err(Refusal::argument("granularity", words));
        }
        Ok(())
    }

    /// Returns a row for each weekday, 1 for Monday to 7, and hour that has points.
    pub fn rows(self, points: &[Point], kind: Kind) -> Value {
        let mut groups: BTreeMap<(i64, i64), Vec<f64>> = BTreeMap::new();
        for point in points {
            let at = point.at.saturating_add(self.offset);
            // The first of January 1970 was a Thursday.
            let weekday = if self.weekday { (at.div_euclid(DAY) + 3).rem_euclid(7) + 1 } else { 0 };
            let hour = if self.hour { at.rem_euclid(DAY) / HOUR } else { 0 };
            groups.entry((weekday, hour)).or_default().push(point.value);
        }
        let row = |((weekday, hour), values): ((i64, i64), Vec<f64>)| {
            let mut row = Map::new();
            if self.weekday {
                row.insert("weekday".into(), weekday.into());
            }
            if self.hour {
                row.insert("hour".into(), hour.into());
            }
            row.insert("points".into(), values.len().into());
            row.insert("value".into(), json!(aggregate(kind, &values)));
            Value::Object(row)
        };
        groups.into_iter().map(row).collect()
    }
}

/// Reads the kind of a reaggregation.
pub(crate) fn kind(name: &str) -> Result<Kind, Refusal> {
    let method: Option<Method> = name.parse().ok();
    let plain = method.filter(|method| !method.rate).map(|method| method.kind);
    plain.ok_or_else(|| Refusal::argument("reaggregation", "Must be an aggregation method without rate:"))
}

/// Reads `+02:00`, `-0330` or `Z`.
fn offset(text: &str) -> Option<Nanos> {
    // In a query, a plus that is not escaped is a space.
    let text = text.trim_end();
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' | b' ' => (1, &text[1..]),
        _ => return None,
    };
    let digits: String = rest.split(':').collect();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let fits = minutes < 60 && hours * 60 + minutes <= 14 * 60;
    fits.then_some(sign * (hours * HOUR + minutes * 60 * SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_and_hours_are_those_of_the_clock() {
        // Monday, 6 October 2014, 23:30 UTC, and the Monday after.
        let monday = 1_412_638_200 * SECOND;
        let points = [(0, 1.0), (7, 3.0), (1, 10.0)].map(|(days, value)| Point { at: monday + days * DAY, value });
        let rows = |season: Season| season.rows(&points, Kind::Mean);
        let utc = Season { weekday: true, hour: true, offset: 0 };
        assert_eq!(
            rows(utc),
            json!([{"weekday": 1, "hour": 23, "points": 2, "value": 2.0}, {"weekday": 2, "hour": 23, "points": 1, "value": 10.0}])
        );
        let east = Season { weekday: true, hour: false, offset: HOUR };
        assert_eq!(rows(east)[0], json!({"weekday": 2, "points": 2, "value": 2.0}));
        let hours = Season { weekday: false, hour: true, offset: HOUR };
        assert_eq!(rows(hours), json!([{"hour": 0, "points": 3, "value": 14.0 / 3.0}]));
    }

    #[test]
    fn offsets_are_read_as_they_are_written() {
        for (text, expected) in [
            ("+02:00", Some(2 * HOUR)),
            (" 02:00", Some(2 * HOUR)),
            ("-0330", Some(-3 * HOUR - HOUR / 2)),
            ("Z", Some(0)),
        ] {
            assert_eq!(offset(text), expected, "{text}");
        }
        for text in ["", "2", "+2", "+24:00", "+14:01", "+02:60", "+aa:bb", "é"] {
            assert_eq!(offset(text), None, "{text}");
        }
    }
}
