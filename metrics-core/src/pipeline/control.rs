//! The pipeline: which backends are installed, the collector's thread that feeds them, and the switch.
//!
//! Cumulative snapshots flow from the collector to each backend's mail; nothing flows back but accounts. The pipeline's lock is held
//! while a snapshot is taken and handed out, never while a backend works.

use crate::collect::collector::Collector;
use crate::collect::ledger::{Amount, Cause, Ledger};
use crate::collect::sample_batch::SampleBatch;
use crate::collect::snapshot::Snapshot;
use crate::deliver::backend::{Backend, Wants};
use crate::deliver::cursor::Cursor;
use crate::deliver::mailbox::Mailbox;
use crate::deliver::worker::Worker;
use crate::naming::name::Naming;
use crate::pipeline::fork;
use crate::record::clock::Calibration;
use crate::record::enabled;
use crate::registry;
use crate::registry::LoggerRule;
use crate::registry::limits;
use crate::registry::limits::Limits;
use crate::storage::collector_waker;
use crate::sync::diagnostics;
use crate::sync::publish_once;
use std::fmt;
use std::sync::atomic::{AtomicPtr, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The shortest interval of a backend.
pub const MIN_INTERVAL: Duration = Duration::from_millis(1);

struct Installed {
    name: String,
    interval: Duration,
    wants: Wants,
    mail: Arc<Mailbox>,
    due: Instant,
    /// So many single values are held for it that they are delivered before the interval ends.
    is_filling: bool,
    /// The sum of all totals at the installation.
    base: Amount,
}

struct State {
    backends: Vec<Installed>,
    collector: Collector,
    naming: Arc<Naming>,
    /// Ticks are multiples of intervals from here, so that backends with the same interval see the same snapshots.
    epoch: Instant,
    /// The collector's thread.
    collector_thread: Option<Thread>,
    refused: registry::Refused,
}

struct Pipeline {
    state: Mutex<State>,
}

/// Replaced after a fork, where the threads of the old one do not exist.
static PIPELINE: AtomicPtr<Pipeline> = AtomicPtr::new(std::ptr::null_mut());

fn pipeline() -> &'static Pipeline {
    // SAFETY: the pointer is null or was published below; it is never freed.
    if let Some(pipeline) = unsafe { PIPELINE.load(Acquire).as_ref() } {
        return pipeline;
    }
    let made = Pipeline {
        state: Mutex::new(State {
            backends: Vec::new(),
            collector: Collector::default(),
            naming: Arc::new(Naming::default()),
            epoch: Instant::now(),
            collector_thread: None,
            refused: registry::Refused::default(),
        }),
    };
    // SAFETY: as at the top.
    unsafe { &*publish_once::publish(&PIPELINE, std::ptr::null_mut(), made) }
}

/// Forgets the pipeline of the parent process.
pub(crate) fn forget() {
    PIPELINE.store(std::ptr::null_mut(), Release);
    collector_waker::set_collector(None);
}

impl Pipeline {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallError::NameTaken(name) => {
                write!(f, "a backend named {name:?} is installed already; replace it, or give another name")
            }
            InstallError::Interval(found) => {
                write!(f, "an interval of {found:?} is too short; at least {MIN_INTERVAL:?} is allowed")
            }
            InstallError::Thread(error) => write!(f, "no thread for a backend: {error}"),
        }
    }
}

impl std::error::Error for InstallError {}

/// Sets how names begin, the limits and the logger rules. Series and handles made before follow at once; backends installed
/// before keep their naming, so configure first and install after.
pub fn configure(naming: Naming, limits: Limits, rules: Vec<LoggerRule>) {
    registry::configure(limits.clamped(), rules);
    pipeline().lock().naming = Arc::new(naming);
}

/// Installs a backend, called every `interval` on a thread of its own. It sees what is recorded from now on.
///
/// # Errors
/// [`InstallError`] when the name is taken, the interval is too short, or there is no thread.
pub fn install(name: &str, backend: Box<dyn Backend>, interval: Duration) -> Result<(), InstallError> {
    check(interval)?;
    let wants = backend.wants();
    let pipeline = pipeline();
    let mut state = pipeline.lock();
    if state.position(name).is_some() {
        return Err(InstallError::NameTaken(name.to_owned()));
    }
    let snapshot = state.collect();
    state.start(pipeline, name, backend, wants, interval, &snapshot)
}

