//! The program's side of the pipeline: install, replace, flush, remove, shut down.
//!
//! Cumulative snapshots flow from the collector to each backend's mailbox; nothing flows back but accounts. The pipeline's lock is held
//! while a snapshot is taken and handed out, never while a backend works.
//!
//! Nearly half of the file is documentation, with examples; hence the length.

use crate::collect::ledger::{Cause, Ledger};
use crate::collect::snapshot::Snapshot;
use crate::deliver::backend::{Backend, Preview};
use crate::deliver::shown;
use crate::naming::prefix::Naming;
use crate::pipeline::state::{after, pipeline, read_gauges, watch_forks};
use crate::pipeline::threads;
use crate::registry::limits::Limits;
use crate::registry::rules::LoggerRule;
use crate::registry::series_table;
use crate::registry::views::View;
use crate::storage::exemplar_slots;
use crate::sync::reentrancy;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

/// The shortest interval of a backend: 1 ms.
pub const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// Why a backend could not be installed.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallError {
    /// A backend of this name is installed.
    NameTaken(String),
    /// The interval is shorter than [`MIN_INTERVAL`].
    Interval(Duration),
    /// The system gave no thread.
    Thread(std::io::Error),
}

impl fmt::Display for InstallError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallError::NameTaken(name) => {
                write!(f, "a backend named {name:?} is installed already; replace it, or give another name")
            }
            InstallError::Interval(found) => {
                let (found, least) = (found.as_nanos() as u64, MIN_INTERVAL.as_millis() as u64);
                write!(f, "an interval of {found} ns is too short; at least {least} ms is allowed")
            }
            InstallError::Thread(error) => write!(f, "no thread for a backend: {error}"),
        }
    }
}

impl std::error::Error for InstallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InstallError::Thread(cause) => Some(cause),
            InstallError::NameTaken(_) | InstallError::Interval(_) => None,
        }
    }
}

/// Why there is no preview of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreviewError {
    /// No backend of this name is installed.
    NotInstalled(String),
    /// The backend sends nothing by itself, or cannot tell.
    NothingSent(String),
    /// The backend was at work until the time was over, or was removed.
    Busy(String),
}

impl fmt::Display for PreviewError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PreviewError::NotInstalled(name) => {
                let ledgers = ledgers();
                let names: Vec<&str> = ledgers.iter().map(|ledger| ledger.backend.as_str()).collect();
                write!(f, "no backend named {name:?} is installed; installed are: {}", names.join(", "))
            }
            PreviewError::NothingSent(name) => {
                write!(f, "the backend {name:?} has no preview: it keeps what others ask for, or cannot tell")
            }
            PreviewError::Busy(name) => {
                write!(f, "the backend {name:?} was at work until the time was over, or was removed; try again")
            }
        }
    }
}

impl std::error::Error for PreviewError {}

/// Sets how names begin, the limits and the logger rules. Series and handles made before follow at once; backends installed
/// before keep their naming, so configure first and install after.
pub fn configure(naming: Naming, limits: Limits, rules: Vec<LoggerRule>) {
    configure_with_views(naming, limits, rules, Vec::new());
}

/// As [`configure`], with views.
pub fn configure_with_views(naming: Naming, limits: Limits, rules: Vec<LoggerRule>, views: Vec<View>) {
    configure_with_exemplars(naming, limits, rules, views, false);
}

/// As [`configure_with_views`]. `exemplars`: counters, timers and histograms offer exemplars where no view says otherwise.
pub fn configure_with_exemplars(
    naming: Naming,
    limits: Limits,
    rules: Vec<LoggerRule>,
    views: Vec<View>,
    exemplars: bool,
) {
    series_table::configure(limits.clamped(), rules, views, exemplars);
    let mut state = pipeline().lock();
    state.naming = Arc::new(naming);
    // Those of series that offer none any more.
    exemplar_slots::forget();
}

