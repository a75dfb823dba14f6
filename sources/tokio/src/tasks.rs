//! Tasks of one name: a monitor that instruments futures, and the counts that are recorded of them.

use crate::micros::micros;
use ferrometer_core::Logger;
use std::fmt;
use std::future::Future;
use tokio_metrics::TaskMonitor;

/// Instruments futures as tasks of one name, made by [`RuntimeMetrics::tasks`](crate::RuntimeMetrics::tasks). A clone is the same monitor.
#[derive(Clone)]
pub struct TaskMetrics(TaskMonitor);

impl TaskMetrics {
    /// Returns a future that does what `task` does, and is counted while it does it.
    ///
    /// ```
    /// # use ferrometer_tokio::RuntimeMetrics;
    /// # use std::time::Duration;
    /// # let runtime = tokio::runtime::Runtime::new()?;
    /// let metrics = RuntimeMetrics::start("api", runtime.handle(), Duration::from_secs(10));
    /// let request = metrics.tasks("request");
    /// let answer = runtime.spawn(request.instrument(async { 42 }));
    /// assert_eq!(runtime.block_on(answer)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn instrument<F: Future>(&self, task: F) -> impl Future<Output = F::Output> + use<F> {
        self.0.instrument(task)
    }
}

impl fmt::Debug for TaskMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskMetrics").finish_non_exhaustive()
    }
}

/// Tasks of one name, as they are read at each interval.
pub(crate) struct Watched {
    logger: Logger,
    monitor: TaskMonitor,
    readings: Box<dyn Iterator<Item = tokio_metrics::TaskMetrics> + Send>,
}

impl Watched {
    pub(crate) fn new(logger: Logger) -> Watched {
        let monitor = TaskMonitor::new();
        let readings = Box::new(monitor.intervals());
        Watched { logger, monitor, readings }
    }

    pub(crate) fn metrics(&self) -> TaskMetrics {
        TaskMetrics(self.monitor.clone())
    }

    pub(crate) fn record(&mut self) {
        let Some(reading) = self.readings.next() else { return };
        for (name, count) in [
            ("task.started", reading.instrumented_count),
            ("task.finished", reading.dropped_count),
            ("task.polls", reading.total_poll_count),
            ("task.polls.slow", reading.total_slow_poll_count),
            ("task.scheduled", reading.total_scheduled_count),
            ("task.busy", micros(reading.total_poll_duration)),
            ("task.idle", micros(reading.total_idle_duration)),
            ("task.waiting", micros(reading.total_scheduled_duration)),
            ("task.waiting.first", micros(reading.total_first_poll_delay)),
        ] {
            self.logger.send_counter(name, count);
        }
    }
}
