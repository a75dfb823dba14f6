//! Work that takes long enough to be felt by others: it is done on another thread, and the one that serves goes on.
//!
//! Work of milliseconds is done in one piece ([`offload`]). Longer work is done [`in_steps`]: everybody who has such work gets turns of some
//! milliseconds, one after the other, on one thread at a time. So it neither holds up work of the first kind, nor goes on for a client that is gone.
//!
//! Work for a client that is gone before it was begun is not done: else clients that ask and close at once could leave hours of it.

use crate::refusal::Refusal;
use axum::http::StatusCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How long a turn lasts, and then until the end of a step.
const TURN: Duration = Duration::from_millis(10);

/// The turn of work in steps. It is given in the order of asking.
static TURNS: Semaphore = Semaphore::const_new(1);

/// Task that is waited for; not begun any more when nobody waits.
struct Awaited(JoinHandle<()>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does `work` on another thread, and returns its result. Work whose caller is dropped before it began is not done.
///
/// # Errors
/// When the work panicked, a refusal that says that something went wrong.
pub async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    // A mounted router may be driven by something else than tokio: then here and now.
    let Ok(runtime) = Handle::try_current() else { return Ok(work()) };
    let place = Arc::new(Mutex::new(None));
    let result = Arc::clone(&place);
    let work = Box::new(move || {
        let done = work();
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    });
    done(&runtime, work).await;
    let result = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    result.ok_or_else(|| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong in making the answer"))
}

/// Waits for work that is done on another thread. tokio's code for such work is compiled once, whatever its result is.
async fn done(runtime: &Handle, work: Box<dyn FnOnce() + Send>) {
    let mut awaited = Awaited(runtime.spawn_blocking(work));
    // An error says that it panicked: then there is no result.
    let _ = (&mut awaited.0).await;
}

/// Does work in steps on another thread, until `step` returns `false`, and returns its state. A step should take a few milliseconds at most.
/// When the caller is dropped, the work ends with the step it is at.
///
/// # Errors
/// When a step panicked, a refusal that says that something went wrong.
pub async fn in_steps<S: Send + 'static>(
    state: S,
    step: impl FnMut(&mut S) -> bool + Send + 'static,
) -> Result<S, Refusal> {
    let mut work = (state, step);
    if Handle::try_current().is_err() {
        while work.1(&mut work.0) {}
        return Ok(work.0);
    }
    loop {
        // It is never closed.
        let turn = TURNS.acquire().await.ok();
        let waited = Arc::new(());
        let wanted = Arc::downgrade(&waited);
        let (back, more) = offload(move || {
            // Given back when the turn is over, also by work that is not begun any more.
            let _turn = turn;
            let end = Instant::now() + TURN;
            let mut more = true;
            while more && Instant::now() < end && wanted.strong_count() > 0 {
                more = work.1(&mut work.0);
            }
            (work, more)
        })
        .await?;
        drop(waited);
        if !more {
            return Ok(back.0);
        }
        work = back;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;

    #[test]
    fn work_in_steps_leaves_room_for_a_moment_and_ends_with_its_caller() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(2).build().unwrap();
        let steps = Arc::new(AtomicUsize::new(0));
        let endless = |counted: &Arc<AtomicUsize>| {
            let counted = Arc::clone(counted);
            in_steps((), move |()| {
                counted.fetch_add(1, SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                true
            })
        };
        runtime.block_on(async {
            let all: Vec<_> = (0..8).map(|_| tokio::spawn(endless(&steps))).collect();
            // Work of a moment comes through, and so does finite work in steps, though eight others never end.
            for _ in 0..3 {
                assert_eq!(offload(|| 7).await.ok(), Some(7));
            }
            let counted = in_steps(0, |at| {
                *at += 1;
                *at < 50
            });
            assert_eq!(counted.await.ok(), Some(50));
            for task in all {
                task.abort();
                assert!(task.await.is_err());
            }
            // Who comes now gets a turn: nothing of the eight is left but perhaps one step.
            assert_eq!(in_steps((), |()| false).await.ok(), Some(()));
            let done = steps.load(SeqCst);
            assert!(done > 0);
            assert_eq!(
                in_steps(0, |at| {
                    *at += 1;
                    *at < 3
                })
                .await
                .ok(),
                Some(3)
            );
            assert_eq!(steps.load(SeqCst), done);
        });
    }

    #[test]
    fn what_nobody_waits_for_is_not_begun() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let (go, gate) = mpsc::channel::<()>();
        runtime.block_on(async {
            let first = tokio::spawn(offload(move || gate.recv().is_ok()));
            tokio::task::yield_now().await;
            for _ in 0..100 {
                let done = Arc::clone(&done);
                let gone = offload(move || done.fetch_add(1, SeqCst));
                assert!(tokio::time::timeout(Duration::from_millis(1), gone).await.is_err());
            }
            go.send(()).unwrap();
            assert!(matches!(first.await, Ok(Ok(true))));
            let last = Arc::clone(&done);
            assert_eq!(offload(move || last.load(SeqCst)).await.ok(), Some(0));
        });
    }
}
