//! Questions that the tests of the macros ask of a capture, in one place: the only file here that knows the capture scope's API.
#![allow(dead_code, unreachable_pub)]

use std::future::Future;
use std::sync::{PoisonError, RwLock};

use ferrometer::testing::Capture;

/// The loggers of these tests. What a series is called after its logger's name is the metric.
const LOGGERS: &[&str] = &[
    "attributes",
    "attributes.names",
    "attributes.labels",
    "attributes.loggers",
    "attributes.endings",
    "attributes.shapes",
    "attributes.stacking",
    "attributes.order",
    "attributes_async",
    "attributes_async.endings",
    "attributes_async.shapes",
    "attributes_async.returned",
    "attributes_async.with_async_trait",
    "verb_macros",
    "argument",
    "reference",
    "made",
    "own",
    "service",
    "driver",
    "owner",
    "busy",
    "handle",
    "shop",
    "x",
];

/// The switch is one for the whole process: while one test looks at what happens with recording off, no other captures.
static SWITCH: RwLock<()> = RwLock::new(());

/// Keeps recording from being switched off until it is dropped.
pub fn on() -> impl Sized {
    SWITCH.read().unwrap_or_else(PoisonError::into_inner)
}

/// Recordings inside one [`capture`].
pub struct Captured(Vec<Series>);

struct Series {
    kind: String,
    logger: &'static str,
    metric: String,
    /// As the capture shows them: ` key=value`, sorted by key.
    labels: String,
    counter: i64,
    gauge: Option<f64>,
    /// Milliseconds.
    times: Vec<f64>,
}

/// Runs `body` with recording on, and returns what this thread recorded.
pub fn capture(body: impl FnOnce()) -> Captured {
    let _on = SWITCH.read().unwrap_or_else(PoisonError::into_inner);
    let capture = Capture::start();
    body();
    let shown = capture.to_string();
    // A series is shown as `  kind logger.metric key=value: what it holds`.
    let names = shown.lines().filter_map(|line| line.trim_start().split_once(": ")?.0.split_once(' '));
    let mut all: Vec<Series> = Vec::new();
    for (kind, name) in names {
        let full = name.split(' ').next().unwrap();
        let logger = LOGGERS
            .iter()
            .filter(|logger| full.strip_prefix(**logger).is_some_and(|rest| rest.starts_with('.')))
            .max_by_key(|logger| logger.len())
            .unwrap_or_else(|| panic!("no known logger in {full}"));
        let series = Series {
            kind: kind.to_owned(),
            logger,
            metric: full[logger.len() + 1..].to_owned(),
            labels: name[full.len()..].to_owned(),
            counter: capture.counter(name),
            gauge: capture.gauge(name),
            times: capture.timer(name).iter().map(|time| time.as_secs_f64() * 1e3).collect(),
        };
        // The rates of one instrument are shown one by one, and asked for together.
        let same = |other: &Series| {
            (&other.kind, other.logger, &other.metric, &other.labels)
                == (&series.kind, series.logger, &series.metric, &series.labels)
        };
        if !all.iter().any(same) {
            all.push(series);
        }
    }
    Captured(all)
}

/// [`capture`] for a future.
pub fn capture_async(future: impl Future<Output = ()>) -> Captured {
    capture(|| block_on(future))
}

/// Runs `body` while recording is off.
pub fn off(body: impl FnOnce()) {
    let _off = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
    body();
}

/// Runs a future to its end on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Returns whether `body` panicked.
pub fn panics(body: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err()
}

impl Captured {
    /// The sum a counter reached, over all labels.
    pub fn counter(&self, name: &str) -> i64 {
        self.of("counter", name).map(|series| series.counter).sum()
    }

    /// The sum a counter reached with exactly these labels, in the order of their keys.
    pub fn counter_with(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        self.of("counter", name).filter(|series| series.labels == shown(labels)).map(|series| series.counter).sum()
    }

    /// How often a timer was recorded, over all labels.
    pub fn timer(&self, name: &str) -> usize {
        self.of("timer", name).map(|series| series.times.len()).sum()
    }

    /// How often a timer was recorded with exactly these labels, in the order of their keys.
    pub fn timer_with(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.of("timer", name).filter(|series| series.labels == shown(labels)).map(|series| series.times.len()).sum()
    }

    /// The longest time recorded, in milliseconds.
    pub fn longest(&self, name: &str) -> f64 {
        self.of("timer", name).flat_map(|series| &series.times).copied().fold(0.0, f64::max)
    }

    /// The value of a gauge without labels.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.gauge_with(name, &[])
    }

    /// The value of a gauge with exactly these labels, in the order of their keys.
    pub fn gauge_with(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.of("gauge", name).find(|series| series.labels == shown(labels))?.gauge
    }

    /// The logger a metric was recorded through.
    pub fn logger(&self, name: &str) -> Option<&'static str> {
        self.0.iter().find(|series| series.metric == name).map(|series| series.logger)
    }

    /// Returns whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of<'a>(&'a self, kind: &'a str, name: &'a str) -> impl Iterator<Item = &'a Series> {
        self.0.iter().filter(move |series| series.kind == kind && series.metric == name)
    }
}

fn shown(labels: &[(&str, &str)]) -> String {
    labels.iter().map(|(key, value)| format!(" {key}={value}")).collect()
}
