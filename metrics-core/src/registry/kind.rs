//! The kinds of instruments.

use crate::storage::bucket::Scheme;
use std::fmt;

/// The kind of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A sum of whole numbers, negative ones too.
    Counter,
    /// A value that is set.
    Gauge,
    /// How many are in progress: a count that goes up and down.
    InFlight,
    /// A distribution of durations.
    Timer,
    /// A distribution of values that are no durations.
    Histogram,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Kind] = &[Kind::Counter, Kind::Gauge, Kind::InFlight, Kind::Timer, Kind::Histogram];

    /// The kind's name in messages and records.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use ferrometer::Kind;
    ///
    /// let shown: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    /// assert_eq!(shown, ["counter", "gauge", "in_flight", "timer", "histogram"]);
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::InFlight => "in_flight",
            Kind::Timer => "timer",
            Kind::Histogram => "histogram",
        }
    }

    /// The buckets of a distribution's kind; `None` for the others.
    #[must_use]
    pub const fn scheme(self) -> Option<Scheme> {
        match self {
            Kind::Timer => Some(Scheme::Nanos),
            Kind::Histogram => Some(Scheme::Float),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
