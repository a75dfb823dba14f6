//! Capture scopes: tests of instrumented programs, in parallel, without a backend.
//!
//! One type, with an example of each method; hence the length.
//!
//! ```
//! use ferrometer::{Logger, logger, testing::Capture};
//! static METRICS: Logger = logger!("shop");
//!
//! fn sell() {
//!     METRICS.send_counter("sold", 2);
//! }
//!
//! let capture = Capture::start();
//! sell();
//! capture.assert_counter("shop.sold", 2);
//! ```
//!
//! A scope sees what its own thread records, until it is dropped; scopes of other threads, and backends, do not see that. It reaches
//! current-thread runtimes, closures and futures wrapped with it ([`Capture::run`], [`Capture::future`]), and threads that enter it
//! ([`Capture::handle`], for a runtime's thread-start hook). A bare `thread::spawn` does not inherit it. Sampled calls are all
//! captured: a test wants to know that the call was made.

// `#[inline]` stands here so that a function is compiled in the program that uses it: programs that are no tests use none.
//
// One method for each question of a test, most of it documentation; hence the length.

use ferrometer_core::__private::capture::{self, Captured, Entered, Store};
use ferrometer_core::{Kind, Series};
use std::cell::RefCell;
use std::fmt::{self, Write};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Captures what this thread records, until it is dropped.
///
/// Names are `logger.metric`, without prefix or host; labels follow as ` key=value`, sorted by key: `shop.sold`,
/// `shop.sold city=Oslo`. Reading changes nothing.
pub struct Capture {
    store: Arc<Store>,
    _entered: Entered,
    /// The scope belongs to the thread that started it.
    _not_send: PhantomData<*const ()>,
}

/// Lets other threads record into a scope.
#[derive(Clone)]
pub struct CaptureHandle {
    store: Arc<Store>,
}

/// This thread records into a scope until it is dropped.
pub struct CaptureGuard {
    _entered: Entered,
    _not_send: PhantomData<*const ()>,
}

thread_local! {
    /// The scope this thread has joined for good.
    static THREAD: RefCell<Option<CaptureGuard>> = const { RefCell::new(None) };
}

impl Capture {
    /// Starts a scope on this thread. Scopes nest; the innermost captures.
    #[must_use = "the scope ends when it is dropped"]
    #[inline]
    pub fn start() -> Capture {
        let store = Arc::new(Store::default());
        let entered = capture::enter(&store);
        Capture { store, _entered: entered, _not_send: PhantomData }
    }

    /// A handle with which other threads join the scope.
    #[must_use]
    #[inline]
    pub fn handle(&self) -> CaptureHandle {
        CaptureHandle { store: Arc::clone(&self.store) }
    }

