//! Periods, and the moments that name them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A stretch of time, in seconds since 1970. A sample at `end` belongs to it, one at `begin` to the period before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// First second.
    pub begin: i64,
    /// End, which is the next period's begin.
    pub end: i64,
}

/// Parses a moment: seconds since 1970, `2026-01-31`, or `2026-01-31T13:00:00` with or without `Z` or `+01:00`; UTC where nothing is said.
///
/// # Errors
/// A text that says what is allowed.
///
/// ```
/// use ferrometer_collector::period::moment;
///
/// assert_eq!(moment("2019-01-30T13:00:00"), Ok(1548853200));
/// assert_eq!(moment("2019-01-30T14:00:00+01:00"), Ok(1548853200));
/// assert!(moment("yesterday").is_err());
/// ```
pub fn moment(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<i64>() {
        let known = Timestamp::from_second(seconds).is_ok();
        return if known { Ok(seconds) } else { Err(format!("{seconds} is out of the range of years")) };
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_second());
    }
    let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    let utc = local.ok().and_then(|d| d.to_zoned(TimeZone::UTC).ok());
    utc.map(|z| z.timestamp().as_second()).ok_or_else(|| {
        format!(
            "\"{}\" is no moment: expected seconds since 1970, 2026-01-31 or 2026-01-31T13:00:00Z",
            crate::error::clean(text)
        )
    })
}

/// Writes a moment in ISO 8601, in UTC, as CloudKitty does.
#[must_use]
pub fn iso(seconds: i64) -> String {
    zoned(seconds).strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Returns the begin of the month, in UTC.
#[must_use]
pub fn month_start(seconds: i64) -> i64 {
    let month = zoned(seconds).date().first_of_month();
    month.to_zoned(TimeZone::UTC).map_or(seconds, |z| z.timestamp().as_second())
}

/// Seconds since 1970 on this machine's clock.
#[must_use]
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Names of the labels that CloudKitty adds to `groupby`.
pub(crate) const CALENDAR: [&str; 4] = ["week_of_the_year", "day_of_the_year", "month", "year"];

/// Labels that CloudKitty adds to `groupby`, from a period's begin.
pub(crate) fn calendar(begin: i64) -> [(&'static str, String); 4] {
    let begin = zoned(begin);
    [
        ("week_of_the_year", begin.strftime("%U").to_string()),
        ("day_of_the_year", begin.date().day_of_year().to_string()),
        ("month", begin.month().to_string()),
        ("year", format!("{:04}", begin.year())),
    ]
}

/// Returns the end of the last period that may be collected: it is over, and `wait` periods after it too.
///
/// Periods are counted from `from`, `period` seconds each. Returns `from` where none may be.
#[must_use]
pub fn due_until(from: i64, period: u32, wait: u32, now: i64) -> i64 {
    let period = i64::from(period);
    let whole = (now - from - i64::from(wait) * period - 1).div_euclid(period);
    from + whole.max(0) * period
}

fn zoned(seconds: i64) -> Zoned {
    Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_that_are_due() {
        // CloudKitty: begin + period + wait × period < now.
        for (now, until) in [(10_800, 0), (10_801, 3600), (14_400, 3600), (14_401, 7200), (-5, 0)] {
            assert_eq!(due_until(0, 3600, 2, now), until, "{now}");
        }
    }

    #[test]
    fn calendar_of_a_day() {
        let day = calendar(moment("2026-01-04T00:00:00").unwrap()).map(|(_, v)| v);
        assert_eq!(day, ["01", "4", "1", "2026"]);
        assert_eq!(iso(1_548_856_800), "2019-01-30T14:00:00+00:00");
        assert_eq!(month_start(1_548_856_800), moment("2019-01-01").unwrap());
    }
}
