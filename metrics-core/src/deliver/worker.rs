//! A backend's thread: takes snapshots from its mail, calls the backend, and keeps the account.

use crate::collect::ledger::{Cause, Ledger};
use crate::deliver::backend::{Backend, BackendError, Delivery};
use crate::deliver::cursor::Cursor;
use crate::deliver::mailbox::{Job, Mail, Mailbox, Question};
use crate::deliver::samples::GroupedSamples;
use crate::deliver::self_metrics::SelfMetrics;
use crate::deliver::view::SnapshotView;
use crate::naming::name::beginning;
use crate::naming::prefix::Naming;
use crate::sync::diagnostics;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The result of a call of a backend, unless it panics.
type Outcome = Result<Delivery, BackendError>;

pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) mail: Arc<Mailbox>,
    pub(crate) naming: Arc<Naming>,
    pub(crate) cursor: Cursor,
    /// Where the single values of a delivery are put, kept for the next one.
    pub(crate) memory: Vec<f64>,
}

impl Worker {
    pub(crate) fn run(mut self) {
        let mut own = SelfMetrics::default();
        loop {
            let job = match self.mail.receive() {
                Mail::Deliver(job) => job,
                Mail::Show(question) => {
                    self.show(&question);
                    continue;
                }
            };
            let last = job.stop;
            let mut held = 0;
            for segment in &job.segments {
                held += segment.len();
            }
            // Removed while it was at work, and not waited for any longer: all of this is in the account as dropped, so it is not delivered.
            if !self.mail.is_closed() {
                let ledger = self.deliver(job);
                own.export(&self.name, &ledger, held);
            }
            if last {
                // A backend's own end may panic or hang; the account is closed by then.
                let backend = self.backend;
                let _ = catch_unwind(AssertUnwindSafe(move || drop(backend)));
                return;
            }
        }
    }

    /// Answers what a delivery would be, through a view that ends with the answer: the cursor and the account stay as they are.
    fn show(&mut self, question: &Question) {
        let mut cursor = self.cursor.clone();
        let singles = GroupedSamples::of(&question.segments, Vec::new());
        let view = SnapshotView::new(&question.snapshot, &self.naming, &mut cursor, singles, false);
        let shown = catch_unwind(AssertUnwindSafe(|| self.backend.preview(&view)));
        question.answer.give(shown.unwrap_or_else(|panic| {
            dispose(panic);
            None
        }));
    }

    fn deliver(&mut self, job: Job) -> Ledger {
        let singles = GroupedSamples::of(&job.segments, std::mem::take(&mut self.memory));
        let sequence = job.snapshot.sequence();
        let mut view = SnapshotView::new(&job.snapshot, &self.naming, &mut self.cursor, singles, job.stop);
        let backend = &mut self.backend;
        let mut guarded = |call: &mut dyn FnMut(&mut dyn Backend, &mut SnapshotView<'_>) -> Outcome| {
            catch_unwind(AssertUnwindSafe(|| call(&mut **backend, &mut view)))
        };
        let published = guarded(&mut |backend, view| backend.publish(view));
        let flushed = job.flush.map(|deadline| guarded(&mut |backend, view| backend.flush(view, deadline)));
        let mut results = [Some(published), flushed];
        if job.stop {
            view.all_dropped(Cause::Removed);
        }
        let (mut messages, mut memory) = (Vec::new(), Vec::new());
        let write = Box::new(|ledger: &mut Ledger| {
            memory = view.close(ledger);
            for result in &mut results {
                messages.push(result.take().and_then(|result| tally(ledger, result)));
            }
        });
        let ledger = if job.stop {
            let ledger = self.mail.close(write);
            self.mail.account(job.request, Box::new(|_| {}));
            ledger
        } else {
            self.mail.account(job.request, write)
        };
        if ledger.pending.is_zero() {
            self.cursor.exemplars = sequence;
        }
        if messages.iter().all(Option::is_none) && ledger.pending.is_zero() {
            let backend = &self.backend;
            let rest = catch_unwind(AssertUnwindSafe(|| backend.rests_until()));
            self.mail.rest(sequence, rest.unwrap_or(None));
        } else {
            self.mail.rest(sequence, None);
        }
        // The memory of one busy interval is not kept for ever.
        memory.shrink_to(2 * memory.len());
        self.memory = memory;
        for message in messages.iter().flatten() {
            let message = format!("backend {}: {message}", self.name);
            diagnostics::warn(&message, &message);
        }
        ledger
    }
}

/// Drops a panic's payload, whose own drop may panic again, and so on. One that never ends is let go.
fn dispose(mut payload: Box<dyn Any + Send>) {
    for _ in 0..8 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    std::mem::forget(payload);
}

/// Enters a result into the account, and says what is to be logged.
fn tally(ledger: &mut Ledger, result: std::thread::Result<Outcome>) -> Option<String> {
    let (delivery, message) = match result {
        Ok(Ok(delivery)) => {
            ledger.deliveries += 1;
            (delivery, None)
        }
        Ok(Err(error)) => {
            ledger.errors += 1;
            (error.delivery, Some(error.to_string()))
        }
        Err(panic) => {
            ledger.panics += 1;
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
            let message = format!("panicked: {}", beginning(text, 200));
            dispose(panic);
            (Delivery::default(), Some(message))
        }
    };
    ledger.packets += delivery.packets;
    ledger.bytes += delivery.bytes;
    message
}