/// Installs a backend, called every `interval` on a thread of its own. It sees what is recorded from now on, under names as they are configured
/// now. It stays, and keeps them, when the configuration is replaced; [`replace`] gives it the new ones.
///
/// It returns when the threads that it starts have begun to run: a child of a fork that follows gets no lock that a thread held while it was born. The
/// standard library holds locks while any thread is born, so a program that forks should have its own threads begin, or end, before it does.
///
/// ```
/// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
/// # use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
/// # struct Null;
/// # impl Backend for Null {
/// #     fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
/// #         view.all_sent();
/// #         Ok(Delivery::default())
/// #     }
/// # }
/// use ferrometer::{InstallError, get_logger, install};
/// use std::time::Duration;
///
/// // `Null` is a backend of the program's own.
/// install("null", Box::new(Null), Duration::from_secs(10))?;
/// get_logger("shop").send_counter("sold", 1);
/// let again = install("null", Box::new(Null), Duration::from_secs(10)).unwrap_err();
/// assert!(matches!(again, InstallError::NameTaken(name) if name == "null"));
/// # ferrometer::remove("null", Duration::from_secs(2));
/// # Ok::<(), InstallError>(())
/// ```
///
/// # Errors
/// [`InstallError`] when the name is taken, the interval is too short, or there is no thread.
// Compiled in the program that calls it: most do not.
#[inline]
pub fn install(name: &str, backend: Box<dyn Backend>, interval: Duration) -> Result<(), InstallError> {
    check(interval)?;
    let wants = backend.wants();
    let pipeline = pipeline();
    let mut state = pipeline.lock();
    if state.position(name).is_some() {
        return Err(InstallError::NameTaken(name.to_owned()));
    }
    let snapshot = state.collect();
    state.start(pipeline, name, backend, wants, interval, &snapshot).map_err(InstallError::Thread)
}

/// Puts a backend in the place of the one with the same name, or installs it. The old one gets everything up to one snapshot, the new
/// one everything after it. Returns the old one's last account.
///
/// ```
/// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
/// # use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
/// # struct Null;
/// # impl Backend for Null {
/// #     fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
/// #         view.all_sent();
/// #         Ok(Delivery::default())
/// #     }
/// # }
/// use std::time::Duration;
///
/// let timeout = Duration::from_secs(2);
/// ferrometer::install("null", Box::new(Null), Duration::from_secs(10))?;
/// let before = ferrometer::replace("null", Box::new(Null), Duration::from_secs(1), timeout)?;
/// assert!(before.is_some_and(|ledger| ledger.balances()));
/// # ferrometer::remove("null", timeout);
/// # Ok::<(), ferrometer::InstallError>(())
/// ```
///
/// # Errors
/// As for [`install`]; the old backend stays when the new one cannot be started.
pub fn replace(
    name: &str,
    backend: Box<dyn Backend>,
    interval: Duration,
    timeout: Duration,
) -> Result<Option<Ledger>, InstallError> {
    check(interval)?;
    let wants = backend.wants();
    let until = after(timeout);
    read_gauges(timeout);
    let pipeline = pipeline();
    let mut state = pipeline.lock();
    let snapshot = state.collect();
    let old = state.position(name);
    state.start(pipeline, name, backend, wants, interval, &snapshot).map_err(InstallError::Thread)?;
    let old = old.map(|at| state.backends.remove(at));
    state.switch();
    drop(state);
    Ok(old.map(|old| old.stop(snapshot, until)))
}

/// How names are rendered now: what [`configure`] was told last, or the default.
#[must_use]
pub fn naming() -> Arc<Naming> {
    Arc::clone(&pipeline().lock().naming)
}

