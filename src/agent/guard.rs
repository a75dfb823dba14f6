//! The guard of an agent's metrics, and what it shares with the thread that asks.

use super::status::Status;
use crate::background::Background;
use crate::config::Config;
use crate::error::Error;
use crate::init::{self, Metrics};
use ferrometer_core::FlushReport;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// How often the end looks whether an answer is still being applied.
const STEP: Duration = Duration::from_millis(2);

/// State of the guard and of the thread that asks.
pub(super) struct Shared {
    /// Configuration in force; held while an answer is applied.
    metrics: Mutex<Option<Metrics>>,
    noted: Mutex<Noted>,
    noticed: Condvar,
    ended: AtomicBool,
    /// The guard has ended while an answer was being applied: the thread that applies it ends recording.
    is_left_to_thread: AtomicBool,
}

#[derive(Default)]
struct Noted {
    status: Status,
    /// Somebody wants the conductor asked now.
    is_asked: bool,
    shutdown_deadline: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(metrics: Metrics, base: &Config, uuid: Option<String>) -> Shared {
        let status = Status { uuid, backends: base.backends().to_vec(), ..Status::default() };
        Shared {
            metrics: Mutex::new(Some(metrics)),
            noted: Mutex::new(Noted { status, is_asked: false, shutdown_deadline: base.shutdown_deadline }),
            noticed: Condvar::new(),
            ended: AtomicBool::new(false),
            is_left_to_thread: AtomicBool::new(false),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }

    pub(super) fn uuid(&self) -> Option<String> {
        lock(&self.noted).status.uuid.clone()
    }

    fn note(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut lock(&self.noted));
        self.noticed.notify_all();
    }

    /// Notes a lookup that brought nothing.
    pub(super) fn failed(&self, why: &str) {
        self.note(|noted| {
            noted.status.lookups += 1;
            noted.status.failures += 1;
            noted.status.error = Some(why.to_owned());
        });
    }

    /// Notes an answer that says what the last one said.
    pub(super) fn unchanged(&self, uuid: Option<String>, ignored: Vec<String>) {
        self.note(|noted| {
            noted.status.lookups += 1;
            (noted.status.uuid, noted.status.ignored, noted.status.error) = (uuid, ignored, None);
        });
    }

    /// Notes an answer that is in force.
    pub(super) fn changed(&self, uuid: Option<String>, backends: &[String], ignored: Vec<String>) {
        self.unchanged(uuid, ignored);
        self.note(|noted| {
            noted.status.changes += 1;
            noted.status.backends = backends.to_vec();
        });
    }

    /// Puts a configuration in the place of the one in force; `false` when that is somebody else's by now, or the guard has ended.
    pub(super) fn replace(&self, config: &Config) -> Result<bool, Error> {
        let mut metrics = lock(&self.metrics);
        let Some(before) = metrics.as_ref() else { return Ok(false) };
        let Some(now) = init::put_in_force_after(before, config)? else { return Ok(false) };
        // The guard before does nothing any more.
        *metrics = Some(now);
        drop(metrics);
        self.note(|noted| noted.shutdown_deadline = config.shutdown_deadline);
        crate::report::in_force(config);
        Ok(true)
    }

    /// Waits until it is time to ask again, or somebody wants it, or the guard ends.
    pub(super) fn wait(&self, time: Duration) {
        let Some(until) = Instant::now().checked_add(time) else { return };
        let mut noted = lock(&self.noted);
        while !self.is_ended() && !std::mem::take(&mut noted.is_asked) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            noted = self.noticed.wait_timeout(noted, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends recording, and says what was delivered; `None` when an answer is still being applied at the deadline: then the thread that
    /// applies it ends recording.
    pub(super) fn end(&self, deadline: Duration) -> Option<FlushReport> {
        let until = Instant::now() + deadline.min(Duration::from_secs(365 * 24 * 3600));
        self.ended.store(true, SeqCst);
        // Under the lock, so that the thread does not begin to wait between its look and this.
        self.note(|_| {});
        loop {
            let metrics = match self.metrics.try_lock() {
                Ok(mut metrics) => metrics.take(),
                Err(TryLockError::Poisoned(metrics)) => metrics.into_inner().take(),
                // Once more after it is told: the thread looks for that when it has let go of the lock.
                Err(TryLockError::WouldBlock) if self.is_left_to_thread.load(SeqCst) => return None,
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    self.is_left_to_thread.store(true, SeqCst);
                    continue;
                }
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(STEP);
                    continue;
                }
            };
            return metrics.map(|metrics| metrics.shutdown(until.saturating_duration_since(Instant::now())));
        }
    }

    /// Ends recording, when the guard has gone without it.
    pub(super) fn end_in_thread(&self) {
        if self.is_left_to_thread.load(SeqCst) {
            drop(lock(&self.metrics).take());
        }
    }

    fn wait_for(&self, timeout: Duration, is_so: impl Fn(&Status) -> bool) -> bool {
        let until = Instant::now().checked_add(timeout);
        let mut noted = lock(&self.noted);
        loop {
            if is_so(&noted.status) {
                return true;
            }
            let left = until.map_or(timeout, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            noted = self.noticed.wait_timeout(noted, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The guard of an agent's metrics. Dropping it ends the lookups, delivers what is pending within `shutdown_deadline` (2 s unless configured), and switches
/// recording off; keep it until the end of `main`. Dropping it, [`flush`](Agent::flush) and [`wait_configured`](Agent::wait_configured) wait: in an async
/// program call them where waiting is allowed (`spawn_blocking`).
///
/// A program that calls [`init`](crate::init()) later has taken over: the lookups end, and the guard does nothing any more. In the child of a fork
/// nothing is asked; it calls [`agent::init`](super::init()) itself.
#[must_use = "recording ends when this is dropped; `let _ = …` drops it at once"]
pub struct Agent {
    shared: Arc<Shared>,
}

impl Agent {
    pub(super) fn new(shared: Arc<Shared>) -> Agent {
        Agent { shared }
    }

    /// Returns how the lookups went so far.
    #[must_use]
    pub fn status(&self) -> Status {
        lock(&self.shared.noted).status.clone()
    }

    /// Waits until a configuration of the conductor is in force; `false` when none was in time. A program that need not wait for it should not:
    /// nothing is lost meanwhile.
    pub fn wait_configured(&self, timeout: Duration) -> bool {
        self.shared.wait_for(timeout, Status::is_configured)
    }

    /// Has the conductor asked now, and not at the end of the interval: for a program that was told that something has changed.
    pub fn look_up(&self) {
        self.shared.note(|noted| noted.is_asked = true);
    }

    /// Delivers everything recorded before the call, and says whether that was achieved. Before the first answer it was not: all is pending.
    pub fn flush(&self, timeout: Duration) -> FlushReport {
        ferrometer_core::flush(timeout)
    }

    /// Does what [`shutdown`](Agent::shutdown) does without blocking the thread, as [`Metrics::shutdown_async`] does.
    pub fn shutdown_async(self, timeout: Duration) -> impl Future<Output = FlushReport> + Send + 'static {
        Background::start("shutdown", move || self.shutdown(timeout))
    }

    /// Ends lookups and recording like dropping the guard, and says what was delivered and what was not.
    pub fn shutdown(self, timeout: Duration) -> FlushReport {
        self.shared.end(timeout).unwrap_or_else(|| ferrometer_core::flush(Duration::ZERO))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let timeout = lock(&self.shared.noted).shutdown_deadline;
        self.shared.end(timeout);
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("status", &self.status()).finish_non_exhaustive()
    }
}
