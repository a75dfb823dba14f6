//! Records: one value of one metric at one time, as a reader gets it; and what those of one metric share.

use ferrometer_core::object::HOST;
use ferrometer_export::Labels;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// How a reader should take a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RecordType {
    /// A value that goes up and down.
    Gauge,
    /// A cumulative value that only grows. Part of the format; nothing here uses it, because a counter may be decremented.
    Counter,
    /// A cumulative value of which the change is of interest. It begins at 0 again when the program starts again, and the sum of
    /// a counter or histogram with negative values may fall.
    Derive,
}

/// One value of one metric. Serialized in the order of the fields.
///
/// ```
/// # use ferrometer_pull_cache::{PullCacheBackend, Settings};
/// # let backend = PullCacheBackend::new(Settings::default().generations(1));
/// # let cache = backend.handle();
/// # ferrometer_core::install("records", Box::new(backend), std::time::Duration::from_secs(3600)).unwrap();
/// # ferrometer_core::get_logger("a").send_gauge("b", 1.5);
/// # ferrometer_core::flush(std::time::Duration::from_secs(2));
/// # let newest = cache.most_recent().unwrap();
/// # let record = newest.records().find(|r| r.metric == "a.b").unwrap();
/// let json = serde_json::to_string(&record).unwrap();
/// let expected = format!(r#"{{"id":"host","metric":"a.b","timestamp":{},"type":"gauge","value":1.5}}"#, record.timestamp);
/// assert_eq!(json, expected);
/// # ferrometer_core::remove("records", std::time::Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Object that the metric belongs to: `host`, or the one that [`Logger::for_object`](ferrometer_core::Logger::for_object) named, such as
    /// `qemu/100`.
    pub id: &'a str,
    /// The full name, `[global_prefix.][host.]logger.metric`; for a part of a timer or histogram with `.count`, `.sum`, `.p50`,
    /// `.p95`, `.p99` or `.max` behind it.
    pub metric: &'a str,
    /// Seconds since 1970, the same for all records of a generation.
    pub timestamp: i64,
    /// How to take the value.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// The value, finite. Timers in milliseconds.
    pub value: f64,
    /// The labels, sorted by key; left out when there are none.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: &'a Labels,
}

/// Part of an instrument that a record holds. The numbers are part of the format of coded generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Part {
    /// A value that goes up and down.
    Value = 0,
    /// A sum since the program started.
    Total = 1,
    /// A quantile or the largest of an interval.
    Quantile = 2,
}

/// Properties that the values of one metric share, in all generations.
#[derive(Clone, Debug)]
pub struct Identity {
    head: Arc<Head>,
    labels: Labels,
}

/// The part of an identity that does not depend on labels. Those of all label sets share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Head {
    pub(crate) metric: Box<str>,
    /// `None` for the program itself.
    pub(crate) object: Option<Box<str>>,
    pub(crate) kind: RecordType,
    pub(crate) part: Part,
    rate_bits: u64,
}

impl Head {
    /// `rate` is what totals are divided by, in (0, 1]; known, they are kept in less room.
    pub(crate) fn new(metric: &str, object: Option<&str>, kind: RecordType, part: Part, rate: f64) -> Head {
        let rate = if rate > 0.0 && rate <= 1.0 { rate } else { 1.0 };
        Head { metric: metric.into(), object: object.map(Box::from), kind, part, rate_bits: rate.to_bits() }
    }

    /// Returns the one of all that are alike.
    pub(crate) fn shared(self, all: &mut HashSet<Arc<Head>>) -> Arc<Head> {
        match all.get(&self) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Arc::new(self);
                all.insert(Arc::clone(&new));
                new
            }
        }
    }
}

impl Identity {
    pub(crate) fn new(head: Arc<Head>, labels: Labels) -> Identity {
        Identity { head, labels }
    }

    /// Returns the full name, as records show it.
    #[must_use]
    pub fn metric(&self) -> &str {
        &self.head.metric
    }

    /// Returns the labels.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Returns how a reader should take the values.
    #[must_use]
    pub fn kind(&self) -> RecordType {
        self.head.kind
    }

    /// Returns the object that the metric belongs to; `None` for the program itself.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.head.object.as_deref()
    }

    /// Returns what records of it show as `id`: the object, or `host`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.object().unwrap_or(HOST)
    }

    pub(crate) fn part(&self) -> Part {
        self.head.part
    }

    /// The sample rate that totals were divided by.
    pub(crate) fn rate(&self) -> f64 {
        f64::from_bits(self.head.rate_bits)
    }

    /// The rest of what the order goes by, behind name and labels.
    fn rest(&self) -> (&Option<Box<str>>, RecordType, Part, u64) {
        let Head { object, kind, part, rate_bits, .. } = &*self.head;
        (object, *kind, *part, *rate_bits)
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        (Arc::ptr_eq(&self.head, &other.head) || self.head == other.head) && self.labels == other.labels
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.head.hash(state);
        self.labels.hash(state);
    }
}

impl PartialOrd for Identity {
    fn partial_cmp(&self, other: &Identity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By metric, then by labels, then by object.
impl Ord for Identity {
    fn cmp(&self, other: &Identity) -> Ordering {
        let metric = || self.metric().cmp(other.metric());
        let metric = if Arc::ptr_eq(&self.head, &other.head) { Ordering::Equal } else { metric() };
        metric.then_with(|| self.labels.cmp(&other.labels)).then_with(|| self.rest().cmp(&other.rest()))
    }
}
