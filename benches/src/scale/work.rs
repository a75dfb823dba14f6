//! The work that points share: this many counters with one label, recorded on by this many threads, and a backend that knows its own time.

use super::At;
use crate::drive::thread_cpu_ns;
use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView, Wants};
use ferrometer::{Counter, Limits, get_logger};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than any point takes: what is delivered is flushed.
pub const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Sets limits that leave room for this many.
pub fn roomy(series: u64, threads: usize) {
    let mut limits = Limits::default();
    limits.max_instruments = series as usize + 1_000;
    limits.max_label_sets = series as usize + 1_000;
    limits.max_threads = threads + 16;
    limits.max_cell_bytes = 1 << 36;
    ferrometer_core::configure(Default::default(), limits, Vec::new());
}

/// Returns the counters `app.requests` with one label, `id`.
pub fn counters(series: u64) -> Vec<Counter> {
    let logger = get_logger("app");
    (0..series).map(|i| logger.with("id", &format!("{i:07}")).counter("requests")).collect()
}

/// Threads that record, each on a part of the series of its own, and live as long as this.
pub struct Crew {
    steps: Arc<[Barrier; 2]>,
    changed: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

const END: u64 = u64::MAX;

impl Crew {
    /// Starts the threads.
    pub fn start(at: &At) -> Crew {
        let counters = Arc::new(counters(at.series));
        let steps = Arc::new([Barrier::new(at.threads + 1), Barrier::new(at.threads + 1)]);
        let changed = Arc::new(AtomicU64::new(0));
        let part = at.series.div_ceil(at.threads as u64);
        let spawn = |n: usize| {
            let (counters, steps, changed) = (Arc::clone(&counters), Arc::clone(&steps), Arc::clone(&changed));
            let range = (part * n as u64).min(at.series)..(part * (n as u64 + 1)).min(at.series);
            let record = move || loop {
                steps[0].wait();
                match changed.load(Relaxed) {
                    END => return,
                    // This many of 1,000, evenly spread: hardly a block of series is left alone, which is the worst case.
                    share => range
                        .clone()
                        .filter(|i| i * share % 1000 < share)
                        .for_each(|i| counters[i as usize].increment()),
                }
                steps[1].wait();
            };
            thread::Builder::new().stack_size(128 << 10).spawn(record).expect("a thread")
        };
        let threads = (0..at.threads).map(spawn).collect();
        Crew { steps, changed, threads }
    }

    /// Has this many of 1,000 series recorded on, once. It returns when that is done.
    pub fn record(&self, share: u64) {
        self.changed.store(share, Relaxed);
        self.steps.iter().for_each(|step| {
            step.wait();
        });
    }

    pub fn end(self) {
        self.changed.store(END, Relaxed);
        self.steps[0].wait();
        self.threads.into_iter().for_each(|thread| thread.join().expect("a recording thread"));
    }
}

/// Returns how many series a round of [`Crew::record`] changes.
pub fn changes(at: &At) -> u64 {
    (0..at.series).filter(|i| i * at.changed % 1000 < at.changed).count() as u64
}

/// A backend, and the CPU time that each of its calls took.
pub struct Timed {
    inner: Box<dyn Backend>,
    took: Arc<Mutex<Vec<u64>>>,
}

impl Timed {
    pub fn new(inner: Box<dyn Backend>) -> (Timed, Arc<Mutex<Vec<u64>>>) {
        let took = Arc::default();
        (Timed { inner, took: Arc::clone(&took) }, took)
    }
}

impl Backend for Timed {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let start = thread_cpu_ns();
        let delivered = self.inner.publish(view);
        self.took.lock().expect("no panic").push(thread_cpu_ns() - start);
        delivered
    }

    fn wants(&self) -> Wants {
        self.inner.wants()
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        self.inner.flush(view, deadline)
    }
}

/// Delivers all that was recorded.
pub fn flush() {
    assert!(ferrometer::flush(Duration::from_secs(120)).complete, "all is delivered");
}
