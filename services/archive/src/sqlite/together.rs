//! Metrics that are made together: those that come while a commit is on its way are one transaction, which one thread makes for all.
//!
//! ```text
//!  add ───┬─► coming ─┬─► the thread that adds, while nobody else makes metrics: it makes its own and those beside them
//!  begin ─┘           └─► the thread of the index: what begins, and what came meanwhile, until nothing does
//! ```

use super::group::Group;
use super::metrics;
use crate::making::{Making, Promise};
use crate::{Error, Metric};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Most that are made in one transaction.
const MOST: usize = 256;

/// Metrics that somebody wants, all or none.
struct Asked {
    metrics: Vec<Metric>,
    promise: Promise,
}

#[derive(Default)]
struct State {
    coming: VecDeque<Asked>,
    /// Some thread makes what comes.
    is_led: bool,
    /// That is for the thread of the index.
    handed: bool,
    ended: bool,
}

struct Shared {
    group: Arc<Group>,
    state: Mutex<State>,
    work: Condvar,
}

/// The making of metrics in an index.
pub(super) struct Together {
    shared: Arc<Shared>,
    /// Started when it is needed first.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Together {
    pub fn new(group: Arc<Group>) -> Together {
        let shared = Shared { group, state: Mutex::default(), work: Condvar::new() };
        Together { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Puts metrics among those that come; returns true where nobody makes them yet.
    fn come(&self, metrics: Vec<Metric>) -> (bool, Making) {
        let (promise, making) = Making::promised();
        let mut state = self.shared.lock();
        state.coming.push_back(Asked { metrics, promise });
        (!std::mem::replace(&mut state.is_led, true), making)
    }

    /// Begins to make metrics, all or none, and waits for nothing.
    pub fn begin(&self, metrics: Vec<Metric>) -> Making {
        let (leads, making) = self.come(metrics);
        if leads && !self.hand_over() {
            Leads(&self.shared).go_on();
        }
        making
    }

    /// Makes metrics, all or none.
    pub fn add(&self, metrics: Vec<Metric>) -> Result<(), Error> {
        let (leads, making) = self.come(metrics);
        if leads {
            let leads = Leads(&self.shared);
            if leads.step() && !self.hand_over() {
                leads.go_on();
            }
        }
        making.wait()
    }

    /// Leaves what comes to the thread of the index; returns false where there is none to be had.
    fn hand_over(&self) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let shared = Arc::clone(&self.shared);
            match ferrometer_threads::spawn("archive-index", move || shared.work()) {
                Ok(started) => *thread = Some(started),
                Err(error) => {
                    tracing::warn!(%error, "no thread for the index; who makes metrics makes those of others too");
                    return false;
                }
            }
        }
        self.shared.lock().handed = true;
        self.shared.work.notify_one();
        true
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_one();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The last who had the index may have been told of his metrics by that thread.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what comes whenever it is handed over, until the index is closed.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            while !state.handed {
                if state.ended {
                    return;
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.handed = false;
            drop(state);
            Leads(self).go_on();
        }
    }

    /// Makes metrics in one transaction, and tells everyone.
    fn make(&self, asked: Vec<Asked>) {
        let made = self.group.write(|connection| match &*asked {
            // Alone, its failure takes back the transaction.
            [one] => insert(connection, &one.metrics).map(|()| vec![Ok(())]),
            all => all.iter().map(|one| apart(connection, &one.metrics)).collect(),
        });
        match made {
            Ok(made) => asked.into_iter().zip(made).for_each(|(one, made)| one.promise.keep(made)),
            Err(error) => {
                let words = error.to_string();
                let mut asked = asked.into_iter();
                let first = asked.next();
                asked.for_each(|one| one.promise.keep(Err(Error::Index(words.clone()))));
                // Alone, it is told by its kind.
                if let Some(one) = first {
                    one.promise.keep(Err(error));
                }
            }
        }
    }
}

/// The thread that makes what comes. Breaking off, it leaves nobody waiting.
struct Leads<'s>(&'s Shared);

impl Leads<'_> {
    /// Makes what has come; returns false when nothing comes any more, and nobody leads.
    fn step(&self) -> bool {
        let mut state = self.0.lock();
        let many = state.coming.len().min(MOST);
        let asked: Vec<Asked> = state.coming.drain(..many).collect();
        drop(state);
        self.0.make(asked);
        let mut state = self.0.lock();
        state.is_led = !state.coming.is_empty();
        state.is_led
    }

    fn go_on(&self) {
        while self.step() {}
    }
}

impl Drop for Leads<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.lock();
            state.is_led = false;
            let coming = std::mem::take(&mut state.coming);
            drop(state);
            drop(coming);
        }
    }
}

fn insert(connection: &Connection, metrics: &[Metric]) -> Result<(), Error> {
    metrics.iter().try_for_each(|metric| metrics::insert(connection, metric))
}

/// Inserts metrics beside those of others: what is refused takes back its own alone. An error is one that took back the whole transaction.
fn apart(connection: &Connection, metrics: &[Metric]) -> Result<Result<(), Error>, Error> {
    // A statement that fails takes back what it did by itself.
    let is_one = metrics.len() == 1;
    let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    if !is_one {
        run("SAVEPOINT apart")?;
    }
    let made = insert(connection, metrics);
    if made.is_err() && connection.is_autocommit() {
        // A full disk, say.
        return made.map(Ok);
    }
    if !is_one {
        if made.is_err() {
            run("ROLLBACK TO apart")?;
        }
        run("RELEASE apart")?;
    }
    Ok(made)
}
