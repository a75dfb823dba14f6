//! The account of a statsd daemon: every line that is not taken is counted by its cause, and of each cause one a minute is shown in the log.

use std::time::{Duration, Instant};

/// Between two lines of the log for one cause.
const PAUSE: Duration = Duration::from_secs(60);
/// The most characters of a line that the log shows.
const SHOWN: usize = 120;

/// Why a line did not become part of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsdCause {
    /// It is no UTF-8.
    Encoding,
    /// There is no `:` between a name and a value.
    NoValue,
    /// There is no type behind the value.
    NoType,
    /// A value is no finite number.
    Value,
    /// The rate is no number above 0 and up to 1, or stands where none may be.
    Rate,
    /// The time stamp is no second from 1970 to 2262.
    Time,
    /// A part behind the type is of no known kind.
    Part,
    /// The name is empty, longer than 255 bytes with its type and tags, or holds `/` or control characters.
    Name,
    /// It is longer than 65,535 bytes.
    Long,
    /// With [`exact`](crate::StatsdSettings::exact): it has not one or two `|`.
    Bars,
    /// With [`exact`](crate::StatsdSettings::exact): gnocchi-statsd stops at it, and loses what is behind it in its datagram.
    Fatal,
    /// With [`exact`](crate::StatsdSettings::exact): it is behind one at which gnocchi-statsd stops.
    Behind,
    /// Its type has no measure.
    Type,
    /// It is an event of DogStatsD.
    Event,
    /// It is a service check of DogStatsD.
    ServiceCheck,
    /// It is beyond the limits of a flush.
    Limit,
}

impl StatsdCause {
    /// Every cause.
    pub const ALL: [StatsdCause; 16] = [
        StatsdCause::Encoding,
        StatsdCause::NoValue,
        StatsdCause::NoType,
        StatsdCause::Value,
        StatsdCause::Rate,
        StatsdCause::Time,
        StatsdCause::Part,
        StatsdCause::Name,
        StatsdCause::Long,
        StatsdCause::Bars,
        StatsdCause::Fatal,
        StatsdCause::Behind,
        StatsdCause::Type,
        StatsdCause::Event,
        StatsdCause::ServiceCheck,
        StatsdCause::Limit,
    ];

    /// Returns the cause in a few words, as the log shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            StatsdCause::Encoding => "no UTF-8",
            StatsdCause::NoValue => "no value behind the name",
            StatsdCause::NoType => "no type behind the value",
            StatsdCause::Value => "a value that is no finite number",
            StatsdCause::Rate => "a rate that is none here",
            StatsdCause::Time => "a time stamp that is none",
            StatsdCause::Part => "an unknown part behind the type",
            StatsdCause::Name => "a name that a metric cannot have",
            StatsdCause::Long => "longer than a line may be",
            StatsdCause::Bars => "not one or two bars",
            StatsdCause::Fatal => "gnocchi-statsd stops at it",
            StatsdCause::Behind => "behind a line at which gnocchi-statsd stops",
            StatsdCause::Type => "a type without a measure",
            StatsdCause::Event => "an event",
            StatsdCause::ServiceCheck => "a service check",
            StatsdCause::Limit => "beyond the limits of a flush",
        }
    }
}

/// Account of a statsd daemon, in lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatsdCounts {
    /// Lines that became part of a measure.
    pub taken: u64,
    /// Lines that are no statsd, whatever is wrong with them.
    pub unreadable: u64,
    /// Lines of a type that there is no measure for: events and service checks among them.
    pub unknown_type: u64,
    /// Lines beyond the limits of a flush.
    pub beyond_limits: u64,
    /// Measures that the archive did not take, and that are not tried again.
    pub refused: u64,
    /// Measures that the archive did not take yet: each flush tries them again.
    pub waiting: u64,
    /// Connections that were closed at once, because there are too many.
    pub connections_refused: u64,
    /// Datagrams that the system threw away before they could be read, because a socket's buffer was full. Linux tells them, of UDP.
    pub datagrams_lost: u64,
    by_cause: [u64; StatsdCause::ALL.len()],
}

impl StatsdCounts {
    /// Returns the lines that were not taken for a cause.
    #[must_use]
    pub fn of(&self, cause: StatsdCause) -> u64 {
        self.by_cause[cause as usize]
    }
}

/// The account as it is kept, with what the log was told.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) counts: StatsdCounts,
    told: [Option<(Instant, u64)>; StatsdCause::ALL.len()],
    lost_told: Option<Instant>,
}

impl Account {
    /// Counts a line that is not taken, and shows it, if none of its cause was shown in the last minute.
    pub(super) fn dropped(&mut self, cause: StatsdCause, line: &[u8]) {
        let counts = &mut self.counts;
        counts.by_cause[cause as usize] += 1;
        match cause {
            StatsdCause::Type | StatsdCause::Event | StatsdCause::ServiceCheck => counts.unknown_type += 1,
            StatsdCause::Limit => counts.beyond_limits += 1,
            _ => counts.unreadable += 1,
        }
        let (now, count) = (Instant::now(), counts.by_cause[cause as usize]);
        let told = &mut self.told[cause as usize];
        if told.is_some_and(|(at, _)| now.saturating_duration_since(at) < PAUSE) {
            return;
        }
        let others = told.map_or(0, |(_, before)| count - before - 1);
        *told = Some((now, count));
        tracing::warn!(line = shown(line), others, "a statsd line was not taken: {}", cause.as_str());
    }

    /// Counts datagrams that the system threw away, and tells it, if that was not told in the last minute.
    pub(super) fn lost(&mut self, datagrams: u64) {
        self.counts.datagrams_lost += datagrams;
        let now = Instant::now();
        if self.lost_told.is_none_or(|at| now.saturating_duration_since(at) >= PAUSE) {
            self.lost_told = Some(now);
            let lost = self.counts.datagrams_lost;
            tracing::warn!(lost, "the system threw statsd datagrams away: they came faster than they were read");
        }
    }
}

/// One short line of what may be anything.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * SHOWN)]).into_owned();
    let mut text: String = text.escape_debug().collect();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_in_their_places_and_lines_are_shown_short() {
        for (at, cause) in StatsdCause::ALL.into_iter().enumerate() {
            assert_eq!(at, cause as usize, "{cause:?}");
        }
        let mut account = Account::default();
        for _ in 0..3 {
            account.dropped(StatsdCause::Value, b"x:y|c");
        }
        assert_eq!((account.counts.of(StatsdCause::Value), account.counts.unreadable), (3, 3));
        assert_eq!(account.told[StatsdCause::Value as usize].unwrap().1, 1, "one of three is told");
        assert_eq!(shown(b"a\x1b[31m\xff\n"), "a\\u{1b}[31m\u{fffd}\\n");
        assert_eq!(shown(&[b'x'; 1000]).chars().count(), SHOWN + 1);
    }
}
