//! The health of a tokio runtime and of its tasks, recorded like any program's metrics.
//!
//! ```
//! use ferrometer_tokio::{RuntimeMetrics, TaskMetrics};
//! use std::time::Duration;
//!
//! let runtime = tokio::runtime::Runtime::new()?;
//! // Records until it is dropped.
//! let metrics = RuntimeMetrics::start("api", runtime.handle(), Duration::from_secs(10));
//!
//! // Tasks of one kind, told apart by a name.
//! let requests = metrics.tasks("request");
//! runtime.block_on(requests.instrument(async { /* … */ }));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Metrics of a runtime (label `runtime`):
//!
//! | metric | kind | |
//! |---|---|---|
//! | `tokio.workers`, `tokio.tasks.live` | gauge | threads of the runtime; tasks that are not finished |
//! | `tokio.queue.global.depth` | gauge | tasks that wait for any worker |
//! | `tokio.busy.ratio`, `tokio.busy.ratio.max` | gauge | share of the interval in which the workers, the busiest worker, did not sleep: 0 to 1 |
//! | `tokio.busy` | counter | time of all workers that they did not sleep, in microseconds |
//! | `tokio.parks` | counter | how often a worker went to sleep |
//!
//! In a program that is built with `--cfg tokio_unstable` there are more, which tokio itself calls unstable:
//!
//! | metric | kind | |
//! |---|---|---|
//! | `tokio.queue.local.depth` | gauge | tasks that wait for one worker |
//! | `tokio.blocking.threads`, `.idle`, `tokio.blocking.queue.depth` | gauge | threads of `spawn_blocking`, and what waits for them |
//! | `tokio.polls`, `tokio.steals`, `tokio.overflows`, `tokio.schedules.local`, `tokio.schedules.remote` | counter | what the scheduler did |
//! | `tokio.budget.yields`, `tokio.io.ready` | counter | tasks that were made to yield; events of the I/O driver |
//! | `tokio.poll.time.mean` | gauge | mean duration of a poll, in seconds |
//!
//! Metrics of the tasks of one name (labels `runtime` and `task`):
//!
//! | metric | kind | |
//! |---|---|---|
//! | `tokio.task.started`, `.finished`, `.polls`, `.polls.slow`, `.scheduled` | counter | slow polls take more than 50 µs |
//! | `tokio.task.busy`, `.idle`, `.waiting`, `.waiting.first` | counter | time in polls, waiting for an event, waiting for a worker, waiting for the first poll; in microseconds |
//!
//! A thread of its own reads all of this, so that a runtime whose workers are all blocked is seen as that.

mod micros;
mod runtime;
mod tasks;

pub use runtime::RuntimeMetrics;
pub use tasks::TaskMetrics;
