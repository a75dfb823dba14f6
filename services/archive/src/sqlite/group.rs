//! One writing connection, and one sync for all changes that come together.
//!
//! A change is made in a transaction that is open already, if there is one, within a savepoint of its own, so that its failure takes back
//! nothing of others. Who has nobody behind him commits for all; the others wait for that. While a commit is synced, the next group comes together.

use super::room::Room;
use crate::Error;
use rusqlite::Connection;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Most changes of one transaction.
const MOST: usize = 256;

/// The end of a transaction, as those are told whose changes are in it. Waiting for it holds up nobody who writes.
#[derive(Default)]
struct Outcome {
    ended: Mutex<Option<Result<(), String>>>,
    told: Condvar,
}

impl Outcome {
    fn lock(&self) -> MutexGuard<'_, Option<Result<(), String>>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, result: Result<(), String>) {
        self.lock().get_or_insert(result);
        self.told.notify_all();
    }

    fn wait(&self) -> Result<(), String> {
        let mut ended = self.lock();
        loop {
            match &*ended {
                Some(result) => return result.clone(),
                None => ended = self.told.wait(ended).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The writing connection.
pub(super) struct Group {
    writer: Mutex<Writer>,
    /// Threads that want to write and do not yet.
    coming: AtomicUsize,
}

struct Writer {
    connection: Connection,
    /// None where nothing is synced.
    room: Option<Room>,
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
        self.begin_anew(result.map_err(|error| error.to_string()));
    }

    /// Tells how the transaction ended; the next one has not begun.
    fn begin_anew(&mut self, ended: Result<(), String>) {
        std::mem::take(&mut self.outcome).end(ended);
        self.changes = 0;
    }

    fn commit(&mut self) {
        let result = self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]).map(drop));
        let is_made = result.is_ok();
        self.end(result);
        if let Some(room) = self.room.as_mut().filter(|_| is_made) {
            room.committed();
        }
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
                // A full disk, say, took it back already.
                Err(_) if self.connection.is_autocommit() => {}
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
            self.begin_anew(Err(error.to_string()));
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
    pub fn new(connection: Connection, room: Option<Room>) -> Group {
        let writer = Writer { connection, room, changes: 0, outcome: Arc::default() };
        Group { writer: Mutex::new(writer), coming: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        match self.writer.lock() {
            Ok(writer) => writer,
            // Somebody ended within a change: nothing of its transaction counts.
            Err(poisoned) => {
                self.writer.clear_poison();
                let mut writer = poisoned.into_inner();
                let _ = writer.connection.execute_batch("ROLLBACK");
                writer.begin_anew(Err("a change that went along broke off".into()));
                writer
            }
        }
    }

    /// Makes a change whole or not at all; it is on disk when it returns, if the connection is set so.
    pub fn write<T>(&self, change: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        // It goes behind the lock.
        let _broken_off = BrokenOff(self);
        self.coming.fetch_add(1, SeqCst);
        let mut writer = self.lock();
        self.coming.fetch_sub(1, SeqCst);
        let outcome = Arc::clone(&writer.outcome);
        let made = writer.change(change);
        if writer.changes > 0 && (writer.changes >= MOST || self.coming.load(SeqCst) == 0) {
            writer.commit();
        }
        drop(writer);
        let made = made?;
        // Where it is not committed yet, somebody comes, and commits this too, or leaves it to the next who comes.
        outcome.wait().map(|()| made).map_err(Error::Index)
    }
}

/// Tells those who wait for a change that broke off, and took theirs along.
struct BrokenOff<'g>(&'g Group);

impl Drop for BrokenOff<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.0.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread::{Scope, ScopedJoinHandle};

    fn group() -> Group {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)").unwrap();
        Group::new(connection, None)
    }

    fn insert(connection: &Connection, number: usize) -> Result<(), Error> {
        connection.execute("INSERT INTO t VALUES (?1)", [number])?;
        Ok(())
    }

    fn count(group: &Group) -> usize {
        group.write(|connection| Ok(connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).unwrap()
    }

    /// Waits until this number stand behind the change that is being made.
    fn behind(group: &Group, many: usize) {
        while group.coming.load(SeqCst) < many {
            std::thread::yield_now();
        }
    }

    /// Begins a change that ends when another stands behind it.
    fn begin<'s>(scope: &'s Scope<'s, '_>, group: &'s Group) -> ScopedJoinHandle<'s, Result<(), Error>> {
        let (begun, has_begun) = channel();
        let first = scope.spawn(move || {
            group.write(|connection| {
                begun.send(()).unwrap();
                behind(group, 1);
                insert(connection, 1)
            })
        });
        has_begun.recv().unwrap();
        first
    }

    #[test]
    fn a_change_that_fails_last_commits_those_before_it() {
        let group = &group();
        std::thread::scope(|scope| {
            let first = begin(scope, group);
            assert!(group.write(|connection| insert(connection, 1)).is_err());
            first.join().unwrap().unwrap();
        });
        assert_eq!(count(group), 1);
    }

    #[test]
    fn a_change_that_breaks_off_leaves_nobody_waiting() {
        let group = &group();
        std::thread::scope(|scope| {
            let first = begin(scope, group);
            let broken = scope.spawn(|| group.write(|_| -> Result<(), Error> { panic!("on purpose") }));
            assert!(broken.join().is_err());
            let told = first.join().unwrap().unwrap_err();
            assert!(told.to_string().contains("broke off"), "{told}");
        });
        assert_eq!(count(group), 0);
        group.write(|connection| insert(connection, 2)).unwrap();
        assert_eq!(count(group), 1);
    }
}
