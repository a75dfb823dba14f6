//! The check of an index in SQLite: its pages, its indexes, what rows refer to, and what stands in them.

use super::prepare;
use crate::fsck::Remedy;
use crate::{Error, Policy, ResourceType};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use uuid::Uuid;

/// Result of a look at the index.
#[derive(Default)]
pub(crate) struct SeenRows {
    pub findings: Vec<(String, Remedy)>,
    /// It cannot be opened by the archive.
    pub is_blind: bool,
}

/// Reads all of an index.
pub(crate) fn look_at_rows(path: &Path) -> SeenRows {
    let mut seen = SeenRows::default();
    if let Err(error) = look(path, &mut seen) {
        let text = format!("it cannot be read: {error}; only a backup has policies, names and resources");
        seen.findings.push((text, Remedy::Lost));
        seen.is_blind = true;
    }
    seen
}

fn open(path: &Path) -> Result<Connection, Error> {
    // A file that is not there is not made.
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&connection)?;
    Ok(connection)
}

/// Reads rows of two texts, one after the other: there may be millions.
fn texts(connection: &Connection, sql: &str, mut each: impl FnMut(&str, &str)) -> Result<(), Error> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
        each(text(0)?, text(1)?);
    }
    Ok(())
}

fn look(path: &Path, seen: &mut SeenRows) -> Result<(), Error> {
    let connection = open(path)?;
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let told = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for text in told.iter().filter(|text| *text != "ok") {
        // Rows that an index lacks are in its table.
        let remedy = if text.contains(" index ") { Remedy::Possible } else { Remedy::Lost };
        seen.findings.push((text.replace('\n', "; "), remedy));
    }
    let referred =
        "SELECT \"table\", parent || ': ' || count(*) FROM pragma_foreign_key_check GROUP BY \"table\", parent";
    texts(&connection, referred, |table, parent| {
        let remedy = if (table, parent.split(':').next()) == ("metric", Some("resource")) {
            Remedy::Possible
        } else {
            Remedy::Kept
        };
        seen.findings.push((format!("rows of {table} refer to rows that are not in {parent}"), remedy));
    })?;
    let unreadable =
        |name: &str, table: &str| format!("the row `{name}` of {table} cannot be read; only a backup has it");
    texts(&connection, "SELECT name, body FROM policy", |name, body| {
        if serde_json::from_str::<Policy>(body).is_err() {
            seen.findings.push((unreadable(name, "policy"), Remedy::Lost));
            seen.is_blind = true;
        }
    })?;
    texts(&connection, "SELECT name, body FROM resource_type", |name, body| {
        if serde_json::from_str::<ResourceType>(body).is_err() {
            seen.findings.push((unreadable(name, "resource_type"), Remedy::Lost));
        }
    })?;
    let ids = "SELECT 'metric', id FROM metric UNION ALL SELECT 'resource', id FROM resource
        UNION ALL SELECT 'metric', resource_id FROM metric WHERE resource_id IS NOT NULL";
    texts(&connection, ids, |table, id| {
        if Uuid::parse_str(id).is_err() {
            seen.findings.push((unreadable(id, table), Remedy::Lost));
            seen.is_blind = true;
        }
    })
}

/// Makes the indexes again, and frees metrics of resources that are not there.
///
/// # Errors
/// [`Error::Index`].
pub(crate) fn mend_rows(path: &Path) -> Result<(), Error> {
    let connection = open(path)?;
    connection.execute_batch(
        "REINDEX; UPDATE metric SET resource_id = NULL WHERE resource_id NOT IN (SELECT id FROM resource);",
    )?;
    Ok(())
}
