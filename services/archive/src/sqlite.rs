//! The embedded [`Index`]: SQLite in one file.
//!
//! One connection writes; others read. The schema has a number, and is brought up to date when the file is opened.

mod changes;
pub(crate) mod integrity;
mod metrics;
mod resources;
mod room;
mod transaction;
mod types;

use crate::condition::{Dialect, Parameter};
use crate::index::{Index, NewMetric, ResourceChange, ResourceQuery, TypeChange};
use crate::making::Making;
use crate::search::{Filter, Page};
use crate::{Error, Metric, Policy, Resource, ResourceType, Rule};
use changes::Changes;
use room::Room;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension, ToSql, params};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use transaction::{Undo, Writer};
use uuid::Uuid;

/// Changes of the schema, in order; the number of those that were made is kept in the file.
const SCHEMA: [&str; 2] = ["
CREATE TABLE policy (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE rule (name TEXT PRIMARY KEY, pattern TEXT NOT NULL, policy TEXT NOT NULL REFERENCES policy) STRICT, WITHOUT ROWID;
CREATE TABLE resource_type (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE resource (
  id TEXT PRIMARY KEY, type TEXT NOT NULL REFERENCES resource_type, original_resource_id TEXT NOT NULL, creator TEXT NOT NULL,
  user_id TEXT, project_id TEXT, started_at INTEGER NOT NULL, ended_at INTEGER,
  revision_start INTEGER NOT NULL, attributes TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX resource_by_type ON resource (type, revision_start, started_at, id);
CREATE TABLE resource_history (
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL REFERENCES resource ON DELETE CASCADE, type TEXT NOT NULL, original_resource_id TEXT NOT NULL, creator TEXT NOT NULL,
  user_id TEXT, project_id TEXT, started_at INTEGER NOT NULL, ended_at INTEGER,
  revision_start INTEGER NOT NULL, revision_end INTEGER NOT NULL, attributes TEXT NOT NULL) STRICT;
CREATE INDEX history_by_resource ON resource_history (id);
CREATE TABLE metric (
  id TEXT PRIMARY KEY, creator TEXT NOT NULL, name TEXT, unit TEXT,
  archive_policy_name TEXT NOT NULL REFERENCES policy, resource_id TEXT REFERENCES resource) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX metric_by_resource ON metric (resource_id, name) WHERE resource_id IS NOT NULL;
CREATE INDEX metric_by_policy ON metric (archive_policy_name);
CREATE INDEX metric_by_name ON metric (name);
", "
-- A metric without a name is in no page of it.
DROP INDEX metric_by_name;
CREATE INDEX metric_by_name ON metric (name) WHERE name IS NOT NULL;
"];

const DIALECT: Dialect = Dialect {
    truth: ["1", "0"],
    place: |number, _| format!("?{number}"),
    attribute: |name, _| format!("json_extract(attributes, '$.\"{name}\"')"),
    same: "IS",
    creator: [
        "iif(instr(creator, ':') > 0, substr(creator, 1, instr(creator, ':') - 1), creator)",
        "iif(instr(creator, ':') > 0, substr(creator, instr(creator, ':') + 1), '')",
    ],
};

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Parameter::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Parameter::Integer(whole) => ToSqlOutput::Borrowed(ValueRef::Integer(*whole)),
            Parameter::Real(number) => ToSqlOutput::Borrowed(ValueRef::Real(*number)),
            Parameter::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl FromSql for Parameter {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Parameter> {
        Ok(match value {
            ValueRef::Null | ValueRef::Blob(_) => Parameter::Null,
            ValueRef::Integer(whole) => Parameter::Integer(whole),
            ValueRef::Real(number) => Parameter::Real(number),
            ValueRef::Text(_) => Parameter::Text(value.as_str()?.to_owned()),
        })
    }
}

/// Most reading connections that are kept.
const READERS: usize = 8;

/// The index of a directory.
pub struct Sqlite {
    path: PathBuf,
    changes: Changes,
    readers: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        match error {
            // Without the statement: it may be as long as a request, and is nobody's business outside.
            rusqlite::Error::SqlInputError { msg, .. } => Error::Index(msg),
            error => Error::Index(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::Damaged(format!("the index holds no JSON where it should: {error}"))
    }
}

impl Sqlite {
    /// Opens an index, which is made when it is not there. With `durable` a change is on disk when its call returns; without, the end
    /// of the process loses nothing, the end of the machine what the system had not written.
    ///
    /// # Errors
    /// [`Error::Index`] when it cannot be opened, or was written by a later version.
    pub fn open(path: &Path, durable: bool) -> Result<Sqlite, Error> {
        let mut writer = Connection::open(path)?;
        prepare(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "wal_autocheckpoint", room::PAGES)?;
        writer.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        let version: usize = writer.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > SCHEMA.len() {
            return Err(Error::Index(format!(
                "its schema has the number {version}, written by a later version of this program; this one knows up to {}",
                SCHEMA.len()
            )));
        }
        for (number, change) in SCHEMA.iter().enumerate().skip(version) {
            let step = writer.transaction()?;
            step.execute_batch(change)?;
            step.pragma_update(None, "user_version", number + 1)?;
            step.execute(
                "INSERT OR IGNORE INTO resource_type VALUES ('generic', ?1)",
                [serde_json::to_string(&ResourceType::generic())?],
            )?;
            step.commit()?;
        }
        // An index that nobody syncs needs no room.
        let changes = Changes::new(Writer::new(writer, durable.then(|| Room::of(path))));
        Ok(Sqlite { path: path.into(), changes, readers: Mutex::default() })
    }

    /// Returns the names of the policies in an index, in order, and writes nothing: for a look at one that a server may have open.
    pub(crate) fn policies_of(path: &Path) -> Result<Vec<String>, Error> {
        // A file that nobody has open, and that was closed well, is all there is: no other file is made beside it.
        let is_alone = !path.with_extension("sqlite-wal").exists();
        let mut uri = String::from("file:");
        for byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(*byte)),
                byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
                byte => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri.push_str(if is_alone { "?immutable=1" } else { "?mode=ro" });
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        let mut statement = connection.prepare("SELECT name FROM policy ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Makes a change whole or not at all. Who needs its outcome to go on, as all do but those who begin something, has a thread that waits for it:
    /// behind a removal of metrics their aggregates are removed, measures are appended behind metrics that are made for them, and the policy of a
    /// metric changes within a change of its aggregates.
    fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.changes.make(change)
    }

    fn read<T>(&self, question: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let pooled = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match pooled {
            Some(reader) => reader,
            None => {
                let reader = Connection::open(&self.path)?;
                prepare(&reader)?;
                reader.pragma_update(None, "query_only", true)?;
                reader
            }
        };
        let answer = question(&reader);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS {
            readers.push(reader);
        }
        answer
    }
}

fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "case_sensitive_like", true)?;
    Ok(())
}

/// Returns true for an error of a unique key.
fn is_taken(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    matches!(extended, Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY))
}

/// Returns true for a row that others refer to, or that refers to one that is not there.
fn is_referred(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    matches!(extended, Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY))
}

fn exists(connection: &Connection, table: &str, name: &str) -> Result<bool, Error> {
    // The table is one of ours, never a user's text.
    let mut statement = connection.prepare_cached(&format!("SELECT 1 FROM {table} WHERE name = ?1"))?;
    Ok(statement.exists([name])?)
}

impl Index for Sqlite {
    fn policies(&self) -> Result<Vec<Policy>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM policy ORDER BY name")?;
            let bodies = statement.query_map([], |row| row.get::<_, String>(0))?;
            bodies.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        })
    }

    fn set_policy(&self, policy: &Policy, replace: bool) -> Result<(), Error> {
        let (name, body) = (policy.name.clone(), serde_json::to_string(policy)?);
        self.write(move |transaction| {
            let there = exists(transaction, "policy", &name)?;
            if there && !replace {
                return Err(Error::PolicyExists(name));
            }
            transaction.execute(
                "INSERT INTO policy VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
                params![name, body],
            )?;
            Ok(())
        })
    }

    fn remove_policy(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.write(move |transaction| match transaction.execute("DELETE FROM policy WHERE name = ?1", [&name]) {
            Ok(0) => Err(Error::NoSuchPolicy(name)),
            Ok(_) => Ok(()),
            Err(error) if is_referred(&error) => Err(Error::PolicyInUse(name)),
            Err(error) => Err(error.into()),
        })
    }

    fn rules(&self) -> Result<Vec<Rule>, Error> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT name, pattern, policy FROM rule ORDER BY pattern DESC, name")?;
            let rules = statement
                .query_map([], |row| Ok(Rule { name: row.get(0)?, pattern: row.get(1)?, policy: row.get(2)? }))?;
            Ok(rules.collect::<Result<_, _>>()?)
        })
    }

    fn add_rule(&self, rule: &Rule) -> Result<(), Error> {
        let rule = rule.clone();
        self.write(move |transaction| {
            if exists(transaction, "rule", &rule.name)? {
                return Err(Error::RuleExists(rule.name));
            }
            if !exists(transaction, "policy", &rule.policy)? {
                return Err(Error::NoSuchPolicy(rule.policy));
            }
            transaction
                .execute("INSERT INTO rule VALUES (?1, ?2, ?3)", params![rule.name, rule.pattern, rule.policy])?;
            Ok(())
        })
    }

    fn rename_rule(&self, name: &str, to: &str) -> Result<(), Error> {
        let (name, to) = (name.to_owned(), to.to_owned());
        let sql = "UPDATE rule SET name = ?2 WHERE name = ?1";
        self.write(move |transaction| match transaction.execute(sql, [&name, &to]) {
            Ok(0) => Err(Error::NoSuchRule(name)),
            Ok(_) => Ok(()),
            Err(error) if is_taken(&error) => {
                Err(Error::RuleChange(name, format!("Archive policy rule {to} already exists.")))
            }
            Err(error) => Err(error.into()),
        })
    }

    fn remove_rule(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.write(move |transaction| match transaction.execute("DELETE FROM rule WHERE name = ?1", [&name])? {
            0 => Err(Error::NoSuchRule(name)),
            _ => Ok(()),
        })
    }

    fn add_metrics(&self, metrics: &[Metric]) -> Result<(), Error> {
        self.make_metrics(metrics.to_vec()).wait()
    }

    fn begin_metrics(&self, metrics: Vec<Metric>) -> Making {
        let (undo, change) = metrics::making(metrics);
        self.changes.begin(undo, change)
    }

    fn make_metrics(&self, metrics: Vec<Metric>) -> Making {
        let (undo, change) = metrics::making(metrics);
        self.changes.share(undo, change)
    }

    fn metrics_by_id(&self, ids: &[Uuid]) -> Result<Vec<Metric>, Error> {
        self.read(|connection| metrics::by_ids(connection, ids))
    }

    fn metric_policies(&self, ids: &[Uuid]) -> Result<Vec<Option<String>>, Error> {
        self.read(|connection| metrics::policies(connection, ids))
    }

    fn metrics(&self, filter: Option<&Filter>, page: &Page) -> Result<Vec<Metric>, Error> {
        self.read(|connection| metrics::list(connection, filter, page))
    }

    fn set_metric_policy(&self, id: Uuid, policy: &str) -> Result<(), Error> {
        let policy = policy.to_owned();
        self.write(move |transaction| {
            if !exists(transaction, "policy", &policy)? {
                return Err(Error::NoSuchPolicy(policy));
            }
            let change = "UPDATE metric SET archive_policy_name = ?2 WHERE id = ?1";
            match transaction.prepare_cached(change)?.execute([&id.to_string(), &policy])? {
                0 => Err(Error::NoSuchMetric(id.to_string())),
                _ => Ok(()),
            }
        })
    }

    fn remove_metric(&self, id: Uuid) -> Result<(), Error> {
        self.write(move |transaction| {
            match transaction.prepare_cached("DELETE FROM metric WHERE id = ?1")?.execute([id.to_string()])? {
                0 => Err(Error::NoSuchMetric(id.to_string())),
                _ => Ok(()),
            }
        })
    }

    fn resource_types(&self) -> Result<Vec<ResourceType>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM resource_type ORDER BY name")?;
            let bodies = statement.query_map([], |row| row.get::<_, String>(0))?;
            bodies.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        })
    }

    fn resource_type(&self, name: &str) -> Result<ResourceType, Error> {
        self.read(|connection| types::get(connection, name))
    }

    fn add_resource_type(&self, kind: &ResourceType) -> Result<(), Error> {
        let kind = kind.clone();
        self.write(move |transaction| types::add(transaction, &kind))
    }

    fn change_resource_type(&self, name: &str, change: &TypeChange) -> Result<ResourceType, Error> {
        let (name, change) = (name.to_owned(), change.clone());
        self.write(move |transaction| types::change(transaction, &name, &change))
    }

    fn remove_resource_type(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.write(move |transaction| types::remove(transaction, &name))
    }

    fn add_resource(&self, resource: &Resource, metrics: &[NewMetric]) -> Result<(), Error> {
        self.make_resource(resource.clone(), metrics.to_vec()).wait()
    }

    fn make_resource(&self, resource: Resource, metrics: Vec<NewMetric>) -> Making {
        let undo = if metrics.is_empty() { Undo::Statement } else { Undo::Savepoint };
        self.changes.share(undo, move |transaction| resources::add(transaction, &resource, &metrics))
    }

    fn resource(&self, kind: &str, id: Uuid) -> Result<Option<Resource>, Error> {
        self.read(|connection| {
            Ok(resources::get(connection, id)?.filter(|found| kind == "generic" || found.kind == kind))
        })
    }

    fn change_resource(
        &self,
        id: Uuid,
        change: &ResourceChange,
        metrics: Option<(&[NewMetric], bool)>,
    ) -> Result<Resource, Error> {
        let change = change.clone();
        let metrics = metrics.map(|(new, append)| (new.to_vec(), append));
        self.write(move |transaction| {
            let metrics = metrics.as_ref().map(|(new, append)| (&**new, *append));
            resources::change(transaction, id, &change, metrics)
        })
    }

    fn remove_resources(&self, kind: &str, filter: &Filter) -> Result<(u64, Vec<Uuid>), Error> {
        let (kind, filter) = (kind.to_owned(), filter.clone());
        self.write(move |transaction| resources::remove(transaction, &kind, &filter))
    }

    fn copy_to(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join("index.sqlite");
        let text = path.to_str().ok_or_else(|| Error::Invalid(format!("{} is no text", path.display())))?;
        // A connection of its own: it is one long transaction that reads.
        let connection = Connection::open(&self.path)?;
        prepare(&connection)?;
        connection.execute("VACUUM INTO ?1", [text])?;
        // It keeps the number of the schema.
        std::fs::File::open(&path)?.sync_all()?;
        Ok(())
    }

    fn resources(&self, query: &ResourceQuery) -> Result<Vec<Resource>, Error> {
        self.read(|connection| resources::list(connection, query))
    }
}

/// Returns a UUID of the index.
fn uuid(text: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(text).map_err(|_| Error::Damaged(format!("the index holds `{text}` where a UUID should be")))
}

fn optional<T>(result: Result<T, rusqlite::Error>) -> Result<Option<T>, Error> {
    Ok(result.optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_statement_is_told_without_the_statement() {
        let connection = Connection::open_in_memory().unwrap();
        let error = connection.prepare("SELECT 1 FROM nowhere").map(drop).unwrap_err();
        assert_eq!(Error::from(error).to_string(), "the index refused: no such table: nowhere");
    }
}
