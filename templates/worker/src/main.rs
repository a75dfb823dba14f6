//! A worker: it does a job again and again, and says how that goes. Metrics begin with the program's name.

use ferrometer::{Logger, get_logger, init};
use std::error::Error;
use std::time::{Duration, Instant};

/// Time between two jobs.
const EVERY: Duration = Duration::from_secs(1);

/// The job has nothing to do.
#[derive(Debug, PartialEq)]
pub struct Nothing;

/// Does the job once: replace this.
pub fn job(items: u32) -> Result<u32, Nothing> {
    if items == 0 { Err(Nothing) } else { Ok(items * 2) }
}

/// Does the job, and records how often, how long, and with what end.
pub fn measured_job(metrics: &Logger, items: u32) -> Result<u32, Nothing> {
    let _running = metrics.in_flight("jobs.running").enter();
    let begun = Instant::now();
    let result = job(items);
    let metrics = metrics.with("outcome", if result.is_ok() { "ok" } else { "err" });
    metrics.send_counter("jobs", 1);
    metrics.send_timer("job.time", begun.elapsed());
    result
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Variables such as FERROMETER_BACKEND come before what is in the file.
    let metrics = init("metrics.toml")?;
    let logger = get_logger(env!("CARGO_PKG_NAME"));
    let mut every = tokio::time::interval(EVERY);
    let mut end = std::pin::pin!(asked_to_end());
    loop {
        tokio::select! {
            _ = every.tick() => {
                let _ = measured_job(&logger, 1);
            }
            ended = &mut end => {
                ended?;
                break;
            }
        }
    }
    // The last numbers are delivered before the program ends.
    metrics.shutdown_async(Duration::from_secs(2)).await;
    Ok(())
}

/// Waits for Ctrl-C, or for SIGTERM, with which systemd and Kubernetes end a program.
async fn asked_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
