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

fn texts(connection: &Connection, sql: &str) -> Result<Vec<(String, String)>, Error> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
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
    for (table, parent) in texts(&connection, referred)? {
        let remedy = if (table.as_str(), parent.split(':').next()) == ("metric", Some("resource")) {
            Remedy::Possible
        } else {
            Remedy::Kept
        };
        seen.findings.push((format!("rows of {table} refer to rows that are not in {parent}"), remedy));
    }
    let unreadable =
        |name: &str, table: &str| format!("the row `{name}` of {table} cannot be read; only a backup has it");
    for (name, body) in texts(&connection, "SELECT name, body FROM policy")? {
        if serde_json::from_str::<Policy>(&body).is_err() {
            seen.findings.push((unreadable(&name, "policy"), Remedy::Lost));
            seen.is_blind = true;
        }
    }
    for (name, body) in texts(&connection, "SELECT name, body FROM resource_type")? {
        if serde_json::from_str::<ResourceType>(&body).is_err() {
            seen.findings.push((unreadable(&name, "resource_type"), Remedy::Lost));
        }
    }
    let ids = "SELECT 'metric', id FROM metric UNION ALL SELECT 'resource', id FROM resource
        UNION ALL SELECT 'metric', resource_id FROM metric WHERE resource_id IS NOT NULL";
    for (table, id) in texts(&connection, ids)? {
        if Uuid::parse_str(&id).is_err() {
            seen.findings.push((unreadable(&id, &table), Remedy::Lost));
            seen.is_blind = true;
        }
    }
    Ok(())
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
