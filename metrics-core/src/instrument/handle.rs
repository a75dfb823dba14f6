//! Handles: instruments that were looked up once. `Copy`, as small as a reference, never stale.
//!
//! The five handles stand together, each method with an example; hence the length.

use crate::callsite::label_text::LabelArgument;
use crate::instrument::guard::{InFlightGuard, TimerGuard};
use crate::instrument::observed::{self, Observed};
use crate::instrument::recordable::{CounterValue, GaugeReturn, GaugeValue};
use crate::record::absolute;
use crate::record::clock;
use crate::record::distributions;
use crate::record::enabled::{any_bit, enabled, switch_bits};
use crate::record::scalars;
use crate::registry::descriptions::{self, Unit};
use crate::registry::loggers;
use crate::registry::series::Series;
use crate::registry::series_table;
use std::time::Duration;

/// Methods that every handle has.
macro_rules! described {
    ($handle:ident, $make:literal) => {
        impl $handle {
            /// Declares the unit: a [`Unit`], or its text, such as `"bytes"` or `"rows"`. The first declaration stays.
            ///
            /// ```
            /// # use ferrometer_core as ferrometer;
            /// let sent = ferrometer::get_logger("net.unit").counter("sent").unit("bytes");
            /// assert_eq!(sent.series().unit(), Some("bytes"));
            /// ```
            #[must_use]
            pub fn unit(self, unit: impl Into<Unit>) -> Self {
                descriptions::of_handle(self.0.logger_name(), self.0.metric_name(), unit.into().as_str(), "");
                self
            }

            /// Says what the instrument means, for people; at most 1,024 characters are kept. The first text stays.
            ///
            /// ```
            /// # use ferrometer_core as ferrometer;
            /// let sold = ferrometer::get_logger("shop.description").counter("sold").description("Articles that were paid for.");
            /// assert_eq!(sold.series().description(), Some("Articles that were paid for."));
            /// ```
            #[must_use]
            pub fn description(self, text: &str) -> Self {
                descriptions::of_handle(self.0.logger_name(), self.0.metric_name(), "", text);
                self
            }

            /// Returns this instrument with one more label; see [`Logger::with`](crate::Logger::with), which is better where the
            /// instrument without the label is never recorded: here it has been registered too.
            ///
            /// ```
            /// # use ferrometer_core as ferrometer;
            /// let requests = ferrometer::get_logger("http").counter("requests");
            /// let ok = requests.with("status", 200);
            /// assert_eq!(ok.series().labels().collect::<Vec<_>>(), [("status", "200")]);
            /// ```
            #[must_use]
            pub fn with(self, key: &str, value: impl LabelArgument) -> Self {
                let labelled = |value: &str| loggers::with_labels(self.0.logger, &[(key, value)]);
                let logger = value.__ferrometer_with_text(labelled);
                Self(series_table::series(logger, self.0.metric_name(), self.0.kind(), self.0.given_rate()))
            }

            /// Returns this instrument with several more labels: one lookup for all of them, and no label sets in between.
            ///
            /// ```
            /// # use ferrometer_core as ferrometer;
            #[doc = concat!("let instrument = ferrometer::get_logger(\"http\").", $make, "(\"requests\");")]
            /// let labelled = instrument.with_all(&[("method", "GET"), ("status", "2xx")]);
            /// assert_eq!(labelled, instrument.with("method", "GET").with("status", "2xx"));
            /// ```
            #[must_use]
            pub fn with_all(self, labels: &[(&str, &str)]) -> Self {
                let logger = loggers::with_labels(self.0.logger, labels);
                Self(series_table::series(logger, self.0.metric_name(), self.0.kind(), self.0.given_rate()))
            }

            /// The series behind the handle.
            #[must_use]
            pub fn series(self) -> &'static Series {
                self.0
            }
        }
    };
}

/// Methods of counters and distributions, which can be sampled.
macro_rules! sampled {
    ($handle:ident) => {
        impl $handle {
            /// Returns this instrument with a sample rate: a share `rate` in (0, 1] of the calls is recorded. A rate outside is
            /// reported once, and the calls are recorded unsampled.
            ///
            /// ```
            /// # use ferrometer_core as ferrometer;
            /// let hits = ferrometer::get_logger("cache").counter("hits").sampled(0.01);
            /// assert_eq!(hits.series().rate(), 0.01);
            /// ```
            #[must_use]
            pub fn sampled(self, rate: f64) -> Self {
                let rate = series_table::asked_for(rate);
                Self(series_table::series(self.0.logger, self.0.metric_name(), self.0.kind(), rate))
            }
        }
    };
}

/// A sum of whole numbers: requests, bytes, errors. Exact to 2^63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counter(pub(crate) &'static Series);
described!(Counter, "counter");
sampled!(Counter);

impl Counter {
    /// Adds 1.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// let hits = ferrometer::get_logger("cache").counter("hits");
    /// hits.increment();
    /// hits.increment();
    /// assert_eq!(ferrometer::snapshot().totals().get(hits.series().id()).unwrap().value.net(), Some(2));
    /// ```
    #[inline(always)]
    pub fn increment(self) {
        if enabled() {
            scalars::add(self.0, 1);
        }
    }

