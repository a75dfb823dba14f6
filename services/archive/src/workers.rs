//! The threads that apply what waits and store what changed.

use crate::Error;
use crate::believed::Believed;
use crate::shards::Shards;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks for metrics that outlived their policy's time to live.
const EXPIRE_EVERY: Duration = Duration::from_secs(300);

/// Threads of an archive.
pub(crate) struct Workers {
    stopped: Arc<AtomicBool>,
    shards: Arc<Shards>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub fn start(shared: &Arc<Shared>) -> Result<Workers, Error> {
        let stopped = Arc::new(AtomicBool::new(false));
        let mut workers = Workers { stopped, shards: Arc::clone(&shared.shards), threads: Vec::new() };
        for number in 0..shared.options.workers.max(1) {
            let (shared, stopped) = (Arc::clone(shared), Arc::clone(&workers.stopped));
            let name = format!("archive-{number}");
            workers.threads.push(ferrometer_threads::spawn(&name, move || work(&shared, &stopped, number == 0))?);
        }
        Ok(workers)
    }

    /// Ends the threads, and waits for them.
    pub fn stop(&mut self) {
        self.stopped.store(true, Relaxed);
        self.shards.wake();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, stopped: &AtomicBool, stores: bool) {
    let (mut stored, mut expired) = (Instant::now(), Instant::now());
    let mut clock = Believed::new();
    let mut failed = Instant::now().checked_sub(Duration::from_secs(60));
    while !stopped.load(Relaxed) {
        let metrics = shared.shards.next();
        let applied = shared.apply(&metrics).inspect_err(|_| shared.shards.again(&metrics));
        let result = applied.and_then(|()| {
            if stores && shared.should_store(stored) {
                stored = Instant::now();
                shared.store(false)?;
            }
            if stores && expired.elapsed() > EXPIRE_EVERY {
                expired = Instant::now();
                shared.expire(clock.now())?;
            }
            Ok(())
        });
        if let Err(error) = result {
            // One line a minute; the disk is asked again a little later.
            if failed.is_none_or(|at| at.elapsed() >= Duration::from_secs(60)) {
                tracing::warn!(%error, "the archive cannot store; what is acknowledged stays in the log");
                failed = Some(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
