//! The thread that reads and records.

use crate::reading::{Reading, describe};
use ferrometer_core::{Logger, get_logger, is_on};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Shortest interval.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// How often it is looked whether recording has begun.
const LOOK: Duration = Duration::from_millis(20);

/// CPU time that is recorded already, in microseconds. It is the process', no matter who records.
static RECORDED: AtomicU64 = AtomicU64::new(0);
/// The process that it is of: the child of a fork has a copy of its parent's, and begins with no CPU time.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Records the process' own metrics until it is dropped.
#[must_use = "dropped at once, it records nothing"]
pub struct ProcessMetrics(Arc<Signal>);

#[derive(Default)]
struct Signal {
    stop: Mutex<bool>,
    changed: Condvar,
}

impl ProcessMetrics {
    /// Starts to record: at once, or as soon as recording is on, and then each `interval` (100 ms at least).
    ///
    /// A thread that cannot be started is reported through `tracing`; then nothing is recorded.
    pub fn start(interval: Duration) -> ProcessMetrics {
        let signal = Arc::new(Signal::default());
        let theirs = Arc::clone(&signal);
        let run = move || run(&theirs, interval.max(MIN_INTERVAL));
        if let Err(why) = ferrometer_core::spawn("process", run) {
            let message = format!("no thread for the process' metrics, there are none: {why}");
            ferrometer_core::warn("process metrics: no thread", &message);
        }
        ProcessMetrics(signal)
    }
}

impl Drop for ProcessMetrics {
    fn drop(&mut self) {
        *self.0.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

impl fmt::Debug for ProcessMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessMetrics").finish_non_exhaustive()
    }
}

impl Signal {
    /// Waits so long, and returns `true` if recording is to go on.
    fn rest(&self, time: Duration) -> bool {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(stop, time, |stop| !*stop);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn run(signal: &Signal, interval: Duration) {
    let logger = get_logger("process");
    describe(&logger);
    #[cfg(not(target_os = "linux"))]
    let mut system = sysinfo::System::new();
    loop {
        // While recording is off nothing is read.
        let on = is_on();
        if on {
            #[cfg(target_os = "linux")]
            let reading = crate::linux::read();
            #[cfg(not(target_os = "linux"))]
            let reading = crate::other::read(&mut system);
            record(&logger, &reading);
        }
        if !signal.rest(if on { interval } else { LOOK }) {
            return;
        }
    }
}

fn record(logger: &Logger, reading: &Reading) {
    reading.record_gauges(logger);
    let Some(now) = reading.cpu_micros else { return };
    let process = std::process::id();
    if OWNER.swap(process, Relaxed) != process {
        RECORDED.store(0, Relaxed);
    }
    // Another thread may have recorded a later reading already.
    let before = RECORDED.fetch_max(now, Relaxed);
    logger.send_counter("cpu_microseconds", now.saturating_sub(before));
}
