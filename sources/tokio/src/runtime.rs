//! One runtime: a thread that reads its counts at each interval and records them.

use crate::micros::micros;
use crate::tasks::{TaskMetrics, Watched};
use ferrometer_core::{Logger, Unit, get_logger, is_on};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_metrics::RuntimeMonitor;

/// Most names of tasks of one runtime. Tasks of further names are counted together, as `other`.
const MAX_TASK_NAMES: usize = 256;
/// Shortest interval.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Records the health of one runtime until it is dropped.
#[must_use = "dropped at once, it records nothing"]
pub struct RuntimeMetrics(Arc<Shared>);

struct Shared {
    logger: Logger,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    tasks: BTreeMap<String, Watched>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RuntimeMetrics {
    /// Starts to record a runtime, each `interval` (10 ms at least). `name` is the value of the label `runtime`.
    ///
    /// A thread that cannot be started is reported through `tracing`; then nothing is recorded.
    pub fn start(name: &str, runtime: &Handle, interval: Duration) -> RuntimeMetrics {
        let logger = get_logger("tokio").with("runtime", name);
        describe();
        let shared = Arc::new(Shared { logger, state: Mutex::default(), changed: Condvar::new() });
        let (theirs, runtime) = (Arc::clone(&shared), runtime.clone());
        let run = move || run(&theirs, &runtime, interval.max(MIN_INTERVAL));
        if let Err(why) = ferrometer_core::spawn("tokio", run) {
            ferrometer_core::warn(
                "tokio metrics: no thread",
                &format!("no thread for tokio's metrics, there are none: {why}"),
            );
        }
        RuntimeMetrics(shared)
    }

    /// Returns the monitor of the tasks of this name; each future that it instruments is one of them. Calls with one name return one monitor.
    ///
    /// At most 256 names are told apart. Tasks of further names are counted as `other`.
    pub fn tasks(&self, name: &str) -> TaskMetrics {
        let mut state = self.0.lock();
        let name = if state.tasks.len() >= MAX_TASK_NAMES && !state.tasks.contains_key(name) { "other" } else { name };
        if let Some(watched) = state.tasks.get(name) {
            return watched.metrics();
        }
        let watched = Watched::new(self.0.logger.with("task", name));
        let metrics = watched.metrics();
        state.tasks.insert(name.to_owned(), watched);
        metrics
    }
}

impl Drop for RuntimeMetrics {
    fn drop(&mut self) {
        self.0.lock().stop = true;
        self.0.changed.notify_all();
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics").field("logger", &self.0.logger).finish_non_exhaustive()
    }
}

fn describe() {
    let logger = get_logger("tokio");
    for (name, unit, text) in [
        ("workers", Unit::None, "Threads of the runtime"),
        ("tasks.live", Unit::None, "Tasks that are not finished"),
        ("queue.global.depth", Unit::None, "Tasks that wait for any worker"),
        ("busy.ratio", Unit::Ratio, "Share of the interval in which the workers did not sleep"),
        ("busy.ratio.max", Unit::Ratio, "Share of the interval in which the busiest worker did not sleep"),
        ("busy", Unit::Other("microseconds"), "Time of all workers that they did not sleep"),
        ("parks", Unit::None, "How often a worker went to sleep"),
    ] {
        logger.describe(name, unit, text);
    }
}

fn run(shared: &Shared, runtime: &Handle, interval: Duration) {
    let mut readings = RuntimeMonitor::new(runtime).intervals();
    loop {
        let waited = shared.changed.wait_timeout_while(shared.lock(), interval, |state| !state.stop);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.stop {
            // The time since the last interval is recorded too.
            if is_on() {
                record(&shared.logger, readings.next());
                state.tasks.values_mut().for_each(Watched::record);
            }
            return;
        }
        // While recording is off nothing is read: what happens meanwhile is told when it is on again.
        if is_on() {
            state.tasks.values_mut().for_each(Watched::record);
            drop(state);
            record(&shared.logger, readings.next());
        }
    }
}

fn record(logger: &Logger, reading: Option<tokio_metrics::RuntimeMetrics>) {
    let Some(reading) = reading else { return };
    logger.send_gauge("workers", reading.workers_count);
    logger.send_gauge("tasks.live", reading.live_tasks_count);
    logger.send_gauge("queue.global.depth", reading.global_queue_depth);
    let elapsed = reading.elapsed.as_secs_f64();
    if elapsed > 0.0 {
        let workers = reading.workers_count.max(1) as f64;
        // A worker adds its busy time when it goes to sleep: an interval may hold that of the one before.
        let share = |busy: Duration, of: f64| (busy.as_secs_f64() / elapsed / of).min(1.0);
        logger.send_gauge("busy.ratio", share(reading.total_busy_duration, workers));
        logger.send_gauge("busy.ratio.max", share(reading.max_busy_duration, 1.0));
    }
    logger.send_counter("busy", micros(reading.total_busy_duration));
    logger.send_counter("parks", reading.total_park_count);
    #[cfg(tokio_unstable)]
    {
        logger.send_gauge("queue.local.depth", reading.total_local_queue_depth);
        logger.send_gauge("blocking.threads", reading.blocking_threads_count);
        logger.send_gauge("blocking.idle", reading.idle_blocking_threads_count);
        logger.send_gauge("blocking.queue.depth", reading.blocking_queue_depth);
        logger.send_counter("polls", reading.total_polls_count);
        logger.send_counter("steals", reading.total_steal_count);
        logger.send_counter("overflows", reading.total_overflow_count);
        logger.send_counter("schedules.local", reading.total_local_schedule_count);
        logger.send_counter("schedules.remote", reading.num_remote_schedules);
        logger.send_counter("budget.yields", reading.budget_forced_yield_count);
        logger.send_counter("io.ready", reading.io_driver_ready_count);
        logger.send_gauge("poll.time.mean", reading.mean_poll_duration.as_secs_f64());
    }
}
