//! Memory that the bodies of requests take together: counted as they arrive, and given back with the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes of all bodies in memory.
#[derive(Debug, Default)]
pub(crate) struct BodyMemory(AtomicUsize);

/// Bytes of one body; given back when this is dropped.
pub(crate) struct Taken {
    of: Arc<BodyMemory>,
    bytes: usize,
}

impl Taken {
    pub(crate) fn none(of: &Arc<BodyMemory>) -> Taken {
        Taken { of: Arc::clone(of), bytes: 0 }
    }

    /// Takes this many bytes more; `false`, and nothing is taken, when all bodies together would have more than `most`.
    pub(crate) fn more(&mut self, bytes: usize, most: usize) -> bool {
        let fits = |all: usize| all.checked_add(bytes).filter(|all| *all <= most);
        let taken = self.of.0.fetch_update(Relaxed, Relaxed, fits).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_and_give_back() {
        let memory = Arc::new(BodyMemory::default());
        let (mut one, mut two) = (Taken::none(&memory), Taken::none(&memory));
        assert!(one.more(60, 100) && two.more(40, 100));
        assert!(!one.more(1, 100) && !two.more(usize::MAX, 100));
        drop(one);
        assert!(two.more(60, 100) && !two.more(1, 100));
        drop(two);
        assert_eq!(memory.0.load(Relaxed), 0);
    }
}
