//! Loggers: where the names of a program's metrics begin.
//!
//! One type, most of it documentation; hence the length.

use crate::callsite::label_text::LabelArgument;
use crate::instrument::handle;
use crate::instrument::handle::{Counter, Gauge, Histogram, InFlight, Timer};
use crate::instrument::recordable::{CounterValue, GaugeValue, LoggerRef, MetricName};
use crate::record::enabled::{any_bit, enabled, switch_bits};
use crate::record::scalars;
use crate::registry::descriptions::{self, Unit};
use crate::registry::kind::Kind;
use crate::registry::loggers;
use crate::registry::series::{LoggerEntry, Series};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};
use std::time::Duration;

/// A named source of metrics. The same name (and labels) is always the same logger, from any thread, for the life of the
/// program, before and after anything is configured.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::{Logger, get_logger, logger};
/// use std::time::Duration;
///
/// static METRICS: Logger = logger!();          // named after this module
///
/// METRICS.send_gauge("queue.depth", 12);
/// METRICS.send_counter("cache.miss", 1);
/// METRICS.send_timer("parse", Duration::from_micros(125));
/// METRICS.with("method", "GET").sampled(0.1).send_counter("requests", 1);
/// assert_eq!(get_logger("nova.compute"), get_logger("nova").child("compute"));
/// ```
pub struct Logger {
    pub(crate) path: &'static str,
    /// Null until the first use, so that a logger can be a `static`.
    entry: AtomicPtr<LoggerEntry>,
}

/// The logger of this name. `::` in it becomes `.`, so that a module's path can be given.
///
/// Past the limit `max_loggers` it is the overflow logger, whose recordings go to one series for each kind.
///
/// A `static` cannot call it. There, `static METRICS: Logger = logger!("nova.compute");` gives the same logger.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::get_logger;
///
/// let tenant = format!("tenant{}", 7);
/// get_logger(&tenant).send_counter("logins", 1);
/// assert_eq!(get_logger("nova::compute").name(), "nova.compute");
/// ```
#[must_use]
pub fn get_logger(name: &str, // at run time; for a `static`: `logger!("name")`
) -> Logger {
    Logger::of(loggers::logger(name))
}

/// Makes the logger of the module around the call, for a `static`:
/// `static METRICS: Logger = logger!();`, or of a given name: `logger!("nova.compute")`.
#[macro_export]
macro_rules! logger {
    () => {
        $crate::Logger::from_static(::core::module_path!())
    };
    ($name:expr $(,)?) => {
        $crate::Logger::from_static($name)
    };
}

impl Logger {
    /// A logger of a fixed name, usable in a `static`; see [`logger!`].
    #[must_use]
    pub const fn from_static(path: &'static str) -> Logger {
        Logger { path, entry: AtomicPtr::new(ptr::null_mut()) }
    }

    fn of(entry: &'static LoggerEntry) -> Logger {
        Logger { path: "", entry: AtomicPtr::new(ptr::from_ref(entry).cast_mut()) }
    }

