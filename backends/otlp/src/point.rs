//! A data point, before it is written in one of the two encodings.

use ferrometer_core::exemplars::TraceContext;
use ferrometer_push::histogram::{Exponential, Sum};

/// The kind of a metric, which all points of one name share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// A sum that only grows: of increments, or of decrements.
    Counter,
    /// A sum that goes up and down: what is in progress.
    UpDown,
    Gauge,
    /// A histogram with explicit bounds.
    Explicit,
    /// A histogram with buckets of equal ratio.
    Exponential,
}

/// A value.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Int(i64),
    Double(f64),
    /// Counts between the bounds, one more than there are bounds.
    Explicit {
        sum: Sum,
        bounds: &'a [f64],
        counts: &'a [u64],
    },
    Exponential {
        sum: Sum,
        buckets: &'a Exponential,
    },
}

/// A data point.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    /// The attributes, written already.
    pub(crate) attributes: &'a [u8],
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) value: Value<'a>,
    /// Exemplars, written already.
    pub(crate) exemplars: &'a [u8],
}

/// An exemplar.
#[derive(Debug)]
pub(crate) struct Spot {
    /// [`Value::Int`] or [`Value::Double`].
    pub(crate) value: Value<'static>,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) context: TraceContext,
}

/// Text around the points of one name.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) shape: Shape,
    /// `true` when values are those since the last delivery.
    pub(crate) is_delta: bool,
}

impl Header {
    /// More than it takes in either encoding.
    pub(crate) fn max_bytes(&self) -> usize {
        // Each character may become an escape of six.
        160 + self.name.len() + 6 * (self.unit.len() + self.description.len())
    }
}

/// Calls `each` with the counts of neighbouring buckets, those that are empty too.
pub(crate) fn dense(buckets: &[(i32, u64)], mut each: impl FnMut(u64)) {
    let mut next = buckets.first().map_or(0, |(at, _)| *at);
    for (at, count) in buckets {
        for _ in next..*at {
            each(0);
        }
        each(*count);
        next = at + 1;
    }
}
