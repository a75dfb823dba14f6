//! The answer to the question what a delivery would be: a backend's thread gives it, and somebody waits for it.
//!
//! A channel of the standard library does the same, and is compiled in all its kinds, which take longer than all that stands here.

use crate::deliver::backend::Preview;
use crate::sync::lock;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// The deliveries; `None` from a backend that sends nothing.
pub(crate) type Shown = Option<Vec<Preview>>;

#[derive(Default)]
struct State {
    shown: Option<Shown>,
    is_over: bool,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

/// The side that answers. When it is dropped, no answer comes any more.
pub(crate) struct Answer(Shared);

/// The side that waits.
pub(crate) struct Answered(Shared);

#[inline]
pub(crate) fn answer() -> (Answer, Answered) {
    let shared = Shared::default();
    (Answer(Arc::clone(&shared)), Answered(shared))
}

impl Answer {
    pub(crate) fn give(&self, shown: Shown) {
        lock(&self.0.0).shown = Some(shown);
        self.0.1.notify_all();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        lock(&self.0.0).is_over = true;
        self.0.1.notify_all();
    }
}

impl Answered {
    /// Returns the answer; `None` when there is none until then, or will be none.
    #[inline]
    pub(crate) fn wait(&self, until: Instant) -> Option<Shown> {
        let mut state = lock(&self.0.0);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.shown.is_some() || state.is_over || left.is_zero() {
                return state.shown.take();
            }
            state = self.0.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn an_answer_comes_or_is_known_never_to_come() {
        let far = Instant::now() + Duration::from_secs(3600);
        let (give, wait) = answer();
        assert!(wait.wait(Instant::now()).is_none());
        let waiting = thread::spawn(move || wait.wait(far));
        give.give(Some(Vec::new()));
        assert!(waiting.join().unwrap().is_some_and(|shown| shown.is_some()));
        let (give, wait) = answer();
        let waiting = thread::spawn(move || wait.wait(far).is_none());
        drop(give);
        assert!(waiting.join().unwrap());
        // One that was given before its giver went is not lost.
        let (give, wait) = answer();
        give.give(None);
        drop(give);
        assert!(wait.wait(far).is_some_and(|shown| shown.is_none()));
    }
}
