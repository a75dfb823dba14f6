//! Metrics in SQLite.

use super::transaction::Undo;
use super::{DIALECT, exists, is_referred, is_taken, optional, uuid};
use crate::condition::{Condition, Parameter, metric_field};
use crate::search::{Filter, Page};
use crate::{Error, Metric};
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

const COLUMNS: &str = "id, creator, name, unit, archive_policy_name, resource_id";

type Raw = (String, String, Option<String>, Option<String>, String, Option<String>);

fn raw(row: &Row<'_>) -> Result<Raw, rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

fn metric((id, creator, name, unit, policy, resource): Raw) -> Result<Metric, Error> {
    Ok(Metric { id: uuid(&id)?, creator, name, unit, policy, resource: resource.as_deref().map(uuid).transpose()? })
}

/// Returns the change that makes metrics, all or none.
pub(super) fn making(metrics: Vec<Metric>) -> (Undo, impl FnOnce(&Connection) -> Result<(), Error> + Send) {
    let undo = if metrics.len() == 1 { Undo::Statement } else { Undo::Savepoint };
    (undo, move |connection| metrics.iter().try_for_each(|metric| insert(connection, metric)))
}

/// Inserts a metric. The index looks for what it refers to by itself; it is looked for here where that refused the metric.
pub(super) fn insert(connection: &Connection, metric: &Metric) -> Result<(), Error> {
    let resource = metric.resource.map(|id| id.to_string());
    let mut statement = connection.prepare_cached("INSERT INTO metric VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    match statement.execute(params![
        metric.id.to_string(),
        metric.creator,
        metric.name,
        metric.unit,
        metric.policy,
        resource
    ]) {
        Ok(_) => Ok(()),
        Err(error) if is_taken(&error) || is_referred(&error) => {
            let name = || Error::MetricNameExists(metric.name.clone().unwrap_or_default());
            let missing = missing(connection, metric, resource)?;
            Err(missing.unwrap_or_else(|| if is_taken(&error) { name() } else { error.into() }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns an error that tells which of what a metric refers to is not there; none where all is.
fn missing(connection: &Connection, metric: &Metric, resource: Option<String>) -> Result<Option<Error>, Error> {
    if !exists(connection, "policy", &metric.policy)? {
        return Ok(Some(Error::NoSuchPolicy(metric.policy.clone())));
    }
    let Some(id) = resource else { return Ok(None) };
    let is_there = connection.prepare_cached("SELECT 1 FROM resource WHERE id = ?1")?.exists([&id])?;
    Ok((!is_there).then_some(Error::NoSuchResource(id)))
}

pub(super) fn by_ids(connection: &Connection, ids: &[Uuid]) -> Result<Vec<Metric>, Error> {
    each(connection, &format!("SELECT {COLUMNS} FROM metric WHERE id = ?1"), ids, raw)?
        .into_iter()
        .flatten()
        .map(metric)
        .collect()
}

/// Returns the names of the policies of metrics, or none for one that does not exist.
pub(super) fn policies(connection: &Connection, ids: &[Uuid]) -> Result<Vec<Option<String>>, Error> {
    each(connection, "SELECT archive_policy_name FROM metric WHERE id = ?1", ids, |row| row.get(0))
}

/// Asks for the row of each id. Of several, all are asked for in one transaction: its beginning costs as much as a row.
fn each<T>(
    connection: &Connection,
    sql: &str,
    ids: &[Uuid],
    read: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<Option<T>>, Error> {
    let transaction = if ids.len() > 1 { Some(connection.unchecked_transaction()?) } else { None };
    let mut statement = connection.prepare_cached(sql)?;
    let mut text = Uuid::encode_buffer();
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let id_text: &str = id.hyphenated().encode_lower(&mut text);
        found.push(optional(statement.query_row([id_text], &read))?);
    }
    transaction.map(rusqlite::Transaction::commit).transpose()?;
    Ok(found)
}

pub(super) fn list(connection: &Connection, filter: Option<&Filter>, page: &Page) -> Result<Vec<Metric>, Error> {
    let mut condition = Condition::new(&DIALECT, &metric_field, "metric");
    if let Some(filter) = filter {
        condition.and(filter)?;
    }
    let order = condition.paged(page, &["id"], |marker, columns| {
        let row = connection.query_row(
            &format!("SELECT {} FROM metric WHERE id = ?1", columns.join(", ")),
            [marker],
            |row| (0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<Parameter>, _>>(),
        );
        optional(row)
    })?;
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM metric WHERE {} {order}", condition.sql))?;
    let rows = statement.query_map(params_from_iter(condition.parameters), raw)?;
    rows.map(|row| metric(row?)).collect()
}
