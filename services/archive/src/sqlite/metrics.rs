//! Metrics in SQLite.

use super::{DIALECT, exists, is_taken, optional, uuid};
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

/// Inserts a metric after having looked for what it refers to.
pub(super) fn insert(connection: &Connection, metric: &Metric) -> Result<(), Error> {
    if !exists(connection, "policy", &metric.policy)? {
        return Err(Error::NoSuchPolicy(metric.policy.clone()));
    }
    let resource = metric.resource.map(|id| id.to_string());
    if let Some(id) = &resource
        && !connection.prepare_cached("SELECT 1 FROM resource WHERE id = ?1")?.exists([id])?
    {
        return Err(Error::NoSuchResource(id.clone()));
    }
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
        Err(error) if is_taken(&error) => Err(Error::MetricNameExists(metric.name.clone().unwrap_or_default())),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn by_id(connection: &Connection, id: Uuid) -> Result<Option<Metric>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM metric WHERE id = ?1"))?;
    optional(statement.query_row([id.to_string()], raw))?.map(metric).transpose()
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
