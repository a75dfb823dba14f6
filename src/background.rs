//! Waiting that blocks no runtime: it is done on a thread of its own, and a future says when it has ended. Any executor will do.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The result, once it is there, and who waits for it.
struct Slot<T> {
    result: Option<Result<T, Box<dyn Any + Send>>>,
    waker: Option<Waker>,
}

/// The future of work that is done on another thread. The work goes on when it is dropped.
pub(crate) struct Background<T>(Arc<Mutex<Slot<T>>>);

fn lock<T>(slot: &Mutex<Slot<T>>) -> MutexGuard<'_, Slot<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> Background<T> {
    /// Begins the work now, on a thread of this name; where none can be had, it is done here.
    pub(crate) fn start(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Background<T> {
        let slot = Arc::new(Mutex::new(Slot { result: None, waker: None }));
        // Where no thread can be had, what was to be run on it is dropped: the work is kept aside.
        let work = Arc::new(Mutex::new(Some(work)));
        let run = {
            let slot = Arc::clone(&slot);
            move |work: Arc<Mutex<Option<_>>>| {
                let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(work) = work {
                    let work: Box<dyn FnOnce() -> T> = Box::new(work);
                    let result = catch_unwind(AssertUnwindSafe(work));
                    let mut slot = lock(&slot);
                    slot.result = Some(result);
                    let waker = slot.waker.take();
                    drop(slot);
                    waker.into_iter().for_each(Waker::wake);
                }
            }
        };
        let (own, here) = (Arc::clone(&work), run.clone());
        if ferrometer_core::spawn(name, move || run(own)).is_err() {
            here(work);
        }
        Background(slot)
    }
}

impl<T> Future for Background<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = lock(&self.0);
        match slot.result.take() {
            Some(Ok(result)) => Poll::Ready(result),
            Some(Err(panic)) => {
                drop(slot);
                resume_unwind(panic)
            }
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
