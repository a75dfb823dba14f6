//! One transaction for all changes that come together: each stands or falls alone, and one sync serves all.

use super::room::Room;
use crate::Error;
use crate::making::Promise;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Who takes back what a change did that fails beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// SQLite by itself: the change is one statement.
    Statement,
    /// A savepoint.
    Savepoint,
}

/// A change that somebody waits for.
pub(super) trait Change: Send {
    fn undo(&self) -> Undo;

    /// Makes it, once.
    fn make(&mut self, connection: &Connection) -> Result<(), Error>;

    /// Tells how it ended.
    fn tell(self: Box<Self>, ended: Result<(), Error>);
}

/// A change as a function, and the promise of what it returns.
pub(super) struct Asked<T, C> {
    undo: Undo,
    change: Option<C>,
    made: Option<T>,
    promise: Promise<T>,
}

impl<T, C> Asked<T, C>
where
    T: Send + 'static,
    C: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
{
    pub fn boxed(undo: Undo, change: C, promise: Promise<T>) -> Box<dyn Change> {
        Box::new(Asked { undo, change: Some(change), made: None, promise })
    }
}

impl<T: Send, C: FnOnce(&Connection) -> Result<T, Error> + Send> Change for Asked<T, C> {
    fn undo(&self) -> Undo {
        self.undo
    }

    fn make(&mut self, connection: &Connection) -> Result<(), Error> {
        let Some(change) = self.change.take() else { return Ok(()) };
        // It may run in the thread of somebody else, whose change it is not.
        let made = catch_unwind(AssertUnwindSafe(|| change(connection)));
        self.made = Some(made.unwrap_or_else(|_| Err(Promise::<T>::broken()))?);
        Ok(())
    }

    fn tell(self: Box<Self>, ended: Result<(), Error>) {
        let Asked { made, promise, .. } = *self;
        promise.keep(ended.and_then(|()| made.ok_or_else(Promise::<T>::broken)));
    }
}

/// The writing connection.
pub(super) struct Writer {
    connection: Connection,
    /// None where nothing is synced.
    room: Option<Room>,
}

impl Writer {
    pub fn new(connection: Connection, room: Option<Room>) -> Writer {
        Writer { connection, room }
    }

    /// Makes changes in one transaction, and tells everyone.
    pub fn make(&mut self, mut changes: Vec<Box<dyn Change>>) {
        match self.transaction(&mut changes) {
            Ok(made) => changes.into_iter().zip(made).for_each(|(change, made)| change.tell(made)),
            Err(error) => {
                if !self.connection.is_autocommit() {
                    let _ = self.run("ROLLBACK");
                }
                let words = match error {
                    Error::Index(words) => words,
                    other => other.to_string(),
                };
                changes.into_iter().for_each(|change| change.tell(Err(Error::Index(words.clone()))));
            }
        }
    }

    /// Returns how each change ended. An error is one that took back all of them.
    fn transaction(&mut self, changes: &mut [Box<dyn Change>]) -> Result<Vec<Result<(), Error>>, Error> {
        self.run("BEGIN IMMEDIATE")?;
        let is_alone = changes.len() == 1;
        let mut made = Vec::with_capacity(changes.len());
        for change in changes {
            // Alone, it is taken back with the transaction.
            let has_savepoint = !is_alone && change.undo() == Undo::Savepoint;
            made.push(self.apart(&mut **change, has_savepoint)?);
        }
        if made.iter().all(Result::is_err) {
            self.run("ROLLBACK")?;
            return Ok(made);
        }
        self.run("COMMIT")?;
        if let Some(room) = &mut self.room {
            room.committed();
        }
        Ok(made)
    }

    /// Makes a change beside others: what is refused takes back its own alone. An error is one that took back the whole transaction.
    fn apart(&self, change: &mut dyn Change, has_savepoint: bool) -> Result<Result<(), Error>, Error> {
        if has_savepoint {
            self.run("SAVEPOINT change")?;
        }
        let made = change.make(&self.connection);
        if made.is_err() && self.connection.is_autocommit() {
            // A full disk, say.
            return made.map(Ok);
        }
        if has_savepoint {
            if made.is_err() {
                self.run("ROLLBACK TO change")?;
            }
            self.run("RELEASE change")?;
        }
        Ok(made)
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}
