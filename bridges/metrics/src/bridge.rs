//! The recorder: what is recorded through the `metrics` crate becomes counters, gauges and histograms of ferrometer.

use crate::near::{self, Near};
use crate::unit;
use ferrometer_core::{Dynamic, Logger, get_logger};
use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, SharedString};
use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A [`metrics::Recorder`] that records into ferrometer.
///
/// A key's name is the metric's name, its labels are labels. Names stay as they are but for the gate that all names pass, so `sqlx.pool.size`
/// is `sqlx.pool.size` to statsd and `sqlx_pool_size` to Prometheus. Limits, rules and the account are those of every other metric.
///
/// | `metrics` | ferrometer |
/// |---|---|
/// | `counter!(…).increment(n)` | a counter; more than `i64::MAX` at once count as `i64::MAX` |
/// | `counter!(…).absolute(n)` | the counter, raised to at least `n` |
/// | `gauge!(…)` `.set`, `.increment`, `.decrement` | a gauge |
/// | `histogram!(…).record(x)` | a histogram, in the unit that was described |
/// | `describe_…!(…)` | unit and description of the metric |
///
/// ```
/// use ferrometer_metrics_bridge::Bridge;
///
/// // Under the logger `lib`, so that the names of libraries stand apart: `lib.pool.size`.
/// let bridge = Bridge::new().logger("lib");
/// metrics::with_local_recorder(&bridge, || metrics::gauge!("pool.size").set(3.0));
/// ```
pub struct Bridge {
    logger: Logger,
    number: usize,
}

/// Numbers the bridges, so that a thread tells their handles apart.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Bridge {
    /// Makes a bridge whose metrics have no logger: their names are the keys' names.
    #[must_use]
    pub fn new() -> Bridge {
        Bridge { logger: get_logger(""), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Puts all metrics under a logger of this name.
    #[must_use]
    pub fn logger(self, name: &str) -> Bridge {
        // Handles that were made before belong to the name before.
        Bridge { logger: get_logger(name), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Makes this bridge the recorder of the whole program.
    ///
    /// # Errors
    /// The program has a recorder already; the `metrics` crate takes one for the life of a process.
    pub fn install(self) -> Result<(), AlreadyInstalled> {
        metrics::set_global_recorder(self).map_err(|_| AlreadyInstalled)
    }

    fn labelled(&self, key: &Key) -> Logger {
        match key.labels().len() {
            0 => self.logger.clone(),
            _ => {
                let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
                self.logger.with_all(&labels)
            }
        }
    }

    fn describe(&self, name: &KeyName, unit: Option<metrics::Unit>, description: &str) {
        self.logger.describe(name.as_str(), unit::ours(unit), description);
    }
}

impl Default for Bridge {
    fn default() -> Bridge {
        Bridge::new()
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("logger", &self.logger.name()).finish_non_exhaustive()
    }
}

/// The program has a recorder of the `metrics` crate already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlreadyInstalled;

impl fmt::Display for AlreadyInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the `metrics` crate has a recorder already, and takes one for the life of a process")
    }
}

impl std::error::Error for AlreadyInstalled {}

struct Counter(ferrometer_core::Counter);
struct Gauge(ferrometer_core::Gauge);
struct Histogram(ferrometer_core::Histogram);

impl CounterFn for Counter {
    #[inline]
    fn increment(&self, value: u64) {
        self.0.add(value);
    }

    fn absolute(&self, value: u64) {
        self.0.absolute(value);
    }
}

impl GaugeFn for Gauge {
    fn increment(&self, value: f64) {
        self.0.add(value);
    }

    fn decrement(&self, value: f64) {
        self.0.add(-value);
    }

    #[inline]
    fn set(&self, value: f64) {
        self.0.set(value);
    }
}

impl HistogramFn for Histogram {
    #[inline]
    fn record(&self, value: f64) {
        self.0.record(value);
    }
}

thread_local! {
    static COUNTERS: RefCell<Near<Counter>> = const { RefCell::new(Near::new()) };
    static GAUGES: RefCell<Near<Gauge>> = const { RefCell::new(Near::new()) };
    static HISTOGRAMS: RefCell<Near<Histogram>> = const { RefCell::new(Near::new()) };
}

impl metrics::Recorder for Bridge {
    fn describe_counter(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    #[inline]
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let make = || Counter(self.labelled(key).counter(Dynamic(key.name())));
        metrics::Counter::from_arc(near::handle(&COUNTERS, self.number, key, make))
    }

    #[inline]
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let make = || Gauge(self.labelled(key).gauge(Dynamic(key.name())));
        metrics::Gauge::from_arc(near::handle(&GAUGES, self.number, key, make))
    }

    #[inline]
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let make = || Histogram(self.labelled(key).histogram(Dynamic(key.name())));
        metrics::Histogram::from_arc(near::handle(&HISTOGRAMS, self.number, key, make))
    }
}
