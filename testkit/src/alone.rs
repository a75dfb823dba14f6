//! The lock that gives one test the process-wide pipeline: what is installed and configured is so for the whole process.

use std::sync::{Mutex, MutexGuard, PoisonError};

static ALONE: Mutex<()> = Mutex::new(());

/// Keeps other tests of this process out of the pipeline until it is dropped.
#[must_use = "dropped at once, it keeps nobody out"]
pub struct Alone {
    // Runs before the lock below is released.
    end: Option<fn()>,
    _lock: MutexGuard<'static, ()>,
}

/// Waits until no other test of this process is [`Alone`]. One that panicked keeps nobody out.
pub fn alone() -> Alone {
    Alone { end: None, _lock: ALONE.lock().unwrap_or_else(PoisonError::into_inner) }
}

impl Alone {
    /// Runs `end` before the next test may begin, also after a panic.
    pub fn then(mut self, end: fn()) -> Alone {
        self.end = Some(end);
        self
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    #[test]
    fn one_at_a_time_and_the_end_comes_before_the_next() {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let one = || {
            let _alone = alone().then(|| assert_eq!(INSIDE.fetch_sub(1, SeqCst), 1));
            assert_eq!(INSIDE.fetch_add(1, SeqCst), 0);
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|_| one()));
            }
        });
    }
}
