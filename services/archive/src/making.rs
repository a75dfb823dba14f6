//! Changes that are on their way into the index: who asked for one waits with a thread, or as a future without one.

use crate::Error;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Metrics, or something else of the index, that are being made: a future that ends when they are there, or refused. Dropped before, it takes
/// nothing back.
#[must_use = "what is made is there when this has ended"]
pub struct Making<T = ()> {
    outcome: Arc<Mutex<Outcome<T>>>,
    then: Option<Box<dyn FnOnce() + Send>>,
}

struct Outcome<T> {
    made: Option<Result<T, Error>>,
    waits: Option<Waker>,
}

fn lock<T>(outcome: &Mutex<Outcome<T>>) -> MutexGuard<'_, Outcome<T>> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The other end of a [`Making`]. Dropped without having been kept, it tells an error.
pub(crate) struct Promise<T>(Option<Arc<Mutex<Outcome<T>>>>);

impl<T> Promise<T> {
    /// Tells how it ended.
    pub fn keep(mut self, made: Result<T, Error>) {
        self.end(made);
    }

    /// Returns the error of one that nobody kept.
    pub fn broken() -> Error {
        Error::Index("the change broke off".into())
    }

    fn end(&mut self, made: Result<T, Error>) {
        let Some(outcome) = self.0.take() else { return };
        let waits = {
            let mut outcome = lock(&outcome);
            outcome.made = Some(made);
            outcome.waits.take()
        };
        if let Some(waker) = waits {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.end(Err(Promise::<T>::broken()));
    }
}

impl<T> Making<T> {
    /// Returns one that has ended.
    pub fn ended(made: Result<T, Error>) -> Making<T> {
        Making { outcome: Arc::new(Mutex::new(Outcome { made: Some(made), waits: None })), then: None }
    }

    /// Returns one that ends when its promise is kept.
    pub(crate) fn promised() -> (Promise<T>, Making<T>) {
        let outcome = Arc::new(Mutex::new(Outcome { made: None, waits: None }));
        (Promise(Some(Arc::clone(&outcome))), Making { outcome, then: None })
    }

    /// Does something in the thread or task that waits, before it is told that it is made.
    pub(crate) fn then(mut self, done: impl FnOnce() + Send + 'static) -> Making<T> {
        self.then = Some(Box::new(done));
        self
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// Those of the call that returned it; those of the index. Then nothing of it is there.
    pub fn wait(self) -> Result<T, Error> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut making = pin!(self);
        loop {
            match making.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(made) => return made,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl<T> Future for Making<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let mut outcome = lock(&self.outcome);
        let Some(made) = outcome.made.take() else {
            match &mut outcome.waits {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        };
        drop(outcome);
        let then = self.then.take().filter(|_| made.is_ok());
        if let Some(then) = then {
            then();
        }
        Poll::Ready(made)
    }
}

impl<T> fmt::Debug for Making<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Making").field("ended", &lock(&self.outcome).made.is_some()).finish_non_exhaustive()
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_and_learns_of_a_promise_that_was_not_kept() {
        let (promise, making) = Making::promised();
        let done = Arc::new(Mutex::new(false));
        let told = Arc::clone(&done);
        let making = making.then(move || *told.lock().unwrap() = true);
        let waits = std::thread::spawn(move || making.wait());
        promise.keep(Ok(()));
        waits.join().unwrap().unwrap();
        assert!(*done.lock().unwrap());
        let (promise, making) = Making::<()>::promised();
        let making = making.then(|| panic!("nothing was made"));
        let waits = std::thread::spawn(move || making.wait());
        drop(promise);
        assert!(matches!(waits.join().unwrap(), Err(Error::Index(_))));
        assert!(matches!(
            Making::<()>::ended(Err(Error::NoSuchPolicy("p".into()))).wait(),
            Err(Error::NoSuchPolicy(_))
        ));
    }
}
