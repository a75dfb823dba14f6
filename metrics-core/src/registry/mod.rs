//! Room 4: who is who. Names become loggers and series, once, for the life of the program.
//!
//! - **In**: a name, labels, a kind and a rate, at the first use; limits and rules of the configuration.
//! - **Out**: `&'static` references to loggers and series, which are found again without a lock.
//! - **Invariants**: one identity has one series, for ever. Everything is capped: past a cap the overflow series of the kind takes the recordings, and the
//!   refusal is counted. Every change is made under one lock, the [`Writer`]; readers never take it.
//!
//! Read in this order: [`kind`], [`state_word`] (the word a recording reads), [`series`] (loggers and series themselves), [`limits`],
//! [`overflow`] (what was refused), [`rules`] and [`views`] (what the configuration says of loggers and of metrics), [`loggers`] and [`series_table`] (lookup and registration),
//! [`literal_cache`] (names that are literals), [`text_memory`] (labels of short texts), [`descriptions`], [`notes`] (call sites and parts of series), [`homes`] (where views
//! lead recordings to); and below them [`append_table`] over [`hash_index`], [`interner`] over [`label_set`], [`hash`].
//!
//! # Sentinels
//! A pointer that the recording path follows is never null: it points to a *sentinel* until there is something to point to, so that the path has
//! no test for null. Sentinels are named `SENTINEL_…`. They compare unequal to everything a program has.

pub(crate) mod append_table;
pub(crate) mod descriptions;
pub(crate) mod hash;
pub(crate) mod hash_index;
pub(crate) mod homes;
pub(crate) mod interner;
pub(crate) mod kind;
pub(crate) mod label_set;
pub(crate) mod limits;
pub(crate) mod literal_cache;
pub(crate) mod loggers;
pub(crate) mod notes;
pub(crate) mod overflow;
pub(crate) mod rules;
pub(crate) mod series;
pub(crate) mod series_table;
pub(crate) mod state_word;
pub(crate) mod text_memory;
pub(crate) mod views;

use crate::registry::append_table::Permit;
use crate::registry::interner::Interner;
use crate::registry::rules::Rules;
use crate::registry::views::Words;
use crate::storage::bucket::Scheme;
use crate::sync::reentrancy::{self, Busy};
use crate::sync::{Mutex, MutexGuard, lock};
use std::ops::{Deref, DerefMut};

/// The part of the registry that only its writer sees.
pub(crate) struct State {
    pub(crate) permit: Permit,
    pub(crate) texts: Interner,
    pub(crate) rules: Rules,
    /// Number of loggers without labels and object.
    pub(crate) loggers: usize,
    /// Number of loggers with labels or an object.
    pub(crate) label_sets: usize,
    /// Number of slots that counters, gauges and in-flight counts have taken.
    pub(crate) scalars: usize,
    /// The buckets of timers and histograms, by slot.
    pub(crate) distributions: Vec<Scheme>,
    /// Number of metrics that were described by name.
    pub(crate) described: usize,
    /// The words of all views so far, each once.
    pub(crate) words: Vec<&'static Words>,
}

static STATE: Mutex<State> = Mutex::new(State {
    // SAFETY: the only permit of the program, used with the tables of this room alone.
    permit: unsafe { Permit::new() },
    texts: Interner::new(),
    rules: Rules::new(),
    loggers: 0,
    label_sets: 0,
    scalars: 0,
    distributions: Vec::new(),
    described: 0,
    words: Vec::new(),
});

/// The registry's one lock, held by this thread. A global allocator that records while the lock is held finds the thread busy, and is turned
/// away instead of waiting for itself.
pub(crate) struct Writer {
    // Released first.
    state: MutexGuard<'static, State>,
    _busy: Busy,
}

impl Writer {
    /// Locks the registry for a thread that has found itself not busy. `None`: a fork holds it for long, and perhaps waits for this thread.
    pub(crate) fn new(busy: Busy) -> Option<Writer> {
        Some(Writer { state: reentrancy::lock_in_time(&STATE)?, _busy: busy })
    }

    /// Locks it for what must not be left out, however long a fork takes.
    pub(crate) fn wait(busy: Busy) -> Writer {
        Writer { state: lock(&STATE), _busy: busy }
    }
}

impl Deref for Writer {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

/// Looks at the state, from ferrometer's own threads.
pub(crate) fn look<T>(look: impl FnOnce(&State) -> T) -> T {
    let _section = reentrancy::section();
    look(&lock(&STATE))
}

/// Locks out registrations while the guard lives: for `fork`.
#[cfg(unix)]
pub(crate) fn freeze() -> MutexGuard<'static, State> {
    lock(&STATE)
}

/// Makes what is made once, so that no fork can find it half made.
pub(crate) fn prepare() {
    hash::seed();
}