    /// Adds a whole number, negative or not.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let bytes = ferrometer::get_logger("net").counter("sent").unit("bytes");
    /// bytes.add(1_500_u64);
    /// bytes.add("body".len());
    /// bytes.add(-4);              // a correction
    /// ```
    #[inline(always)]
    pub fn add(self, value: impl CounterValue) {
        if enabled() {
            scalars::add(self.0, value.to_count());
        }
    }

    /// Raises the counter to a total that is counted elsewhere: a counter of the kernel, of a device, of another library. It adds what `total` has
    /// more than the largest total it was given before; the first one counts from 0.
    ///
    /// A smaller total adds nothing: of two threads that read the source, one may come late. So a source that begins again at 0 adds nothing
    /// until it has passed its largest total; where that happens, keep the last total and [`add`](Counter::add) the difference. What [`add`](Counter::add)
    /// and [`increment`](Counter::increment) count comes on top.
    ///
    /// Nothing is lost while recording is off: the next total counts from the last one that was counted. A sample rate, of the handle or of a rule, does
    /// not apply. Counters without a place of their own (past `max_instruments`) share the largest total of all.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// let received = ferrometer::get_logger("net").counter("received");
    /// received.absolute(1_000);
    /// received.absolute(1_500);
    /// received.absolute(1_400);   // read before, and late
    /// let snapshot = ferrometer::snapshot();
    /// let total = snapshot.totals().get(received.series().id()).unwrap();
    /// assert_eq!(total.value.net(), Some(1_500));
    /// ```
    #[inline]
    pub fn absolute(self, total: u64) {
        if enabled() {
            absolute::raise(self.0, total);
        }
    }

    /// Counts that a block was entered: adds 1 now. What it returns does nothing when dropped; it lets a
    /// counter be written like a guard: `let _count = METRICS.counter("x").enter();`
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let handled = ferrometer::get_logger("http").counter("handled");
    /// let handle = || {
    ///     let _count = handled.enter();
    ///     // … the work …
    /// };
    /// handle();
    /// ```
    #[inline]
    pub fn enter(self) -> Entered {
        self.increment();
        Entered(())
    }
}

/// The result of [`Counter::enter`]. It does nothing.
#[derive(Debug)]
pub struct Entered(());

/// A value that is set: a depth, a temperature, a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gauge(pub(crate) &'static Series);
described!(Gauge, "gauge");

impl Gauge {
    /// Sets the value. NaN and infinities are counted and not recorded.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let logger = ferrometer::get_logger("pool");
    /// logger.gauge("size").set(16);
    /// logger.gauge("load").set(0.75);
    /// logger.gauge("open").set(true);     // 1
    /// ```
    #[inline(always)]
    pub fn set(self, value: impl GaugeValue) {
        scalars::set(self.0, value.to_gauge());
    }

    /// Adds to the value, which is 0 before it is set; lock-free.
    #[inline]
    pub fn add(self, value: impl GaugeValue) {
        scalars::add_to_gauge(self.0, value.to_gauge());
    }

    /// Subtracts from the value, which is 0 before it is set; lock-free.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let free = ferrometer::get_logger("disk").gauge("free").unit("bytes");
    /// free.set(1 << 30);
    /// free.sub(4096);             // unsigned numbers can be subtracted as they are
    /// ```
    #[inline]
    pub fn sub(self, value: impl GaugeValue) {
        scalars::add_to_gauge(self.0, -value.to_gauge());
    }

    /// Adds 1. For what a guard can count, [`InFlight`] is better: it cannot forget to subtract.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let open = ferrometer::get_logger("files").gauge("open");
    /// open.increment();
    /// open.increment();
    /// open.decrement();
    /// // The gauge is 1 more than it was.
    /// ```
    #[inline]
    pub fn increment(self) {
        scalars::add_to_gauge(self.0, 1.0);
    }

    /// Subtracts 1.
    #[inline]
    pub fn decrement(self) {
        scalars::add_to_gauge(self.0, -1.0);
    }

    /// Has `read` asked for the value before each collection: at the interval of each backend, and when the program flushes or takes a snapshot. For
    /// what something else knows at any time: the size of a pool, the age of a file. Ends when what is returned is dropped, or
    /// [never](Observed::forever).
    ///
    /// `read` returns what [`set`](Gauge::set) takes, or an `Option` or `Result` of it; `None` and `Err` leave the gauge as it is. A gauge
    /// is asked for in one way: a later call replaces the function of an earlier one.
    ///
    /// It runs on a thread of ferrometer's own, `ferrometer-gauges`, which is started at the first collection; all gauges are asked for one after
    /// another. Collections and deliveries wait 100 ms for them at most; then they go on with the values that there are, and a warning says which
    /// gauge is slow. A panic is caught and told. While nothing is recorded, or the logger is off, nothing is asked. After it was dropped, a call that is
    /// under way ends.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use std::sync::{Arc, Mutex};
    ///
    /// let queue = Arc::new(Mutex::new(vec!["a", "b"]));
    /// let asked = Arc::clone(&queue);
    /// let depth = ferrometer::get_logger("mail").gauge("queue.depth").observe(move || asked.lock().unwrap().len());
    /// // … for as long as the queue is there.
    /// drop(depth);
    /// ferrometer::get_logger("mail").gauge("pid").observe(std::process::id).forever();
    /// ```
    pub fn observe<V: GaugeReturn>(self, read: impl Fn() -> V + Send + Sync + 'static) -> Observed {
        observed::observe(self.0, read)
    }
}

