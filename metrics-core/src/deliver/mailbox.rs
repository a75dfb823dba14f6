//! The hand-over to one backend's thread: the newest snapshot, the single values held for it, and what is asked of it.
//!
//! A snapshot that was not picked up is replaced by a newer one: totals are cumulative, so only resolution is lost. Values are held up
//! to a bound; past it the oldest go, and their recordings are delivered merged, from the distribution.

use crate::collect::ledger::Ledger;
use crate::collect::sample_batch::SampleBatch;
use crate::collect::snapshot::Snapshot;
use crate::deliver::shown::Answer;
use crate::sync::lock;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// The most pieces the held values may be in.
pub(crate) const MAX_SEGMENTS: usize = 16_384;

/// The contents of the mailbox, as the backend's thread takes them at once.
pub(crate) struct Job {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) segments: Vec<Arc<SampleBatch>>,
    /// Somebody waits for this delivery until then.
    pub(crate) flush: Option<Instant>,
    /// The last delivery: what is left is dropped.
    pub(crate) stop: bool,
    /// The number of the newest request in it.
    pub(crate) request: u64,
}

/// A question of what the delivery of a snapshot would be. Nothing of it is taken from the mailbox.
pub(crate) struct Question {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) segments: Vec<Arc<SampleBatch>>,
    pub(crate) answer: Answer,
}

/// The next thing that a backend's thread has to do.
pub(crate) enum Mail {
    Deliver(Job),
    Show(Question),
}

#[derive(Default)]
struct State {
    questions: Vec<Question>,
    snapshot: Option<Arc<Snapshot>>,
    segments: Vec<Arc<SampleBatch>>,
    held: usize,
    flush: Option<Instant>,
    stop: bool,
    requested: u64,
    done: u64,
    ledger: Ledger,
    /// Nothing is to be done while snapshots say no more than that of this number, until then.
    rest: Option<(u64, Instant)>,
    /// The account was closed; a delivery that ends later no longer counts.
    closed: bool,
}

pub(crate) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
    max_held: usize,
}

impl Mailbox {
    pub(crate) fn new(backend: &str, max_held: usize) -> Mailbox {
        let ledger = Ledger { backend: backend.to_owned(), ..Ledger::default() };
        Mailbox { state: Mutex::new(State { ledger, ..State::default() }), changed: Condvar::new(), max_held }
    }

    /// Holds values until the next snapshot is picked up. Returns `true` when many are held, so that they should be picked up soon; never while a
    /// snapshot waits already, since another would not make the thread faster.
    pub(crate) fn buffer_samples(&self, segment: &Arc<SampleBatch>) -> bool {
        if segment.is_empty() {
            return false;
        }
        let mut state = lock(&self.state);
        state.held += segment.len();
        state.segments.push(Arc::clone(segment));
        let mut first = 0;
        while state.held > self.max_held || state.segments.len() - first > MAX_SEGMENTS {
            let Some(oldest) = state.segments.get(first) else { break };
            state.held -= oldest.len();
            first += 1;
        }
        if first > 0 {
            state.segments = state.segments.split_off(first);
        }
        let many = state.held >= self.max_held / 2 || state.segments.len() >= MAX_SEGMENTS / 2;
        many && state.snapshot.is_none()
    }

    /// Returns the values that are held.
    pub(crate) fn held(&self) -> Vec<Arc<SampleBatch>> {
        lock(&self.state).segments.clone()
    }

    /// Puts a snapshot where the thread picks it up, and wakes it. Returns the number to wait for.
    pub(crate) fn deliver(&self, snapshot: Arc<Snapshot>, flush: Option<Instant>, stop: bool) -> u64 {
        let mut state = lock(&self.state);
        state.snapshot = Some(snapshot);
        state.flush = state.flush.max(flush);
        state.stop |= stop;
        state.requested += 1;
        let request = state.requested;
        // Who is woken takes the lock first of all.
        drop(state);
        self.changed.notify_all();
        request
    }

    /// Says until when nothing is to be done while snapshots say no more than that of a number.
    pub(crate) fn rest(&self, sequence: u64, until: Option<Instant>) {
        lock(&self.state).rest = until.map(|until| (sequence, until));
    }

    /// Returns whether a snapshot need not be delivered.
    pub(crate) fn rests(&self, snapshot: &Snapshot, now: Instant) -> bool {
        let state = lock(&self.state);
        let rests = state.rest.is_some_and(|(sequence, until)| snapshot.news <= sequence && now < until);
        rests && state.snapshot.is_none() && state.segments.is_empty()
    }

    /// Asks what a delivery would be, of the snapshot and all values that are held for it. The answer is dropped when the backend is removed before.
    #[inline]
    pub(crate) fn ask(&self, snapshot: Arc<Snapshot>, answer: Answer) {
        let mut state = lock(&self.state);
        if !state.stop {
            state.questions.push(Question { snapshot, segments: Vec::new(), answer });
            self.changed.notify_all();
        }
    }

    /// Waits for a snapshot, or for a question. Deliveries go first.
    pub(crate) fn receive(&self) -> Mail {
        let mut state = lock(&self.state);
        loop {
            if let Some(snapshot) = state.snapshot.take() {
                // Values that were drained since belong to the next snapshot.
                let mut until = state.segments.len();
                while until > 0 && state.segments[until - 1].sequence > snapshot.sequence() {
                    until -= 1;
                }
                let later = state.segments.split_off(until);
                let segments = std::mem::replace(&mut state.segments, later);
                for segment in &segments {
                    state.held -= segment.len();
                }
                if state.stop {
                    state.questions.clear();
                }
                return Mail::Deliver(Job {
                    snapshot,
                    segments,
                    flush: state.flush.take(),
                    stop: state.stop,
                    request: state.requested,
                });
            }
            if let Some(mut question) = state.questions.pop() {
                for segment in &state.segments {
                    if segment.sequence > question.snapshot.sequence() {
                        break;
                    }
                    question.segments.push(Arc::clone(segment));
                }
                return Mail::Show(question);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Changes the account, unless it is closed, and says that a request is done.
    pub(crate) fn account(&self, request: u64, change: Box<dyn FnOnce(&mut Ledger) + '_>) -> Ledger {
        let mut state = lock(&self.state);
        if !state.closed {
            change(&mut state.ledger);
        }
        state.done = state.done.max(request);
        self.changed.notify_all();
        state.ledger.clone()
    }

    /// Waits until a request is done; `false` when it was not by the deadline.
    pub(crate) fn wait(&self, request: u64, deadline: Instant) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.done >= request {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Closes the account with a last change.
    pub(crate) fn close(&self, change: Box<dyn FnOnce(&mut Ledger) + '_>) -> Ledger {
        let mut state = lock(&self.state);
        if !state.closed {
            state.closed = true;
            change(&mut state.ledger);
        }
        state.ledger.clone()
    }

    /// Returns whether the account is closed: nobody waits any more, and later deliveries no longer count.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    pub(crate) fn ledger(&self) -> Ledger {
        lock(&self.state).ledger.clone()
    }
}
