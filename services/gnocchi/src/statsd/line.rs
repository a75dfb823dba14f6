//! Meaning of a line for the archive: kinds of measures, and the moment.
//!
//! Lines are read by `ferrometer-statsd-input`; those of gnocchi-statsd alone ([`read_exactly`]) are read here, fault for fault.

use super::counts::StatsdCause as Cause;
use ferrometer_archive::{Nanos, SECOND};
use ferrometer_statsd_input::{Fault, Kind as Letters, Line, Sample};

/// Kinds of measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Timer,
    Set,
}

impl Kind {
    /// The letters behind the name of a metric.
    pub(super) fn letters(self) -> &'static str {
        match self {
            Kind::Counter => "c",
            Kind::Gauge => "g",
            Kind::Timer => "ms",
            Kind::Set => "s",
        }
    }
}

/// Values of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece<'l> {
    /// Joined with colons.
    pub values: &'l str,
    pub kind: Kind,
    pub rate: f64,
}

/// Parts that all pieces of a line share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Head<'l> {
    pub name: &'l str,
    /// Tags as they came, each a key with a value or alone; none where they are not wanted.
    pub tags: Vec<(&'l str, &'l str)>,
    /// The moment that the line says it is of.
    pub time: Option<Nanos>,
}

impl<'l> Head<'l> {
    pub(super) fn of(line: &Line<'l>, wants_tags: bool) -> Head<'l> {
        let tags =
            if wants_tags { line.tags().map(|(key, value)| (key, value.unwrap_or(""))).collect() } else { Vec::new() };
        // The reader takes no second beyond what a time stamp can hold.
        Head { name: line.bare_name(), tags, time: line.seconds.map(|seconds| seconds.saturating_mul(SECOND)) }
    }
}

/// Returns what a sample is of, where there is a measure for its type.
pub(super) fn piece<'l>(sample: &Sample<'l>) -> Result<Piece<'l>, Cause> {
    let kind = match sample.kind() {
        Some(Letters::Counter) => Kind::Counter,
        Some(Letters::Gauge) => Kind::Gauge,
        Some(Letters::Timer | Letters::Histogram | Letters::Distribution) => Kind::Timer,
        Some(Letters::Set) => Kind::Set,
        _ => return Err(Cause::Type),
    };
    Ok(Piece { values: sample.values, kind, rate: sample.rate })
}

impl From<Fault<'_>> for Cause {
    fn from(fault: Fault<'_>) -> Cause {
        match fault {
            Fault::NoValue => Cause::NoValue,
            Fault::NoName => Cause::Name,
            Fault::NoType => Cause::NoType,
            Fault::Rate(_) => Cause::Rate,
            Fault::Time(_) => Cause::Time,
            Fault::Value(_) => Cause::Value,
            Fault::Event => Cause::Event,
            Fault::ServiceCheck => Cause::ServiceCheck,
            _ => Cause::Part,
        }
    }
}

/// Reads a line as gnocchi-statsd does: one value, a type, and a rate that counters alone have.
pub(super) fn read_exactly(line: &str) -> Result<(Head<'_>, Piece<'_>), Cause> {
    let mut fields = line.split('|');
    let (head, letters, rate, more) = (fields.next().unwrap_or(""), fields.next(), fields.next(), fields.next());
    let (Some(letters), None) = (letters, more) else { return Err(Cause::Bars) };
    let rate = rate.map(|rate| rate.get(1..).and_then(|rate| rate.trim().parse::<f64>().ok()).ok_or(Cause::Fatal));
    let rate = rate.transpose()?;
    let (name, values) = head.split_once(':').ok_or(Cause::Fatal)?;
    if values.trim().parse::<f64>().is_err() {
        return Err(Cause::Fatal);
    }
    let kind = match letters {
        "c" => Kind::Counter,
        "g" => Kind::Gauge,
        "ms" => Kind::Timer,
        _ => return Err(Cause::Type),
    };
    match rate {
        Some(_) if kind != Kind::Counter => Err(Cause::Rate),
        Some(0.0) => Err(Cause::Rate),
        _ => Ok((Head { name, ..Head::default() }, Piece { values, kind, rate: rate.unwrap_or(1.0) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_measures_of_its_types() {
        let line = Line::parse("n,k=v:1|ms:2|h|@0.5:3|m|#x|T1656581400").unwrap();
        let pieces: Vec<_> = line.samples().map(piece).collect();
        let expected = |values, kind, rate| Ok(Piece { values, kind, rate });
        let (timer, counter) = (Kind::Timer, Kind::Counter);
        assert_eq!(pieces, [expected("1", timer, 1.0), expected("2", timer, 0.5), expected("3", counter, 1.0)]);
        let time = Some(1_656_581_400 * SECOND);
        assert_eq!(Head::of(&line, true), Head { name: "n", tags: vec![("k", "v"), ("x", "")], time });
        assert_eq!(Head::of(&line, false), Head { name: "n", tags: Vec::new(), time });
        assert_eq!(piece(Line::parse("n:1|q").unwrap().samples().next().unwrap()), Err(Cause::Type));
    }

    #[test]
    fn every_fault_has_its_cause() {
        for (text, cause) in [
            ("nothing", Cause::NoValue),
            (":1|c", Cause::Name),
            ("x:1", Cause::NoType),
            ("x:1|c|", Cause::Part),
            ("x:1|c|@0", Cause::Rate),
            ("x:1|g|Tsoon", Cause::Time),
            ("_e{1,1}:a|b", Cause::Event),
            ("_sc|a|0", Cause::ServiceCheck),
        ] {
            assert_eq!(Line::parse(text).map_err(Cause::from), Err(cause), "{text}");
        }
    }

    #[test]
    fn exact_reading_ends_where_upstream_raises() {
        for (text, cause) in [
            ("x:1", Cause::Bars),
            ("x:1|c|@1|#t", Cause::Bars),
            ("x|c", Cause::Fatal),
            ("x:1:2|c", Cause::Fatal),
            ("x:abc|c", Cause::Fatal),
            ("x:1|c|#tag", Cause::Fatal),
            ("x:1|ms|@0.5", Cause::Rate),
            ("x:1|c|@0", Cause::Rate),
            ("x:1|s", Cause::Type),
            ("x:1|h", Cause::Type),
        ] {
            assert_eq!(read_exactly(text), Err(cause), "{text}");
        }
        assert_eq!(read_exactly("a/b:-3|g").unwrap().0.name, "a/b");
    }
}