/// How many of something are in progress. Every thread counts for itself; the sum is exported as a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InFlight(pub(crate) &'static Series);
described!(InFlight, "in_flight");

impl InFlight {
    /// Counts one more now and one less when the guard is dropped, on whichever thread.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # ferrometer::hold();
    /// use ferrometer::Value;
    ///
    /// let busy = ferrometer::get_logger("pool").in_flight("busy");
    /// let guard = busy.enter();
    /// let snapshot = ferrometer::snapshot();
    /// assert!(matches!(snapshot.totals().get(busy.series().id()).unwrap().value, Value::InFlight(1)));
    /// drop(guard);
    /// ```
    #[inline(always)]
    pub fn enter(self) -> InFlightGuard {
        InFlightGuard::enter(self.0)
    }
}

/// A distribution of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer(pub(crate) &'static Series);
described!(Timer, "timer");
sampled!(Timer);

impl Timer {
    /// Starts measuring; the guard records when it is stopped or dropped. Whether the call is sampled is decided here,
    /// before the clock is read.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let timer = ferrometer::get_logger("parser").timer("parse");
    /// let timing = timer.start();
    /// // … parse …
    /// let took = timing.stop();       // or let it be dropped, also by `?` and panics
    /// ```
    #[inline(always)]
    pub fn start(self) -> TimerGuard {
        TimerGuard::start(self.0)
    }

    /// Records a duration measured elsewhere.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use std::time::{Duration, Instant};
    ///
    /// let waited = ferrometer::get_logger("queue").timer("wait");
    /// let queued = Instant::now();
    /// waited.record(queued.elapsed());
    /// waited.record(Duration::from_micros(125));
    /// ```
    #[inline(always)]
    pub fn record(self, value: Duration) {
        let switches = switch_bits();
        if any_bit(switches) {
            distributions::sampled_duration(self.0, value, switches);
        }
    }

    /// Records a duration that was measured elsewhere `count` times, in one step: what a library sums up by itself, or a histogram of another program. It
    /// is one call to a sample rate. Backends that send each value by itself (statsd) send one with a weight, as they do with values past the number
    /// that is held.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use std::time::Duration;
    ///
    /// // A bucket of another histogram: 40 requests of about 2 ms.
    /// ferrometer::get_logger("proxy").timer("upstream").record_n(Duration::from_millis(2), 40);
    /// ```
    #[inline]
    pub fn record_n(self, value: Duration, count: u64) {
        if enabled() {
            distributions::many(self.0, clock::nanos(value), count);
        }
    }

    /// Measures a closure, also when it panics.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let timer = ferrometer::get_logger("parser").timer("parse");
    /// let number: u32 = timer.time(|| "42".parse())?;
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    #[inline]
    pub fn time<T>(self, work: impl FnOnce() -> T) -> T {
        let _guard = self.start();
        work()
    }
}

/// A distribution of values that are no durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Histogram(pub(crate) &'static Series);
described!(Histogram, "histogram");
sampled!(Histogram);

impl Histogram {
    /// Records a value. NaN and infinities are counted and not recorded.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let rows = ferrometer::get_logger("db").histogram("rows").unit("rows");
    /// rows.record(17);
    /// rows.record(0.5);
    /// rows.record(f64::NAN);          // counted as invalid, and not recorded
    /// ```
    #[inline(always)]
    pub fn record(self, value: impl GaugeValue) {
        let switches = switch_bits();
        if any_bit(switches) {
            distributions::sampled_float(self.0, value.to_gauge(), switches);
        }
    }

    /// Records a value `count` times, in one step; see [`Timer::record_n`]. NaN and infinities are counted as many times and not recorded.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// // 17 batches had 100 rows.
    /// ferrometer::get_logger("db").histogram("batch").unit("rows").record_n(100, 17);
    /// ```
    #[inline]
    pub fn record_n(self, value: impl GaugeValue, count: u64) {
        if enabled() {
            distributions::many_floats(self.0, value.to_gauge(), count);
        }
    }
}

// Out of line, for call sites that look their series up first. `HERE`: see `record`.
#[inline(never)]
pub(crate) fn record_duration<const HERE: bool>(series: &'static Series, value: Duration, switches: usize) {
    distributions::sampled_duration(series, value, switches);
}

#[inline(never)]
pub(crate) fn record_value<const HERE: bool>(series: &'static Series, value: f64, switches: usize) {
    distributions::sampled_float(series, value, switches);
}