/// Removes a backend: delivers what is pending within `timeout`, and drops what is left. Returns its last account, or
/// `None` when there is no such backend.
///
/// ```
/// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
/// # use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
/// # struct Null;
/// # impl Backend for Null {
/// #     fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
/// #         view.all_sent();
/// #         Ok(Delivery::default())
/// #     }
/// # }
/// use std::time::Duration;
///
/// ferrometer::install("null", Box::new(Null), Duration::from_secs(10)).unwrap();
/// ferrometer::get_logger("shop").send_counter("sold", 3);
/// let ledger = ferrometer::remove("null", Duration::from_secs(2)).unwrap();
/// assert_eq!((ledger.sent.increments, ledger.pending.recordings), (3, 0));
/// assert!(ferrometer::remove("null", Duration::ZERO).is_none());
/// ```
pub fn remove(name: &str, timeout: Duration) -> Option<Ledger> {
    let until = after(timeout);
    read_gauges(timeout);
    let pipeline = pipeline();
    let (old, snapshot) = {
        let mut state = pipeline.lock();
        let at = state.position(name)?;
        let snapshot = state.collect();
        let old = state.backends.remove(at);
        state.switch();
        state.wake();
        (old, snapshot)
    };
    Some(old.stop(snapshot, until))
}

/// Removes every backend, all at once, within `timeout`. Recording is off afterwards.
///
/// Where nothing can be collected, as [`flush`] tells, it returns at once, with a report that is not `complete`, and all stays as it was.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use std::time::Duration;
///
/// let report = ferrometer::shutdown(Duration::from_secs(2));
/// assert!(report.complete && report.ledgers.is_empty(), "nothing was installed");
/// assert!(!ferrometer::is_on());
/// ```
pub fn shutdown(timeout: Duration) -> FlushReport {
    if reentrancy::is_busy() {
        return FlushReport { complete: false, ledgers: Vec::new() };
    }
    let until = after(timeout);
    read_gauges(timeout);
    let pipeline = pipeline();
    let (old, held, snapshot) = {
        let mut state = pipeline.lock();
        let snapshot = state.collect();
        let old = std::mem::take(&mut state.backends);
        let held = state.held.take();
        state.switch();
        state.wake();
        (old, held, snapshot)
    };
    // All are asked before any is waited for.
    let mut asked = Vec::new();
    for backend in &old {
        asked.push((backend, backend.mail.deliver(Arc::clone(&snapshot), Some(until), true)));
    }
    let mut report = FlushReport { complete: true, ledgers: Vec::new() };
    for (backend, request) in &asked {
        let ledger = backend.wait_stopped(&snapshot, *request, until);
        report.complete &= ledger.dropped[Cause::Removed].is_zero();
        report.ledgers.push(ledger);
    }
    if let Some(held) = held.filter(|_| old.is_empty()) {
        let ledger = held.dropped(&snapshot);
        report.complete = ledger.recorded.is_zero();
        report.ledgers.push(ledger);
    }
    report
}

/// The result of a flush.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FlushReport {
    /// `true` when every backend delivered everything recorded before the call, in time.
    pub complete: bool,
    /// The account of each backend. Recordings that could not be delivered are pending in it, or dropped when the backend was removed.
    pub ledgers: Vec<Ledger>,
}

/// Takes a snapshot now, has every backend deliver it, and waits for them until `timeout` has passed. Everything recorded before the
/// call is in.
///
/// In a fork handler of the program's that runs after ferrometer's, as in an allocator that records, nothing can be collected: it returns at once, and the
/// report is not `complete`.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use std::time::Duration;
///
/// let report = ferrometer::flush(Duration::from_secs(2));
/// if !report.complete {
///     for ledger in &report.ledgers {
///         eprintln!("{ledger}");      // which backend has what pending, and why what was dropped
///     }
/// }
/// ```
// Compiled in the program that calls it: most do not.
#[inline]
pub fn flush(timeout: Duration) -> FlushReport {
    if reentrancy::is_busy() {
        return FlushReport { complete: false, ledgers: Vec::new() };
    }
    let until = after(timeout);
    read_gauges(timeout);
    let mut waiting = Vec::new();
    let mut state = pipeline().lock();
    let snapshot = state.collect();
    for backend in &state.backends {
        if backend.wants.totals {
            let request = backend.mail.deliver(Arc::clone(&snapshot), Some(until), false);
            waiting.push((Arc::clone(&backend.mail), request));
        }
    }
    let held = state.held.as_ref().filter(|_| state.backends.is_empty()).map(|held| held.pending(&snapshot));
    drop(state);
    let mut report = FlushReport { complete: true, ledgers: Vec::new() };
    if let Some(held) = held {
        report.complete = held.pending.is_zero();
        report.ledgers.push(held);
    }
    for (mail, request) in &waiting {
        let in_time = mail.wait(*request, until);
        let ledger = mail.ledger();
        report.complete &= in_time && ledger.pending.is_zero();
        report.ledgers.push(ledger);
    }
    report
}

