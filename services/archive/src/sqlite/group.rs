//! One writing connection, and one sync for all changes that come together.
//!
//! A change is made in a transaction that is open already, if there is one, within a savepoint of its own, so that its failure takes back
//! nothing of others. Who has nobody behind him commits for all; the others wait for that. While a commit is synced, the next group comes together.

use crate::Error;
use rusqlite::Connection;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Most changes of one transaction.
const MOST: usize = 256;

type Outcome = OnceLock<Result<(), String>>;

/// The writing connection.
pub(super) struct Group {
    writer: Mutex<Writer>,
    /// Threads that want to write and do not yet.
    coming: AtomicUsize,
    committed: Condvar,
}

struct Writer {
    connection: Connection,
    /// Changes in the transaction that is open; 0 when none is.
    changes: usize,
    outcome: Arc<Outcome>,
}

impl Writer {
    fn end(&mut self, result: rusqlite::Result<()>) {
        if result.is_err() {
            // Where even that fails, the transaction ended by itself.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        let _ = self.outcome.set(result.map_err(|error| error.to_string()));
        self.outcome = Arc::default();
        self.changes = 0;
    }

    fn commit(&mut self) {
        let result = self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]).map(drop));
        self.end(result);
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Makes a change, and takes it back whole when it fails.
    fn change<T>(&mut self, change: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        if self.changes == 0 {
            self.run("BEGIN IMMEDIATE")?;
            // It is alone so far: it needs no savepoint.
            let made = change(&self.connection);
            match &made {
                Ok(_) => self.changes = 1,
                Err(_) => self.run("ROLLBACK")?,
            }
            return made;
        }
        self.run("SAVEPOINT change")?;
        let made = change(&self.connection);
        if let Err(error) = &made
            && self.connection.is_autocommit()
        {
            // A full disk, say, took back the whole transaction.
            let _ = self.outcome.set(Err(error.to_string()));
            self.outcome = Arc::default();
            self.changes = 0;
            return made;
        }
        if made.is_err() {
            self.run("ROLLBACK TO change")?;
        }
        self.run("RELEASE change")?;
        self.changes += 1;
        made
    }
}

impl Group {
    pub fn new(connection: Connection) -> Group {
        let writer = Writer { connection, changes: 0, outcome: Arc::default() };
        Group { writer: Mutex::new(writer), coming: AtomicUsize::new(0), committed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        match self.writer.lock() {
            Ok(writer) => writer,
            // Somebody ended within a change: nothing of its transaction counts.
            Err(poisoned) => {
                self.writer.clear_poison();
                let mut writer = poisoned.into_inner();
                let _ = writer.connection.execute_batch("ROLLBACK");
                let _ = writer.outcome.set(Err("a change that went along broke off".into()));
                writer.outcome = Arc::default();
                writer.changes = 0;
                self.committed.notify_all();
                writer
            }
        }
    }

    /// Makes a change whole or not at all; it is on disk when it returns, if the connection is set so.
    pub fn write<T>(&self, change: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.coming.fetch_add(1, SeqCst);
        let mut writer = self.lock();
        self.coming.fetch_sub(1, SeqCst);
        let outcome = Arc::clone(&writer.outcome);
        let made = writer.change(change);
        if outcome.get().is_some() {
            self.committed.notify_all();
        }
        if writer.changes > 0 && (writer.changes >= MOST || self.coming.load(SeqCst) == 0) {
            writer.commit();
            self.committed.notify_all();
        } else if writer.changes > 0 {
            // Somebody comes, and commits this too, or leaves it to the next who comes.
            while outcome.get().is_none() {
                writer = self.committed.wait(writer).unwrap_or_else(PoisonError::into_inner);
            }
        }
        match outcome.get() {
            Some(Err(reason)) => Err(Error::Index(reason.clone())),
            _ => made,
        }
    }
}
