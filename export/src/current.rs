//! State of an exporter as its readers see it, until a successor's takes its place.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// State that the reading ends of an exporter share. Clones lead to one place, so one call of [`follow`](Current::follow) turns all of them to the exporter
/// that has taken over.
///
/// ```
/// use ferrometer_export::Current;
/// use std::sync::Arc;
///
/// let reader = Current::new(Arc::new("old"));
/// let clone = reader.clone();
/// reader.follow(&Current::new(Arc::new("new")));
/// assert_eq!(*clone.get(), "new");
/// ```
pub struct Current<T> {
    place: Arc<Mutex<Arc<T>>>,
}

impl<T> Current<T> {
    /// Returns a reading end of this state.
    #[must_use]
    pub fn new(state: Arc<T>) -> Current<T> {
        Current { place: Arc::new(Mutex::new(state)) }
    }

    /// Returns the state of this moment.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Turns this reading end and its clones to the state that `successor` leads to now. The old state is freed when nobody else holds it.
    pub fn follow(&self, successor: &Current<T>) {
        let new = successor.get();
        let old = std::mem::replace(&mut *self.place.lock().unwrap_or_else(PoisonError::into_inner), new);
        // Freed outside of the lock: that may take long.
        drop(old);
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Current<T> {
        Current { place: Arc::clone(&self.place) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&self.get()).finish()
    }
}
