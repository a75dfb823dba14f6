//! Settings of a statsd daemon.

use std::time::Duration;
use uuid::Uuid;

/// Treatment of the tags of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsdTags {
    /// Nothing: lines that differ in tags alone are of one metric.
    #[default]
    Ignored,
    /// They are a part of the name, sorted: `name@key=value,other=value|c`.
    InName,
}

/// Treatment of the values of a timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsdTimers {
    /// Each is a measure, so that every method of the archive policy counts all of them. A value with a rate of 0.1 is ten measures; at most 1,000.
    #[default]
    Values,
    /// Adds for each flush its `name.count|ms`, `.sum`, `.mean`, `.min`, `.max`, and these percentiles, `name.95pct|ms` for 95: each value stands for as many
    /// calls as its rate says. Percentiles are 1 to 99.
    Summary(Vec<u8>),
}

/// Settings of the statsd daemon.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatsdSettings {
    /// The resource that gets the metrics; it is made when it is not there.
    pub resource: Uuid,
    /// Who makes resource and metrics. Default `admin`.
    pub creator: String,
    /// The archive policy of the metrics; without, the rules choose by name.
    pub policy: Option<String>,
    /// Time between flushes. Default 10 s.
    pub flush: Duration,
    /// Do exactly what gnocchi-statsd does. Default no.
    pub exact: bool,
    /// Treatment of tags.
    pub tags: StatsdTags,
    /// Treatment of the values of timers.
    pub timers: StatsdTimers,
    /// Most connections, TCP and Unix together. Default 256.
    pub connections: usize,
    /// Bytes of datagrams that the system is asked to keep of each socket until they are read; it gives what it allows, and a
    /// privileged process all of it. Default 32 MiB.
    pub buffer: usize,
}

impl StatsdSettings {
    /// Returns the defaults, for a resource.
    #[must_use]
    pub fn new(resource: Uuid) -> StatsdSettings {
        StatsdSettings {
            resource,
            creator: "admin".into(),
            policy: None,
            flush: Duration::from_secs(10),
            exact: false,
            tags: StatsdTags::default(),
            timers: StatsdTimers::default(),
            connections: 256,
            buffer: 32 << 20,
        }
    }
}
