//! Redis as incoming and as storage: one server, perhaps with replicas; not a cluster of Redis, whose scripts reach the keys of one node alone.
//!
//! An acknowledged measure is as safe as the server keeps it: with `appendonly yes` and `appendfsync always` it is on disk.

mod incoming;
mod storage;

use crate::Error;
use ::redis::{Client, Cmd, Connection, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most connections that are kept while nobody uses them.
const IDLE: usize = 16;
/// Longest that a connection or an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// The number of the form in which keys and values are written.
const FORM: i64 = 1;
/// Names of all keys begin with it.
const PREFIX: &str = "ferrometer-archive";

/// An archive's keys in a Redis.
pub struct Redis {
    client: Client,
    idle: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Error {
        // The text of the client has no address and no password in it.
        let text = format!("Redis: {error}");
        match error.kind() {
            ErrorKind::InvalidClientConfig => Error::Invalid(text),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading | ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown,
            ) => Error::Away(text),
            _ if error.code() == Some("OOM") => Error::Busy(text),
            _ if matches!(error.code(), Some("MISCONF" | "NOREPLICAS")) => Error::Away(text),
            ErrorKind::Io | ErrorKind::AuthenticationFailed => Error::Away(text),
            _ if error.is_unrecoverable_error() => Error::Away(text),
            _ => Error::Index(text),
        }
    }
}

impl Redis {
    /// Connects to `redis://[:password@]host[:port][/database]`. A warning tells when the server does not keep on disk what it acknowledges.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that is none; [`Error::Away`] when it cannot be reached; [`Error::Index`] when its keys were written by
    /// a later version.
    pub fn connect(address: &str) -> Result<Redis, Error> {
        let redis = Redis { client: Client::open(address)?, idle: Mutex::default() };
        let key = format!("{PREFIX}:form");
        redis.run::<()>(::redis::cmd("SET").arg(&key).arg(FORM).arg("NX"))?;
        let form: i64 = redis.run(::redis::cmd("GET").arg(&key))?;
        if form > FORM {
            return Err(Error::Index(format!(
                "its keys in Redis have the form {form}, written by a later version of this program; this one knows up to {FORM}"
            )));
        }
        redis.warn_of_loss();
        Ok(redis)
    }

    /// Tells when the server would lose what it acknowledged. Where it does not tell its settings, nothing is said.
    fn warn_of_loss(&self) {
        let setting = |name: &str| {
            let told: Option<(String, String)> = self.run(::redis::cmd("CONFIG").arg("GET").arg(name)).ok();
            told.map(|(_, value)| value)
        };
        let (log, sync) = (setting("appendonly"), setting("appendfsync"));
        if log.as_deref() == Some("no") {
            tracing::warn!("Redis has `appendonly no`: when it ends, measures are lost that were acknowledged");
        } else if sync.is_some_and(|sync| sync != "always") {
            tracing::warn!(
                "Redis has not `appendfsync always`: the end of its machine loses measures of the last moment"
            );
        }
    }

    fn connection(&self) -> Result<Connection, Error> {
        let connection = self.client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// Runs a command that may be done twice: once more when a connection was found dead that had been used before.
    fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut connection) = pooled {
            match command.query(&mut connection).map_err(Error::from) {
                Err(Error::Away(_)) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear(),
                done => {
                    self.give_back(connection);
                    return done;
                }
            }
        }
        let mut connection = self.connection()?;
        let done = command.query(&mut connection).map_err(Error::from);
        if !matches!(done, Err(Error::Away(_))) {
            self.give_back(connection);
        }
        done
    }

    /// Hands the names of keys of a pattern to `each`, every one at least once.
    fn scan(&self, pattern: &str, each: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        let mut cursor = 0_u64;
        loop {
            let mut command = ::redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1000);
            let (next, names): (u64, Vec<String>) = self.run(&command)?;
            names.iter().try_for_each(|name| each(name))?;
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
    }
}