    #[inline(always)]
    pub(crate) fn entry(&self) -> &'static LoggerEntry {
        // SAFETY: the pointer is null or was made from a `&'static LoggerEntry`, here or in `of` and `resolve`.
        match unsafe { self.entry.load(Acquire).as_ref() } {
            Some(entry) => entry,
            None => self.resolve(),
        }
    }

    /// Where the entry is; null before the first use.
    #[inline(always)]
    pub(crate) fn peek(&self) -> *const LoggerEntry {
        self.entry.load(Acquire)
    }

    #[cold]
    fn resolve(&self) -> &'static LoggerEntry {
        let entry = loggers::logger(self.path);
        if !entry.is_sentinel() {
            self.entry.store(ptr::from_ref(entry).cast_mut(), Release);
        }
        entry
    }

    /// The series to record into now.
    #[inline]
    pub(super) fn series(&self, name: impl MetricName, kind: Kind, rate: f64) -> &'static Series {
        name.find(LoggerRef(self.entry(), true), kind, rate)
    }

    /// The series of a handle.
    #[inline]
    pub(super) fn handle(&self, name: impl MetricName, kind: Kind, rate: f64) -> &'static Series {
        name.find(LoggerRef(self.entry(), false), kind, rate)
    }

    /// The name as given, `::` replaced by `.`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry().name()
    }

    /// The logger named `<this>.<name>`, with the same labels.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let compute = ferrometer::get_logger("nova").child("compute");
    /// assert_eq!(compute.name(), "nova.compute");
    /// ```
    #[must_use]
    pub fn child(&self, name: &str) -> Logger {
        Logger::of(loggers::child(self.entry(), name))
    }

    /// Returns this logger with one more label. A key that is there already gets the new value.
    ///
    /// Labels travel as DogStatsD tags and Prometheus labels, and fold into the name for plain statsd. Each set of labels is a set
    /// of series of its own: keep values few; past `max_label_sets` recordings go to the overflow series. So do those of a logger with more
    /// than 32 labels, or more than 2,048 bytes of them.
    ///
    /// The value is text or an enum by reference (`&text`, `&Method::Get`), an integer, or `bool`; see [`LabelArgument`]. Anything that is `Display`
    /// is given as `&value.to_string()`.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let http = ferrometer::get_logger("http");
    /// let get = http.with("method", "GET");
    /// assert_eq!(get.with("method", "PUT"), http.with("method", "PUT"));
    /// assert_eq!(get.to_string(), "http method=GET");
    /// ```
    #[must_use]
    pub fn with(&self, key: &str, value: impl LabelArgument) -> Logger {
        value.__ferrometer_with_text(|value| Logger::of(loggers::with_labels(self.entry(), &[(key, value)])))
    }

    /// Returns this logger with several more labels: one lookup for all of them, and no label sets in between.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let logger = ferrometer::get_logger("http");
    /// let ok = logger.with_all(&[("method", "GET"), ("status", "2xx")]);
    /// assert_eq!(ok, logger.with("status", "2xx").with("method", "GET"));
    /// ```
    #[must_use]
    pub fn with_all(&self, labels: &[(&str, &str)]) -> Logger {
        Logger::of(loggers::with_labels(self.entry(), labels))
    }

    /// Returns this logger for metrics of an object rather than of the program: a virtual machine `qemu/100`, a store
    /// `datastore/backup`. `host` means the program itself, which every logger begins with. A
    /// [`child`](Logger::child) of it, and the same [with labels](Logger::with), belong to that object too.
    ///
    /// An id is parts of `[A-Za-z0-9._-]` joined with `/`, at most 128 bytes: every other character becomes one `_`, so does a `.` or `-`
    /// that begins a part, and empty parts are skipped; what is longer goes to the overflow series. The records of the pull cache
    /// carry it as their `id`; Prometheus, DogStatsD and Telegraf get it as the label `object`, plain statsd gets it folded into the name.
    /// Each object takes its place in `max_label_sets`.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let logger = ferrometer::get_logger("vm");
    /// let machine = logger.for_object("qemu/100");
    /// assert_eq!(machine.gauge("mem_used").series().object(), Some("qemu/100"));
    /// assert_eq!(machine.for_object("host"), logger);
    /// assert_eq!(logger.for_object("/a b//../x"), logger.for_object("a_b/_./x"));
    /// ```
    #[must_use]
    pub fn for_object(&self, id: &str) -> Logger {
        Logger::of(loggers::for_object(self.entry(), id))
    }

    /// Says what the metric `name` of this logger measures, and in what unit, for its readers: `HELP`, `TYPE` and
    /// `UNIT` in Prometheus. It is about every instrument of that name, whatever its kind and labels, and may be said
    /// before or after the first recording. It registers nothing: a metric that is only described does not appear.
    ///
    /// The unit becomes the end of the name in Prometheus (`queue_depth_bytes`), so declare it before the first value is shown;
    /// later it is taken for information only. Of the text 1,024 characters are kept. What was said first stays: an
    /// empty text or [`Unit::None`] can be completed later, and a different one is reported once through `tracing`. At most
    /// 4,096 names can be described, each with its logger's of at most 512 bytes; what is beyond is reported and ignored.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use ferrometer::{Unit, get_logger};
    /// let logger = get_logger("shop");
    /// logger.describe("queue.depth", Unit::Bytes, "Bytes that wait to be written.");
    /// let series = logger.gauge("queue.depth").series();
    /// assert_eq!((series.unit(), series.description()), (Some("bytes"), Some("Bytes that wait to be written.")));
    /// ```
    pub fn describe(&self, name: &str, unit: impl Into<Unit>, text: &str) {
        descriptions::describe(self.name(), name, unit.into().as_str(), text);
    }

    /// Sets a gauge: `<logger>.<name>` has this value now.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let queue = ferrometer::get_logger("queue");
    /// queue.send_gauge("depth", 17);
    /// queue.send_gauge("full", false);
    /// ```
    #[inline(always)]
    pub fn send_gauge(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
        value: impl GaugeValue,
    ) {
        if enabled() {
            scalars::set(self.series(name, Kind::Gauge, 0.0), value.to_gauge());
        }
    }

    /// Adds to a counter; the value may be negative.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let shop = ferrometer::get_logger("shop");
    /// shop.send_counter("sold", 3);
    /// shop.send_counter(format!("sold.{}", "oslo"), 3);       // a name made at run time
    /// ```
    #[inline(always)]
    pub fn send_counter(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
        value: impl CounterValue,
    ) {
        if enabled() {
            scalars::add(self.series(name, Kind::Counter, 0.0), value.to_count());
        }
    }

    /// Records a duration.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use std::time::Duration;
    ///
    /// ferrometer::get_logger("parser").send_timer("parse", Duration::from_micros(125));
    /// ```
    #[inline(always)]
    pub fn send_timer(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
        value: Duration,
    ) {
        let switches = switch_bits();
        if any_bit(switches) {
            handle::record_duration::<true>(self.series(name, Kind::Timer, 0.0), value, switches);
        }
    }

    /// Records a value that is no duration: bytes, rows, a ratio.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// ferrometer::get_logger("http").send_histogram("response.bytes", 14_200);
    /// ```
    #[inline(always)]
    pub fn send_histogram(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
        value: impl GaugeValue,
    ) {
        let switches = switch_bits();
        if any_bit(switches) {
            handle::record_value::<true>(self.series(name, Kind::Histogram, 0.0), value.to_gauge(), switches);
        }
    }

    /// A handle on a counter: cheap to copy and keep, valid for ever.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let sold = ferrometer::get_logger("shop").counter("sold");
    /// std::thread::spawn(move || sold.increment()).join().unwrap();       // handles are `Copy`, and go anywhere
    /// ```
    #[inline]
    pub fn counter(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> Counter {
        Counter(self.handle(name, Kind::Counter, 0.0))
    }

    /// A handle on a gauge.
    #[inline]
    pub fn gauge(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> Gauge {
        Gauge(self.handle(name, Kind::Gauge, 0.0))
    }

    /// A handle on a timer.
    #[inline]
    pub fn timer(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> Timer {
        Timer(self.handle(name, Kind::Timer, 0.0))
    }

    /// A handle on a histogram.
    #[inline]
    pub fn histogram(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> Histogram {
        Histogram(self.handle(name, Kind::Histogram, 0.0))
    }

    /// A handle on a count of what is in progress, exported as a gauge.
    #[inline]
    pub fn in_flight(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> InFlight {
        InFlight(self.handle(name, Kind::InFlight, 0.0))
    }
}

impl Clone for Logger {
    fn clone(&self) -> Logger {
        Logger { path: self.path, entry: AtomicPtr::new(self.entry.load(Acquire)) }
    }
}

impl PartialEq for Logger {
    fn eq(&self, other: &Logger) -> bool {
        ptr::eq(self.entry(), other.entry())
    }
}

impl Eq for Logger {}

impl Hash for Logger {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ptr::from_ref(self.entry()).hash(state);
    }
}

/// The name, and then the labels: `shop city=Oslo`. Control characters are escaped.
impl fmt::Display for Logger {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry();
        write!(f, "{}", entry.name().escape_debug())?;
        if !entry.object().is_empty() {
            write!(f, " object={}", entry.object())?;
        }
        for (key, value) in entry.labels.iter() {
            write!(f, " {}={}", key.escape_debug(), value.escape_debug())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Logger {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry();
        write!(f, "Logger({}", entry.name())?;
        if !entry.object().is_empty() {
            write!(f, " for {}", entry.object())?;
        }
        for (key, value) in entry.labels.iter() {
            write!(f, " {key}={value:?}")?;
        }
        f.write_str(")")
    }
}
