//! Metrics that are recorded to show what becomes of them, written as statsd lines.

use crate::text::visible;
use ferrometer::Logger;
use ferrometer_statsd_input::{Kind as Letters, Line};
use std::time::Duration;

/// One metric with its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    logger: String,
    name: String,
    kind: Kind,
    values: Vec<f64>,
    labels: Vec<(String, String)>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Timer,
    Histogram,
}

/// One of each kind, one with a label, one with a value that some formats cannot hold as it is.
const ALL: [&str; 5] = [
    "shop.sales:2|c|#till:3",
    "shop.queue.depth:12|g",
    "shop.balance:-5.5|g",
    "shop.pay.time:125:250|ms",
    "shop.basket:3|h",
];

impl Metric {
    /// Returns one of each kind.
    pub(crate) fn all() -> Vec<Metric> {
        ALL.iter().filter_map(|line| Metric::parse(line).ok()).collect()
    }

    /// Reads a statsd line with one sample.
    pub(crate) fn parse(text: &str) -> Result<Metric, String> {
        let wrong = |why: String| format!("{:?} is no metric: {}", visible(text), visible(&why));
        let line = Line::parse(text).map_err(|fault| wrong(fault.to_string()))?;
        let mut samples = line.samples();
        let (Some(sample), None) = (samples.next(), samples.next()) else {
            return Err(wrong("one type with its values is expected".into()));
        };
        let kind = match sample.kind() {
            Some(Letters::Counter) => Kind::Counter,
            Some(Letters::Gauge) => Kind::Gauge,
            Some(Letters::Timer) => Kind::Timer,
            Some(Letters::Histogram | Letters::Distribution) => Kind::Histogram,
            _ => return Err(wrong(format!("the type {:?} is none; known are c, g, ms, h", sample.letters))),
        };
        let values: Vec<f64> = sample.numbers().collect::<Result<_, _>>().map_err(|fault| wrong(fault.to_string()))?;
        if kind == Kind::Timer && values.iter().any(|value| *value < 0.0 || *value > 1e12) {
            return Err(wrong("a duration is 0 or more milliseconds, and at most 1e12".into()));
        }
        if kind == Kind::Counter && values.iter().any(|value| value.fract() != 0.0 || value.abs() > 1e15) {
            return Err(wrong("a counter counts in whole numbers".into()));
        }
        let labels = line.tags().map(|(key, value)| (key.to_owned(), value.unwrap_or("true").to_owned())).collect();
        let (logger, name) = line.bare_name().rsplit_once('.').unwrap_or(("", line.bare_name()));
        let (logger, name) = (logger.to_owned(), name.to_owned());
        Ok(Metric { logger, name, kind, values, labels, text: text.to_owned() })
    }

    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }

    /// Records its values.
    pub(crate) fn record(&self) {
        let labels: Vec<(&str, &str)> = self.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let logger: Logger = ferrometer::get_logger(&self.logger).with_all(&labels);
        for value in &self.values {
            let name = ferrometer::Dynamic(&self.name);
            match self.kind {
                Kind::Counter => logger.send_counter(name, *value as i64),
                Kind::Gauge => logger.send_gauge(name, *value),
                Kind::Timer => logger.send_timer(name, Duration::from_secs_f64(value / 1000.0)),
                Kind::Histogram => logger.send_histogram(name, *value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_one_of_each_kind() {
        let kinds: Vec<Kind> = Metric::all().iter().map(|metric| metric.kind).collect();
        assert_eq!(kinds, [Kind::Counter, Kind::Gauge, Kind::Gauge, Kind::Timer, Kind::Histogram]);
    }

    #[test]
    fn lines_that_cannot_be_recorded_are_told() {
        for (line, says) in [
            ("a", "there is no `:`"),
            ("a:1|s", "the type \\\"s\\\" is none"),
            ("a:1.5|c", "whole numbers"),
            ("a:-1|ms", "0 or more"),
            ("a:1|c:2|c", "one type"),
        ] {
            let said = Metric::parse(line).unwrap_err();
            assert!(said.contains(says) || said.contains(&says.replace('\\', "")), "{said}");
        }
    }
}
