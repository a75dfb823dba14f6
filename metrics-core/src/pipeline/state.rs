//! The pipeline itself: the backends, the collector, and the thread that collects and hands out.

use crate::collect::calibration::Calibration;
use crate::collect::collector::Collector;
use crate::collect::sample_batch::SampleBatch;
use crate::collect::snapshot::Snapshot;
use crate::deliver::backend::{Backend, Wants};
use crate::deliver::cursor::Cursor;
use crate::deliver::mailbox::Mailbox;
use crate::deliver::worker::Worker;
use crate::instrument::observed;
use crate::naming::prefix::Naming;
use crate::pipeline::held::Held;
use crate::pipeline::installed::Installed;
use crate::pipeline::{fork, readings, reports, threads};
use crate::record::enabled;
use crate::record::skipped;
use crate::registry::{limits, overflow};
use crate::storage::collector_waker;
use crate::sync::wiped::Wiped;
use crate::sync::{diagnostics, publish_once};
use std::io;
use std::sync::atomic::{AtomicPtr, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

pub(super) struct State {
    pub(super) backends: Vec<Installed>,
    /// Where backends to come begin, if that is not when they come.
    pub(super) held: Option<Held>,
    collector: Collector,
    pub(super) naming: Arc<Naming>,
    /// Ticks are multiples of intervals from here, so that backends with the same interval see the same snapshots.
    epoch: Instant,
    /// The collector's thread.
    collector_thread: Option<Thread>,
    refused: overflow::Refused,
}

pub(super) struct Pipeline {
    state: Mutex<State>,
}

/// Replaced after a fork, where the threads of the old one do not exist.
// SAFETY: a child finds that there is none.
static PIPELINE: Wiped<AtomicPtr<Pipeline>> = unsafe { Wiped::new(AtomicPtr::new(std::ptr::null_mut())) };

pub(super) fn pipeline() -> &'static Pipeline {
    // SAFETY: the pointer is null or was published below; it is never freed.
    if let Some(pipeline) = unsafe { PIPELINE.load(Acquire).as_ref() } {
        return pipeline;
    }
    let made = Pipeline {
        state: Mutex::new(State {
            backends: Vec::new(),
            held: None,
            collector: Collector::default(),
            naming: Arc::new(Naming::default()),
            epoch: Instant::now(),
            collector_thread: None,
            refused: overflow::Refused::default(),
        }),
    };
    // SAFETY: as at the top.
    unsafe { &*publish_once::publish(&PIPELINE, std::ptr::null_mut(), made) }
}

/// Forgets the pipeline of the parent process.
fn forget() {
    PIPELINE.store(std::ptr::null_mut(), Release);
    collector_waker::set_collector(None);
    readings::forget();
}

/// Has a fork find no lock of ours taken, from now on.
pub(super) fn watch_forks() {
    fork::watch(forget);
}

/// Has observed gauges asked for before a collection, for at most as long as `deadline`. Not with the pipeline's lock in hand.
pub(super) fn read_gauges(deadline: Duration) {
    if observed::any() {
        fork::watch(forget);
        readings::round(deadline);
    }
}

impl Pipeline {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a snapshot. The single values drained on the way are held for the backends that want them.
    pub(super) fn collect(&mut self) -> Arc<Snapshot> {
        // This thread tells what it knows of its own calls. Others do at their next hit, or when they end.
        skipped::count();
        let (snapshot, segment) = self.collector.collect();
        self.buffer_samples(segment);
        if self.has(|b| b.is_filling) {
            self.wake();
        }
        snapshot
    }

    /// Holds single values for the backends that want them. Where they become many, the backend's delivery is due at once.
    fn buffer_samples(&mut self, segment: Arc<SampleBatch>) {
        for backend in &mut self.backends {
            if backend.wants.singles {
                backend.is_filling |= backend.mail.buffer_samples(&segment);
            }
        }
        if let Some(held) = &self.held {
            held.keep(&segment);
        }
    }