    /// Runs a closure in the scope, on whichever thread.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        self.handle().run(work)
    }

    /// A future whose polls happen in the scope, on whichever threads.
    pub fn future<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.handle().future(future)
    }

    /// The sum of a counter; 0 when it was never recorded.
    #[must_use]
    #[inline]
    pub fn counter(&self, name: &str) -> i64 {
        self.sum(name, Kind::Counter, |c| c.total)
    }

    /// The sum of a counter over all its labels, or over those series that have the labels in `name` among theirs:
    /// `http.requests`, `http.requests status=2xx`.
    ///
    /// ```
    /// use ferrometer::{get_logger, testing::Capture};
    ///
    /// let capture = Capture::start();
    /// let http = get_logger("http");
    /// http.with_all(&[("method", "GET"), ("status", "2xx")]).send_counter("requests", 3);
    /// http.with_all(&[("method", "PUT"), ("status", "2xx")]).send_counter("requests", 1);
    /// http.with_all(&[("method", "PUT"), ("status", "5xx")]).send_counter("requests", 1);
    /// assert_eq!(capture.counter_over_labels("http.requests"), 5);
    /// assert_eq!(capture.counter_over_labels("http.requests status=2xx"), 4);
    /// assert_eq!(capture.counter("http.requests"), 0, "the series without labels");
    /// ```
    #[must_use]
    #[inline]
    pub fn counter_over_labels(&self, name: &str) -> i64 {
        self.over_labels(name, Kind::Counter).iter().map(|(_, c)| c.total).sum()
    }

    /// The durations of a timer over all its labels, or over those series that have the labels in `name` among theirs; see
    /// [`counter_over_labels`](Capture::counter_over_labels).
    #[must_use]
    #[inline]
    pub fn timer_over_labels(&self, name: &str) -> Vec<Duration> {
        let found = self.over_labels(name, Kind::Timer);
        found.iter().flat_map(|(_, c)| c.values.iter().map(|n| Duration::from_nanos(*n))).collect()
    }

    /// The names of all series of which something was recorded, in alphabetical order, each once.
    ///
    /// ```
    /// use ferrometer::{get_logger, testing::Capture};
    ///
    /// let capture = Capture::start();
    /// get_logger("shop").with("city", "Oslo").send_counter("sold", 3);
    /// get_logger("shop").send_gauge("open", true);
    /// assert_eq!(capture.names(), ["shop.open", "shop.sold city=Oslo"]);
    /// ```
    #[must_use]
    #[inline]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.store.recorded().iter().map(|(series, _)| shown(series)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How many calls counted.
    #[must_use]
    #[inline]
    pub fn counter_calls(&self, name: &str) -> u64 {
        self.sum(name, Kind::Counter, |c| c.calls as i64) as u64
    }

    /// A gauge's last value; `None` when it was never set.
    #[must_use]
    #[inline]
    pub fn gauge(&self, name: &str) -> Option<f64> {
        // One that was given nothing but NaN and infinities was not set.
        self.find(name, Kind::Gauge).into_iter().rfind(|(_, c)| c.calls > 0).map(|(_, c)| c.gauge)
    }

    /// How many are in flight.
    #[must_use]
    #[inline]
    pub fn in_flight(&self, name: &str) -> i64 {
        self.sum(name, Kind::InFlight, |c| c.total)
    }

    /// The durations a timer recorded, in order (the first 65,536).
    #[must_use]
    #[inline]
    pub fn timer(&self, name: &str) -> Vec<Duration> {
        let found = self.find(name, Kind::Timer);
        found.iter().flat_map(|(_, c)| c.values.iter().map(|n| Duration::from_nanos(*n))).collect()
    }

    /// The values a histogram recorded, in order (the first 65,536).
    #[must_use]
    #[inline]
    pub fn histogram(&self, name: &str) -> Vec<f64> {
        self.find(name, Kind::Histogram).iter().flat_map(|(_, c)| c.floats(Kind::Histogram)).collect()
    }

    /// Asserts a counter's sum.
    ///
    /// # Panics
    /// When it is another; the message shows everything that was recorded.
    #[track_caller]
    #[inline]
    pub fn assert_counter(&self, name: &str, expected: i64) {
        self.check("counter", Kind::Counter, name, &self.counter(name), &expected);
    }

    /// Asserts a counter's sum over all its labels; see [`counter_over_labels`](Capture::counter_over_labels).
    ///
    /// # Panics
    /// When it is another; the message shows everything that was recorded.
    #[track_caller]
    #[inline]
    pub fn assert_counter_over_labels(&self, name: &str, expected: i64) {
        self.check("counter over labels", Kind::Counter, name, &self.counter_over_labels(name), &expected);
    }

    /// Asserts a gauge's value.
    ///
    /// # Panics
    /// When it is another or was never set; the message shows everything that was recorded.
    #[track_caller]
    #[inline]
    pub fn assert_gauge(&self, name: &str, expected: f64) {
        self.check("gauge", Kind::Gauge, name, &self.gauge(name), &Some(expected));
    }

    /// Asserts how many durations a timer recorded.
    ///
    /// # Panics
    /// When it is another number; the message shows everything that was recorded.
    #[track_caller]
    #[inline]
    pub fn assert_timer_count(&self, name: &str, expected: usize) {
        // Not all of very many durations are kept.
        let found = self.sum(name, Kind::Timer, |c| c.calls as i64) as usize;
        self.check("timer count", Kind::Timer, name, &found, &expected);
    }

    /// Asserts the values of a histogram.
    ///
    /// # Panics
    /// When they are others; the message shows everything that was recorded.
    #[track_caller]
    #[inline]
    pub fn assert_histogram(&self, name: &str, expected: &[f64]) {
        self.check("histogram", Kind::Histogram, name, &self.histogram(name), &expected.to_vec());
    }

    /// Asserts that nothing was recorded.
    ///
    /// # Panics
    /// When something was; the message shows it.
    #[track_caller]
    #[inline]
    pub fn assert_empty(&self) {
        let empty = self.store.recorded().is_empty();
        assert!(empty, "expected no recordings, found:\n{self}");
    }

    #[track_caller]
    #[inline]
    fn check<T: PartialEq + fmt::Debug>(&self, what: &str, kind: Kind, name: &str, found: &T, expected: &T) {
        assert!(
            found == expected,
            "{what} {name}: expected {expected:?}, found {found:?}.{} Recorded:\n{self}",
            self.hint(name, kind)
        );
    }

    /// Returns what was probably meant by the name of something that was never recorded.
    #[inline]
    fn hint(&self, name: &str, kind: Kind) -> String {
        let all = self.store.recorded();
        if all.iter().any(|(series, _)| series.kind() == kind && shown(series) == name) {
            return String::new();
        }
        if let Some((series, _)) = all.iter().find(|(series, _)| shown(series) == name) {
            return format!(" {name} is of kind {}.", series.kind());
        }
        let of_kind = || all.iter().filter(|(series, _)| series.kind() == kind).map(|(series, _)| shown(series));
        let bare = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
        // Finds this metric with other labels, or the nearest name.
        let labelled = of_kind().find(|known| bare(known) == bare(name));
        let near = || {
            let known = of_kind().map(|known| (strsim::levenshtein(name, &known), known));
            known.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= (name.len() / 3).max(2))
        };
        let meant = labelled.or_else(|| near().map(|(_, known)| known));
        meant.map_or_else(String::new, |known| format!(" Did you mean {known:?}?"))
    }

    #[inline]
    fn over_labels(&self, name: &str, kind: Kind) -> Vec<(&'static Series, Captured)> {
        let mut parts = name.split(' ');
        let metric = parts.next().unwrap_or_default();
        let wanted: Vec<&str> = parts.collect();
        let all = self.store.recorded();
        let fits = |series: &Series| {
            let has = |label: &&str| {
                series.labels_with_object().any(|(key, value)| label.split_once('=') == Some((key, value)))
            };
            metric.strip_prefix(series.logger_name()).and_then(|rest| rest.strip_prefix('.'))
                == Some(series.metric_name())
                && wanted.iter().all(has)
        };
        all.into_iter().filter(|(series, _)| series.kind() == kind && fits(series)).collect()
    }

    #[inline]
    fn find(&self, name: &str, kind: Kind) -> Vec<(&'static Series, Captured)> {
        let all = self.store.recorded();
        all.into_iter().filter(|(s, _)| s.kind() == kind && shown(s) == name).collect()
    }

    /// Over the sample rates of one instrument.
    #[inline]
    fn sum(&self, name: &str, kind: Kind, of: impl Fn(&Captured) -> i64) -> i64 {
        self.find(name, kind).iter().map(|(_, c)| of(c)).sum()
    }
}

