//! State of another node, known from the questions it was asked: whether it answered, when, and its error.

use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Kept with the node; whatever question was asked, its end is noted.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Last>);

#[derive(Clone, Debug, Default)]
struct Last {
    reachable: Option<bool>,
    seen: Option<i64>,
    error: Option<String>,
    error_at: Option<i64>,
}

/// As it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct State {
    name: String,
    /// `null` until it was asked.
    reachable: Option<bool>,
    /// Seconds since 1970; of the last answer as it should be.
    last_seen: Option<i64>,
    /// Stays when the node answers again.
    last_error: Option<String>,
    last_error_at: Option<i64>,
}

impl Known {
    pub(crate) fn note<T>(&self, outcome: Result<T, &str>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| since.as_secs().try_into().ok());
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.reachable = Some(outcome.is_ok());
        match outcome {
            Ok(_) => last.seen = now,
            Err(why) => (last.error, last.error_at) = (Some(why.to_owned()), now),
        }
    }

    /// Returns whether the last question was in vain.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reachable == Some(false)
    }

    pub(crate) fn state(&self, name: &str) -> State {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        State {
            name: name.to_owned(),
            reachable: last.reachable,
            last_seen: last.seen,
            last_error: last.error,
            last_error_at: last.error_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_when_the_node_is_back() {
        let known = Known::default();
        let fresh = known.state("b");
        assert_eq!((fresh.reachable, fresh.last_seen, known.is_lost()), (None, None, false));
        known.note::<()>(Err("answers 500"));
        let lost = known.state("b");
        assert_eq!(
            (lost.reachable, lost.last_error.as_deref(), known.is_lost()),
            (Some(false), Some("answers 500"), true)
        );
        known.note(Ok(()));
        let back = known.state("b");
        assert_eq!(
            (back.reachable, back.last_error.as_deref(), known.is_lost()),
            (Some(true), Some("answers 500"), false)
        );
        assert!(back.last_seen.is_some() && back.last_error_at.is_some());
    }
}