    /// Which backend has this name.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.backends.iter().position(|b| b.name == name)
    }

    /// Returns whether one of the backends is such.
    fn has(&self, is_such: fn(&Installed) -> bool) -> bool {
        self.backends.iter().any(is_such)
    }

    /// Has the collector's thread look at what there is to do.
    pub(super) fn wake(&self) {
        if let Some(thread) = &self.collector_thread {
            thread.unpark();
        }
    }

    pub(super) fn start(
        &mut self,
        pipeline: &'static Pipeline,
        name: &str,
        backend: Box<dyn Backend>,
        wants: Wants,
        interval: Duration,
        snapshot: &Arc<Snapshot>,
    ) -> io::Result<()> {
        PIPELINE.wipe_in_children();
        fork::watch(forget);
        let mail = Arc::new(Mailbox::new(name, limits::current().max_held_values));
        let held = self.held.as_ref().filter(|_| self.position(name).is_none());
        let begin = held.map_or(snapshot, |held| &held.since);
        let kept = held.filter(|_| wants.singles).map(|held| held.mail.held()).unwrap_or_default();
        for segment in &kept {
            mail.buffer_samples(segment);
        }
        let base = begin.recorded;
        if wants.totals {
            let runner = Worker {
                name: name.to_owned(),
                backend,
                mail: Arc::clone(&mail),
                naming: Arc::clone(&self.naming),
                cursor: Cursor::at(begin),
                memory: Vec::new(),
            };
            threads::spawn(name, move || runner.run())?;
            if self.collector_thread.is_none() {
                match threads::spawn("collector", move || collect_for_ever(pipeline)) {
                    Ok(collector) => {
                        let collector = collector.thread().clone();
                        collector_waker::set_collector(Some(collector.clone()));
                        self.collector_thread = Some(collector);
                    }
                    Err(error) => {
                        mail.deliver(Arc::clone(snapshot), None, true);
                        return Err(error);
                    }
                }
            }
        }
        let due = next_tick(self.epoch, interval, Instant::now());
        let name = name.to_owned();
        self.backends.push(Installed { name, interval, wants, mail, due, is_filling: false, base });
        self.switch();
        self.wake();
        Ok(())
    }

    /// Sets the switch to what the installed backends want.
    pub(super) fn switch(&self) {
        let is_held = self.held.is_some();
        enabled::switch(enabled::BACKENDS, is_held || self.has(|b| b.wants.totals));
        enabled::switch(enabled::SINGLES, is_held || self.has(|b| b.wants.singles));
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
                if !backend.mail.rests(&snapshot, now) {
                    backend.mail.deliver(Arc::clone(&snapshot), None, false);
                }
                backend.due = next_tick(self.epoch, backend.interval, now);
                backend.is_filling = false;
            }
            let now = overflow::refused();
            messages = reports::messages(&std::mem::replace(&mut self.refused, now), &now);
            messages.extend(reports::of_traces());
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
}

/// The first tick after `now`. Ticks that passed while nobody looked (a suspended machine) are not made up for.
fn next_tick(epoch: Instant, interval: Duration, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(epoch).as_nanos() / interval.as_nanos().max(1);
    let nanos = (passed + 1).saturating_mul(interval.as_nanos());
    epoch.checked_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))).unwrap_or_else(|| after(interval))
}

/// The moment so long from now; what is too far away for the clock as a year.
pub(super) fn after(deadline: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(deadline).unwrap_or(now + Duration::from_secs(365 * 24 * 3600))
}

fn collect_for_ever(pipeline: &'static Pipeline) {
    let mut calibration = Calibration::begin();
    loop {
        if observed::any() && pipeline.lock().is_due(Instant::now()) {
            read_gauges(Duration::MAX);
        }
        let mut state = pipeline.lock();
        if !state.has(|b| b.wants.totals) {
            collector_waker::set_collector(None);
            state.collector_thread = None;
            return;
        }
        let (sleep, mut messages) = state.turn();
        drop(state);
        let (step, told) = calibration.step();
        messages.extend(told.map(|message| ("clock", message)));
        if !messages.is_empty() {
            for (cause, message) in &messages {
                diagnostics::warn(cause, message);
            }
            // Time has passed, and what was found may no longer be so.
            continue;
        }
        let sleep = match (sleep, step) {
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