/// The accounts of the installed backends, each as of its last delivery.
#[must_use]
pub fn ledgers() -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for backend in &pipeline().lock().backends {
        ledgers.push(backend.mail.ledger());
    }
    ledgers
}

/// Returns the datagrams or bodies that a backend would send if it delivered now, byte for byte. Nothing is sent, and no account changes: the next
/// delivery sends the same, and what is recorded until then. Waits for a delivery in progress, until `timeout` has passed.
///
/// # Errors
/// [`PreviewError`]: there is no such backend, it sends nothing, or it was at work until the time was over. Where nothing can be collected, as
/// [`flush`] tells, it is busy at once.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use std::time::Duration;
///
/// let error = ferrometer::preview("influxdb", Duration::from_secs(2)).unwrap_err();
/// assert_eq!(error, ferrometer::PreviewError::NotInstalled("influxdb".to_owned()));
/// ```
// Compiled in the program that calls it: most do not.
#[inline]
pub fn preview(name: &str, timeout: Duration) -> Result<Vec<Preview>, PreviewError> {
    if reentrancy::is_busy() {
        return Err(PreviewError::Busy(name.to_owned()));
    }
    let until = after(timeout);
    read_gauges(timeout);
    let (answer, answered) = shown::answer();
    {
        let mut state = pipeline().lock();
        let at = state.position(name).ok_or_else(|| PreviewError::NotInstalled(name.to_owned()))?;
        if !state.backends[at].wants.totals {
            return Err(PreviewError::NothingSent(name.to_owned()));
        }
        let snapshot = state.collect();
        state.backends[at].mail.ask(snapshot, answer);
    }
    match answered.wait(until) {
        Some(Some(shown)) => Ok(shown),
        Some(None) => Err(PreviewError::NothingSent(name.to_owned())),
        None => Err(PreviewError::Busy(name.to_owned())),
    }
}

/// A snapshot of this moment, for a program that wants to look at its own metrics.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// # ferrometer::hold();
/// let errors = ferrometer::get_logger("shop").counter("errors");
/// errors.increment();
/// let total = |snapshot: &ferrometer::Snapshot| snapshot.totals().get(errors.series().id()).and_then(|total| total.value.net());
/// assert_eq!(total(&ferrometer::snapshot()), Some(1));
/// ```
#[must_use]
pub fn snapshot() -> Arc<Snapshot> {
    read_gauges(Duration::MAX);
    pipeline().lock().collect()
}

/// Starts a thread with the name `ferrometer-NAME`, which takes no signals of the program, and returns when the thread has begun to run. For
/// backends, and for the sources and services around them.
///
/// It blocks all signals but those by which the system tells a thread of its own faults. A thread that it starts inherits that.
///
/// # Errors
/// The error of the system that gave no thread. What was to be run is dropped.
///
/// ```
/// let thread = ferrometer_core::spawn("lookups", || println!("no signal is delivered here"))?;
/// thread.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    // A backend may start one before the first is installed: a child of that moment would wait for a thread that is half born.
    watch_forks();
    threads::spawn(name, work)
}

fn check(interval: Duration) -> Result<(), InstallError> {
    if interval < MIN_INTERVAL { Err(InstallError::Interval(interval)) } else { Ok(()) }
}
