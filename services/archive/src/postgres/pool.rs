//! Connections that are used again, with the statements that they have prepared.
//!
//! A connection that fails is not used again. What it was doing is tried once more on a new one where that changes nothing twice.

use crate::Error;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, NoTls, Row, Statement};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most connections that are kept while nobody uses them.
const IDLE: usize = 16;
/// Most statements that a connection keeps prepared.
const STATEMENTS: usize = 128;

/// Connections to one database.
pub(super) struct Pool {
    config: postgres::Config,
    idle: Mutex<Vec<Connection>>,
}

/// A connection and its prepared statements.
pub(super) struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
}

/// An error of the database, before it is told apart.
#[derive(Debug)]
pub(super) enum Failure {
    Database(postgres::Error),
    Ours(Error),
}

impl From<postgres::Error> for Failure {
    fn from(error: postgres::Error) -> Failure {
        Failure::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Ours(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::Ours(error.into())
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Ours(error) => error,
            Failure::Database(error) => error.into(),
        }
    }
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Error {
        let Some(told) = error.as_db_error() else {
            // No answer: the connection was refused, broke, or was closed.
            let reason = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            return Error::Away(format!("PostgreSQL: {reason}"));
        };
        let message = format!("PostgreSQL: {}", told.message());
        let away = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::QUERY_CANCELED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
            // A server that became a standby is away until the next one is found.
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::DISK_FULL,
            SqlState::OUT_OF_MEMORY,
        ];
        match told.code() {
            code if away.contains(code) => Error::Away(message),
            &SqlState::CHARACTER_NOT_IN_REPERTOIRE | &SqlState::UNTRANSLATABLE_CHARACTER => Error::Invalid(message),
            _ => Error::Index(told.message().to_owned()),
        }
    }
}

/// Returns true for an error of a unique key.
pub(super) fn is_taken(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// Returns true for a row that others refer to, or that refers to one that is not there.
pub(super) fn is_referred(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION)
}

impl Pool {
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(address: &str) -> Result<Pool, Error> {
        let config: postgres::Config = address.parse().map_err(|error: postgres::Error| {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Error::Invalid(format!("no address of a PostgreSQL: {reason}; one is postgresql://user@host:5432/database"))
        })?;
        let mut config = config;
        config.application_name("ferrometer-archive");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(15));
        }
        Ok(Pool { config, idle: Mutex::default() })
    }

    fn connect(&self) -> Result<Connection, Error> {
        let mut client = self.config.connect(NoTls)?;
        // A commit that is told is on disk, whatever the server's default; and no lock or question is waited for without end.
        client.batch_execute(
            "SET synchronous_commit = on; SET statement_timeout = '60s'; SET lock_timeout = '20s'; SET client_min_messages = warning",
        )?;
        Ok(Connection { client, statements: HashMap::new() })
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && !connection.client.is_closed() {
            idle.push(connection);
        }
    }

    /// Drops all connections that nobody uses: one of them was found dead.
    fn drop_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Asks something, or does something that may be done twice.
    pub fn read<T>(&self, mut ask: impl FnMut(&mut Connection) -> Result<T, Failure>) -> Result<T, Error> {
        if let Some(mut connection) = self.take() {
            match ask(&mut connection).map_err(Error::from) {
                Err(Error::Away(_)) => self.drop_idle(),
                done => {
                    self.give_back(connection);
                    return done;
                }
            }
        }
        let mut connection = self.connect()?;
        let done = ask(&mut connection).map_err(Error::from);
        if !matches!(done, Err(Error::Away(_))) {
            self.give_back(connection);
        }
        done
    }

    /// Does something whole or not at all.
    pub fn write<T>(&self, change: impl FnOnce(&mut Connection) -> Result<T, Failure>) -> Result<T, Error> {
        let begin = |connection: &mut Connection| connection.client.batch_execute("BEGIN");
        let pooled = self.take().and_then(|mut connection| match begin(&mut connection) {
            Ok(()) => Some(connection),
            Err(_) => {
                self.drop_idle();
                None
            }
        });
        let mut connection = match pooled {
            Some(connection) => connection,
            None => {
                let mut connection = self.connect()?;
                begin(&mut connection)?;
                connection
            }
        };
        let done = change(&mut connection).map_err(Error::from);
        let ended = match &done {
            Ok(_) => connection.client.batch_execute("COMMIT"),
            Err(Error::Away(_)) => return done,
            Err(_) => connection.client.batch_execute("ROLLBACK"),
        };
        match (done, ended) {
            (done, Ok(())) => {
                self.give_back(connection);
                done
            }
            (Ok(_), Err(error)) => Err(error.into()),
            (done, Err(_)) => done,
        }
    }
}

impl Connection {
    fn prepare(&mut self, sql: &str) -> Result<Statement, postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub fn query(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, postgres::Error> {
        let statement = self.prepare(sql)?;
        self.client.query(&statement, parameters)
    }

    pub fn execute(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, postgres::Error> {
        let statement = self.prepare(sql)?;
        self.client.execute(&statement, parameters)
    }

    /// Runs statements without parameters.
    pub fn batch(&mut self, sql: &str) -> Result<(), postgres::Error> {
        self.client.batch_execute(sql)
    }
}