#[inline]
fn shown(series: &Series) -> String {
    let mut out = format!("{}.{}", series.logger_name(), series.metric_name());
    for (key, value) in series.labels_with_object() {
        let _ = write!(out, " {key}={value}");
    }
    out
}

impl fmt::Display for Capture {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.store.recorded();
        let mut any = false;
        for (series, captured) in all.iter() {
            any = true;
            write!(f, "  {} {}: ", series.kind(), shown(series))?;
            match series.kind() {
                Kind::Counter => write!(f, "{} in {} calls", captured.total, captured.calls)?,
                Kind::InFlight => write!(f, "{}", captured.total)?,
                Kind::Gauge => write!(f, "{} ({} times)", captured.gauge, captured.calls)?,
                _ => {
                    let values = captured.floats(series.kind());
                    write!(f, "{} values, first {:?}", captured.calls, &values[..values.len().min(8)])?;
                }
            }
            if captured.invalid > 0 {
                write!(f, ", {} invalid", captured.invalid)?;
            }
            writeln!(f)?;
        }
        if any {
            return Ok(());
        }
        writeln!(
            f,
            "  nothing; threads and tasks that the test starts join with `Capture::handle` and `Capture::future`"
        )
    }
}

impl fmt::Debug for Capture {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture\n{self}")
    }
}

impl CaptureHandle {
    /// This thread records into the scope until the guard is dropped.
    #[must_use = "the thread leaves the scope when the guard is dropped"]
    #[inline]
    pub fn enter(&self) -> CaptureGuard {
        CaptureGuard { _entered: capture::enter(&self.store), _not_send: PhantomData }
    }

    /// This thread records into the scope until it ends: for the thread-start hook of a runtime.
    #[inline]
    pub fn enter_thread(&self) {
        // While the thread ends there is nobody left to record for.
        let _ = THREAD.try_with(|thread| *thread.borrow_mut() = Some(self.enter()));
    }

    /// Runs a closure in the scope.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _guard = self.enter();
        work()
    }

    /// A future whose polls, and whose end, happen in the scope.
    pub fn future<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let handle = self.clone();
        async move {
            let mut future = pin!(Scoped { handle: handle.clone(), future: Some(Box::pin(future)) });
            std::future::poll_fn(|cx| future.as_mut().poll_in(cx)).await
        }
    }
}

impl fmt::Debug for CaptureHandle {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptureHandle")
    }
}

impl fmt::Debug for CaptureGuard {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptureGuard")
    }
}

/// A future that is polled and dropped in a scope.
struct Scoped<F> {
    handle: CaptureHandle,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Scoped<F> {
    fn poll_in(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _guard = this.handle.enter();
        this.future.as_mut().expect("only taken on drop").as_mut().poll(cx)
    }
}

impl<F> Drop for Scoped<F> {
    fn drop(&mut self) {
        let _guard = self.handle.enter();
        drop(self.future.take());
    }
}
