//! A mark that a thread sets and another waits for. It is set by being dropped, so that it is set however the thread ends.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct State {
    is_set: Mutex<bool>,
    was_set: Condvar,
}

/// Sets the mark when it is dropped.
pub(crate) struct Mark(Arc<State>);

/// Waits for the mark.
pub(crate) struct Marked(Arc<State>);

/// Returns a mark that is not set, and what waits for it.
pub(crate) fn mark() -> (Mark, Marked) {
    let state = Arc::<State>::default();
    (Mark(Arc::clone(&state)), Marked(state))
}

impl Marked {
    /// Waits until the mark is set, for this long at most. Returns whether it is.
    pub(crate) fn within(&self, limit: Duration) -> bool {
        let is_set = self.0.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.was_set.wait_timeout_while(is_set, limit, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        *self.0.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.was_set.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_set_when_its_thread_ends_however_it_does() {
        let (end, ended) = mark();
        assert!(!ended.within(Duration::from_millis(1)));
        let thread = std::thread::spawn(move || {
            let _end = end;
            panic!("as it is told");
        });
        // Longer than a clock can tell: there is no end to it.
        assert!(ended.within(Duration::MAX));
        assert!(thread.join().is_err());
        assert!(ended.within(Duration::ZERO));
    }
}
