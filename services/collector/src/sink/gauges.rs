//! A sink that sets gauges of ferrometer: the newest quantity of each group, for its backends to publish.

use super::Sink;
use super::form::{Encoded, Form};
use crate::period::CALENDAR;
use crate::point::DataPoint;
use bigdecimal::ToPrimitive as _;
use ferrometer_core::{Logger, get_logger};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// A metric and the labels of a group.
type Group = (Arc<str>, Vec<(String, String)>);

/// Sets one gauge for each metric and group, named as the metric, with the group's labels; a period replaces the one before it.
///
/// A gauge is a float, so this is for watching and not for bills. The number of groups is bounded by the core's limits.
#[derive(Debug)]
pub struct GaugeSink {
    logger: Logger,
    pending: HashMap<Group, DataPoint>,
}

impl GaugeSink {
    /// Makes a sink that records with the logger of such a name.
    #[must_use]
    pub fn new(logger: &str) -> Self {
        GaugeSink { logger: get_logger(logger), pending: HashMap::new() }
    }
}

impl Sink for GaugeSink {
    fn form(&self) -> Form {
        Form::Points
    }

    fn write(&mut self, encoded: Encoded) -> io::Result<()> {
        let Encoded::Points(points) = encoded else { return Ok(()) };
        for point in points {
            let labels = point.groupby.iter().filter(|(k, _)| !CALENDAR.contains(&&**k));
            let labels = labels.map(|(k, v)| (k.to_string(), v.clone())).collect();
            let key = (point.metric.clone(), labels);
            match self.pending.get(&key) {
                Some(newer) if newer.period.end > point.period.end => {}
                _ => {
                    self.pending.insert(key, point);
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> io::Result<u64> {
        for ((metric, labels), point) in self.pending.drain() {
            let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            self.logger.with_all(&labels).gauge(metric.to_string()).set(point.qty.to_f64().unwrap_or(f64::NAN));
        }
        Ok(0)
    }

    fn rewind(&mut self, _: u64) -> io::Result<()> {
        self.pending.clear();
        Ok(())
    }

    fn position(&mut self) -> io::Result<u64> {
        Ok(0)
    }

    fn identity(&self) -> Option<String> {
        None
    }
}