/// Puts a backend in the place of the one with the same name, or installs it. The old one gets everything up to one snapshot, the new
/// one everything after it. Returns the old one's last account.
///
/// # Errors
/// As for [`install`]; the old backend stays when the new one cannot be started.
pub fn replace(
    name: &str,
    backend: Box<dyn Backend>,
    interval: Duration,
    deadline: Duration,
) -> Result<Option<Ledger>, InstallError> {
    check(interval)?;
    let wants = backend.wants();
    let until = after(deadline);
    let pipeline = pipeline();
    let mut state = pipeline.lock();
    let snapshot = state.collect();
    let old = state.position(name);
    state.start(pipeline, name, backend, wants, interval, &snapshot)?;
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

/// Removes a backend: delivers what is pending within `deadline`, and drops what is left. Returns its last account, or
/// `None` when there is no such backend.
pub fn remove(name: &str, deadline: Duration) -> Option<Ledger> {
    let until = after(deadline);
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

/// Removes every backend, all at once, within `deadline`. Recording is off afterwards.
pub fn shutdown(deadline: Duration) -> FlushReport {
    let until = after(deadline);
    let pipeline = pipeline();
    let (old, snapshot) = {
        let mut state = pipeline.lock();
        let snapshot = state.collect();
        let old = std::mem::take(&mut state.backends);
        state.switch();
        state.wake();
        (old, snapshot)
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
    report
}

/// What a flush achieved.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FlushReport {
    /// Whether every backend delivered everything recorded before the call, in time.
    pub complete: bool,
    /// The account of each backend. What could not be delivered is pending in it, or dropped when the backend was removed.
    pub ledgers: Vec<Ledger>,
}

/// Takes a snapshot now, has every backend deliver it, and waits for them until `deadline` has passed. Everything recorded before the
/// call is in.
pub fn flush(deadline: Duration) -> FlushReport {
    let until = after(deadline);
    let mut waiting = Vec::new();
    let mut state = pipeline().lock();
    let snapshot = state.collect();
    for backend in &state.backends {
        if backend.wants.totals {
            let request = backend.mail.deliver(Arc::clone(&snapshot), Some(until), false);
            waiting.push((Arc::clone(&backend.mail), request));
        }
    }
    drop(state);
    let mut report = FlushReport { complete: true, ledgers: Vec::new() };
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

/// A snapshot of this moment, for a program that wants to look at its own metrics.
#[must_use]
pub fn snapshot() -> Arc<Snapshot> {
    pipeline().lock().collect()
}

/// The moment so long from now; what is too far away for the clock as a year.
fn after(deadline: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(deadline).unwrap_or(now + Duration::from_secs(365 * 24 * 3600))
}

fn check(interval: Duration) -> Result<(), InstallError> {
    if interval < MIN_INTERVAL { Err(InstallError::Interval(interval)) } else { Ok(()) }
}

impl Installed {
    fn is_due(&self, now: Instant) -> bool {
        self.wants.totals && (self.due <= now || self.is_filling)
    }

    fn stop(&self, snapshot: Arc<Snapshot>, until: Instant) -> Ledger {
        let request = self.mail.deliver(Arc::clone(&snapshot), Some(until), true);
        self.wait_stopped(&snapshot, request, until)
    }

    /// Waits for the last delivery. When it does not end in time, everything since the last account is dropped in it.
    fn wait_stopped(&self, snapshot: &Snapshot, request: u64, until: Instant) -> Ledger {
        if !self.wants.totals || self.mail.wait(request, until) {
            return self.mail.ledger();
        }
        let recorded = snapshot.recorded.minus(self.base);
        self.mail.close(Box::new(|ledger| {
            let mut left = ledger.pending;
            left += recorded.minus(ledger.recorded);
            ledger.dropped[Cause::Removed] += left;
            ledger.pending = Amount::default();
            ledger.recorded = recorded;
        }))
    }
}

impl State {
    /// A snapshot; the single values drained on the way are held for whoever wants them.
    fn collect(&mut self) -> Arc<Snapshot> {
        let (snapshot, segment) = self.collector.collect();
        self.buffer_samples(segment);
        if self.has(|b| b.is_filling) {
            self.wake();
        }
        snapshot
    }

    /// Holds single values for whoever wants them. Where they become many, the backend's delivery is due at once.
    fn buffer_samples(&mut self, segment: Arc<SampleBatch>) {
        for backend in &mut self.backends {
            if backend.wants.singles {
                backend.is_filling |= backend.mail.buffer_samples(&segment);
            }
        }
    }

    /// Which backend has this name.
    fn position(&self, name: &str) -> Option<usize> {
        self.backends.iter().position(|b| b.name == name)
    }

    /// Whether one of the backends is such.
    fn has(&self, is_such: fn(&Installed) -> bool) -> bool {
        self.backends.iter().any(is_such)
    }

    /// Has the collector's thread look at what there is to do.
    fn wake(&self) {
        if let Some(thread) = &self.collector_thread {
            thread.unpark();
        }
    }

    fn start(
        &mut self,
        pipeline: &'static Pipeline,
        name: &str,
        backend: Box<dyn Backend>,
        wants: Wants,
        interval: Duration,
        snapshot: &Arc<Snapshot>,
    ) -> Result<(), InstallError> {
        fork::watch();
        let mail = Arc::new(Mailbox::new(name, limits::current().max_held_values));
        if wants.totals {
            let runner = Worker {
                name: name.to_owned(),
                backend,
                mail: Arc::clone(&mail),
                naming: Arc::clone(&self.naming),
                cursor: Cursor::at(snapshot),
                memory: Vec::new(),
            };
            spawn(name, Box::new(move || runner.run())).map_err(InstallError::Thread)?;
            if self.collector_thread.is_none() {
                match spawn("collector", Box::new(move || collect_for_ever(pipeline))) {
                    Ok(collector) => {
                        collector_waker::set_collector(Some(collector.clone()));
                        self.collector_thread = Some(collector);
                    }
                    Err(error) => {
                        mail.deliver(Arc::clone(snapshot), None, true);
                        return Err(InstallError::Thread(error));
                    }
                }
            }
        }
        let due = next_tick(self.epoch, interval, Instant::now());
        let (name, base) = (name.to_owned(), snapshot.recorded);
        self.backends.push(Installed { name, interval, wants, mail, due, is_filling: false, base });
        self.switch();
        self.wake();
        Ok(())
    }

    /// Sets the switch to what the installed backends want.
    fn switch(&self) {
        enabled::switch(enabled::BACKENDS, self.has(|b| b.wants.totals));
        enabled::switch(enabled::SINGLES, self.has(|b| b.wants.singles));
    }

    /// One turn of the collector's thread: delivers what is due, else drains what is wanted one by one. Returns how long to sleep (`None`:
    /// until it is woken), and what is to be logged when the lock is released.
    fn turn(&mut self) -> (Option<Duration>, Vec<(&'static str, String)>) {
        let now = Instant::now();
        if !self.is_due(now) && self.wants_singles() {
            let segment = self.collector.drain();
            self.buffer_samples(segment);
        }
        let mut messages = Vec::new();
        if self.is_due(now) {
            let snapshot = self.collect();
            for backend in &mut self.backends {
                if !backend.is_due(now) {
                    continue;
                }
                backend.mail.deliver(Arc::clone(&snapshot), None, false);
                backend.due = next_tick(self.epoch, backend.interval, now);
                backend.is_filling = false;
            }
            messages = self.report();
        }
        let mut next: Option<Instant> = None;
        for backend in &self.backends {
            if backend.wants.totals && next.is_none_or(|next| backend.due < next) {
                next = Some(backend.due);
            }
        }
        // Rings need no other call: who fills one rings the bell.
        (next.map(|due| due.saturating_duration_since(Instant::now())), messages)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.backends.iter().any(|b| b.is_due(now))
    }

    fn wants_singles(&self) -> bool {
        self.has(|b| b.wants.singles)
    }

    /// What recordings could not say themselves: causes and messages.
    fn report(&mut self) -> Vec<(&'static str, String)> {
        let now = registry::refused();
        let before = std::mem::replace(&mut self.refused, now);
        let mut messages = Vec::new();
        for (limit, more) in [
            ("max_loggers", now.loggers > before.loggers),
            ("max_instruments", now.instruments > before.instruments),
            ("max_label_sets", now.label_sets > before.label_sets),
        ] {
            if more {
                let what = "is reached: what is new is recorded in ferrometer.overflow";
                messages.push((limit, format!("the limit {limit} {what}")));
            }
        }
        if now.long_names > before.long_names {
            let what = "names longer than 2048 bytes, ids of objects longer than 128, and more or longer labels than a logger can have";
            messages.push(("long names", format!("{what}, are recorded in ferrometer.overflow")));
        }
        if now.reentrant > before.reentrant {
            let what = "recordings from within a registration (a global allocator that records?) are turned away";
            messages.push(("reentrant", what.to_owned()));
        }
        if now.bad_rates > before.bad_rates {
            let rate = now.bad_rate_example;
            let what = "is not in (0, 1]; such calls are recorded unsampled";
            messages.push(("bad rates", format!("a sample rate of {rate} {what}")));
        }
        messages
    }
}

/// Starts a thread. What it does is boxed, so that there is one such function.
fn spawn(name: &str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<Thread> {
    let thread = thread::Builder::new().name(format!("ferrometer-{name}")).spawn(work)?;
    Ok(thread.thread().clone())
}

/// The first tick after `now`. Ticks that passed while nobody looked (a suspended machine) are not made up for.
fn next_tick(epoch: Instant, interval: Duration, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(epoch).as_nanos() / interval.as_nanos().max(1);
    let nanos = (passed + 1).saturating_mul(interval.as_nanos());
    epoch.checked_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))).unwrap_or_else(|| after(interval))
}

fn collect_for_ever(pipeline: &'static Pipeline) {
    let mut calibration = Calibration::begin();
    loop {
        let mut state = pipeline.lock();
        if !state.has(|b| b.wants.totals) {
            collector_waker::set_collector(None);
            state.collector_thread = None;
            return;
        }
        let (sleep, messages) = state.turn();
        drop(state);
        if !messages.is_empty() {
            for (cause, message) in &messages {
                diagnostics::warn(cause, message);
            }
            // Time has passed, and what was found may no longer be so.
            continue;
        }
        let sleep = match (sleep, calibration.step()) {
            (Some(due), Some(step)) => Some(due.min(step)),
            (due, step) => due.or(step),
        };
        // Who woke it since it took the lock has it look again at once.
        match sleep {
            Some(sleep) => thread::park_timeout(sleep),
            None => thread::park(),
        }
    }
}
