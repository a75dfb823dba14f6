//! Changes of an index, all on one way: those that come while a commit is on its way are one transaction, which one thread makes for all.
//!
//! ```text
//!  make, share ─┬─► coming ─┬─► the thread that asks, while nobody makes changes: it makes its own and those beside it
//!  begin ───────┘           └─► the thread of the index: what begins, and what came meanwhile, until nothing does
//! ```

use super::transaction::{Asked, Change, Undo, Writer};
use crate::Error;
use crate::making::Making;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Most that are made in one transaction.
const MOST: usize = 256;

#[derive(Default)]
struct State {
    coming: VecDeque<Box<dyn Change>>,
    /// Some thread makes what comes.
    is_led: bool,
    /// That is for the thread of the index.
    handed: bool,
    ended: bool,
}

struct Shared {
    /// Nobody waits for it: it is locked by who leads.
    writer: Mutex<Writer>,
    state: Mutex<State>,
    work: Condvar,
}

/// The making of changes in an index.
pub(super) struct Changes {
    shared: Arc<Shared>,
    /// Started when it is needed first.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Changes {
    pub fn new(writer: Writer) -> Changes {
        let shared = Shared { writer: Mutex::new(writer), state: Mutex::default(), work: Condvar::new() };
        Changes { shared: Arc::new(shared), thread: Mutex::default() }
    }

    /// Puts a change among those that come; returns true where nobody makes them yet.
    fn come<T: Send + 'static>(
        &self,
        undo: Undo,
        change: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> (bool, Making<T>) {
        let (promise, making) = Making::promised();
        let asked = Asked::boxed(undo, change, promise);
        let mut state = self.shared.lock();
        state.coming.push_back(asked);
        (!std::mem::replace(&mut state.is_led, true), making)
    }

    /// Begins a change, and waits for nothing.
    pub fn begin<T: Send + 'static>(
        &self,
        undo: Undo,
        change: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Making<T> {
        let (leads, making) = self.come(undo, change);
        if leads && !self.hand_over() {
            Leads(&self.shared).go_on();
        }
        making
    }

    /// Makes a change, with those that come beside it, where nobody makes any; else it is among those that come when this returns.
    pub fn share<T: Send + 'static>(
        &self,
        undo: Undo,
        change: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Making<T> {
        let (leads, making) = self.come(undo, change);
        if leads {
            let leads = Leads(&self.shared);
            if leads.step() && !self.hand_over() {
                leads.go_on();
            }
        }
        making
    }

    /// Makes a change whole or not at all; it is on disk when it returns, if the connection is set so.
    pub fn make<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.share(Undo::Savepoint, change).wait()
    }

    /// Leaves what comes to the thread of the index; returns false where there is none to be had.
    fn hand_over(&self) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let shared = Arc::clone(&self.shared);
            match ferrometer_threads::spawn("archive-index", move || shared.work()) {
                Ok(started) => *thread = Some(started),
                Err(error) => {
                    tracing::warn!(%error, "no thread for the index; who changes it makes the changes of others too");
                    return false;
                }
            }
        }
        self.shared.lock().handed = true;
        self.shared.work.notify_one();
        true
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_one();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The last who had the index may have been told of his change by that thread.
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
}

/// The thread that makes what comes. Breaking off, it leaves nobody waiting.
struct Leads<'s>(&'s Shared);

impl Leads<'_> {
    /// Makes what has come; returns false when nothing comes any more, and nobody leads.
    fn step(&self) -> bool {
        let mut state = self.0.lock();
        let many = state.coming.len().min(MOST);
        let changes: Vec<Box<dyn Change>> = state.coming.drain(..many).collect();
        drop(state);
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).make(changes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn changes() -> Changes {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)").unwrap();
        Changes::new(Writer::new(connection, None))
    }

    fn insert(numbers: &'static [usize]) -> impl FnOnce(&Connection) -> Result<(), Error> + Send {
        move |connection| {
            for number in numbers {
                connection.execute("INSERT INTO t VALUES (?1)", [number])?;
            }
            Ok(())
        }
    }

    fn count(changes: &Changes) -> usize {
        changes.make(|connection| Ok(connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).unwrap()
    }

    /// Begins a change that ends when it is told to: what comes meanwhile is one transaction.
    fn hold(changes: &Changes) -> (std::sync::mpsc::Sender<()>, Making<()>) {
        let (end, ends): (_, Receiver<()>) = channel();
        let (begun, has_begun) = channel();
        let making = changes.begin(Undo::Savepoint, move |_| {
            begun.send(()).unwrap();
            ends.recv().unwrap();
            Ok(())
        });
        has_begun.recv().unwrap();
        (end, making)
    }

    #[test]
    fn of_one_transaction_what_is_refused_or_breaks_off_takes_back_its_own_alone() {
        let changes = changes();
        let (end, held) = hold(&changes);
        let before = changes.share(Undo::Statement, insert(&[1]));
        let refused = changes.share(Undo::Savepoint, insert(&[2, 3, 1]));
        let broken = changes.share(Undo::Savepoint, |connection: &Connection| -> Result<(), Error> {
            connection.execute("INSERT INTO t VALUES (4)", [])?;
            panic!("on purpose")
        });
        let refused_last = changes.begin(Undo::Statement, insert(&[1]));
        let behind = changes.begin(Undo::Savepoint, insert(&[5, 6]));
        end.send(()).unwrap();
        held.wait().unwrap();
        before.wait().unwrap();
        assert!(refused.wait().is_err());
        let told = broken.wait().unwrap_err();
        assert!(told.to_string().contains("broke off"), "{told}");
        assert!(refused_last.wait().is_err());
        behind.wait().unwrap();
        assert_eq!(count(&changes), 3);
    }

    #[test]
    fn a_change_alone_is_taken_back_whole_in_the_thread_that_asks() {
        let changes = changes();
        assert!(changes.make(insert(&[1, 2, 1])).is_err());
        assert_eq!(count(&changes), 0);
        let broken = changes.make(|_| -> Result<(), Error> { panic!("on purpose") });
        assert!(broken.unwrap_err().to_string().contains("broke off"));
        let me = std::thread::current().id();
        let making = changes.share(Undo::Savepoint, move |_| Ok(std::thread::current().id() == me));
        assert!(making.wait().unwrap());
        let making = changes.begin(Undo::Savepoint, move |_| Ok(std::thread::current().id() == me));
        assert!(!making.wait().unwrap(), "who only begins waits for nothing");
    }

    #[test]
    fn a_transaction_that_ends_by_itself_is_told_to_all_of_it() {
        let changes = changes();
        let (end, held) = hold(&changes);
        let before = changes.begin(Undo::Statement, insert(&[1]));
        // As SQLite does it on a full disk.
        let ended = changes.begin(Undo::Savepoint, |connection: &Connection| {
            connection.execute_batch("ROLLBACK")?;
            Err::<(), _>(Error::Index("disk is full".into()))
        });
        let behind = changes.begin(Undo::Statement, insert(&[2]));
        end.send(()).unwrap();
        held.wait().unwrap();
        for making in [before, ended, behind] {
            assert_eq!(making.wait().unwrap_err().to_string(), "the index refused: disk is full");
        }
        assert_eq!(count(&changes), 0);
        changes.make(insert(&[1])).unwrap();
    }
}
