//! Many scopes at once: threads that collect, and one that writes.
//!
//! A thread takes a scope and collects its periods in order, some at a time; what it collected goes through a bounded channel to the
//! one that writes, which commits many at once. Memory holds what is between: at most two batches for each thread, and one commit.

use crate::checkpoints::Checkpoints;
use crate::collect::{Cause, CollectError, Collector, Notice};
use crate::sink::{Encoded, Form, Sink};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Notices and failures that a report holds; the rest is only counted.
const KEPT: usize = 20;

/// Bytes of a commit after which no further batch is waited for.
const COMMIT_BYTES: usize = 4 << 20;

/// Batches of a commit.
const COMMIT_BATCHES: usize = 1024;

/// Time that a commit waits for further batches: it makes files last, which takes a disk as long for one batch as for many.
const COMMIT_WAIT: Duration = Duration::from_millis(25);

/// A scope and the periods to collect of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Scope.
    pub scope: Arc<str>,
    /// Begin of the first period.
    pub from: i64,
    /// End of the last period.
    pub to: i64,
}

/// Outcome of a run.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Periods of scopes that are in the sink now.
    pub periods: u64,
    /// Data points that are in the sink now.
    pub points: u64,
    /// Notices by cause.
    pub notices: BTreeMap<Cause, u64>,
    /// The first notices.
    pub examples: Vec<Notice>,
    /// Scopes that could not be collected to their end.
    pub failed: u64,
    /// The first failures.
    pub failures: Vec<CollectError>,
}

/// Some periods of one scope, which go on together.
struct Batch {
    scope: Arc<str>,
    next: i64,
    periods: u64,
    points: u64,
    encoded: Encoded,
    notices: Vec<Notice>,
}

enum Message {
    Batch(Batch),
    Failed(CollectError),
    Broken(io::Error),
}

/// Collects tasks with as many threads as the configuration says. With checkpoints, tasks go on at their checkpoints, and every period is
/// in the sink exactly once, however often a run was broken off. `progress` is told the number of periods of each commit.
///
/// A failure of one scope ends that scope; a failure that all would meet ends the run, which is told in the report.
///
/// # Errors
/// The sink or the checkpoints cannot be written.
pub fn run(
    collector: &Collector,
    tasks: &[Task],
    sink: &mut dyn Sink,
    mut checkpoints: Option<&mut (dyn Checkpoints + '_)>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Report> {
    if let (Some(checkpoints), Some(identity)) = (checkpoints.as_deref_mut(), sink.identity()) {
        match checkpoints.output(&identity) {
            Some(position) => sink.rewind(position)?,
            None => {
                let position = sink.position()?;
                checkpoints.commit(Some((&identity, position)), BTreeMap::new())?;
            }
        }
    }
    let from = |task: &Task| {
        checkpoints.as_deref().and_then(|c| c.next(&task.scope)).map_or(task.from, |next| next.max(task.from))
    };
    let tasks: Vec<Task> =
        tasks.iter().map(|t| Task { from: from(t), ..t.clone() }).filter(|t| t.from < t.to).collect();
    let threads = collector.config().options.concurrency.min(tasks.len());
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let form = sink.form();
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(threads.max(1));
        ferrometer_threads::without_signals(|| {
            for _ in 0..threads {
                let (sender, tasks, next, stop) = (sender.clone(), &tasks, &next, &stop);
                scope.spawn(move || work(collector, tasks, next, stop, form, &sender));
            }
        });
        drop(sender);
        let written = write(&receiver, sink, checkpoints, progress);
        // Threads that wait for room in the channel see that it is gone.
        stop.store(true, Ordering::Relaxed);
        drop(receiver);
        written
    })
}

/// Takes scopes until there are none.
fn work(
    collector: &Collector,
    tasks: &[Task],
    next: &AtomicUsize,
    stop: &AtomicBool,
    form: Form,
    to: &SyncSender<Message>,
) {
    let step = i64::from(collector.config().period);
    let at_once = collector.config().options.periods_per_query as i64;
    while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
        let mut begin = task.from;
        while begin < task.to && !stop.load(Ordering::Relaxed) {
            let count = ((task.to - begin) / step).clamp(1, at_once);
            let message = match collector.collect(&task.scope, begin, count as usize) {
                Ok(usage) => {
                    begin += count * step;
                    let points = usage.points.len() as u64;
                    match form.encode(usage.points) {
                        Ok(encoded) => Message::Batch(Batch {
                            scope: task.scope.clone(),
                            next: begin,
                            periods: count as u64,
                            points,
                            encoded,
                            notices: usage.notices,
                        }),
                        Err(error) => Message::Broken(error),
                    }
                }
                Err(error) => {
                    begin = task.to;
                    if error.concerns_all() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    Message::Failed(error)
                }
            };
            if to.send(message).is_err() {
                return;
            }
        }
    }
}

/// Writes batches until all threads are done, many in one commit.
fn write(
    from: &Receiver<Message>,
    sink: &mut dyn Sink,
    mut checkpoints: Option<&mut (dyn Checkpoints + '_)>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Report> {
    let mut report = Report::default();
    while let Ok(first) = from.recv() {
        let (mut periods, mut points, mut bytes, mut batches) = (0, 0, 0, 0);
        let mut reached = BTreeMap::new();
        let began = Instant::now();
        let mut message = Some(first);
        while let Some(one) = message {
            match one {
                Message::Broken(error) => return Err(error),
                Message::Failed(error) => {
                    report.failed += 1;
                    if report.failures.len() < KEPT {
                        report.failures.push(error);
                    }
                }
                Message::Batch(batch) => {
                    report.tell(batch.notices);
                    bytes += batch.encoded.size();
                    sink.write(batch.encoded)?;
                    periods += batch.periods;
                    points += batch.points;
                    batches += 1;
                    reached.insert(batch.scope.to_string(), batch.next);
                }
            }
            let full = bytes >= COMMIT_BYTES || batches >= COMMIT_BATCHES;
            message = if full { None } else { from.recv_timeout(COMMIT_WAIT.saturating_sub(began.elapsed())).ok() };
        }
        if reached.is_empty() {
            continue;
        }
        let position = sink.commit()?;
        if let Some(checkpoints) = checkpoints.as_deref_mut() {
            let identity = sink.identity();
            checkpoints.commit(identity.as_deref().map(|i| (i, position)), reached)?;
        }
        report.periods += periods;
        report.points += points;
        progress(periods);
    }
    Ok(report)
}

impl Report {
    fn tell(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            *self.notices.entry(notice.cause).or_default() += 1;
            if self.examples.len() < KEPT {
                self.examples.push(notice);
            }
        }
    }
}
