//! Metrics in PostgreSQL.

use super::pool::{Connection, Failure, is_referred, is_taken};
use super::{DIALECT, marker_row, storable, texts};
use crate::condition::{Condition, metric_field};
use crate::search::{Filter, Page};
use crate::{Error, Metric};
use ::postgres::Row;
use ::postgres::types::ToSql;
use uuid::Uuid;

const COLUMNS: &str = "id, creator, name, unit, archive_policy_name, resource_id";

/// Returns a UUID of the index.
pub(super) fn uuid(text: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(text).map_err(|_| Error::Damaged(format!("the index holds `{text}` where a UUID should be")))
}

fn metric(row: &Row) -> Result<Metric, Failure> {
    let resource: Option<&str> = row.get(5);
    Ok(Metric {
        id: uuid(row.get(0))?,
        creator: row.get(1),
        name: row.get(2),
        unit: row.get(3),
        policy: row.get(4),
        resource: resource.map(uuid).transpose()?,
    })
}

/// Inserts a metric; what it refers to tells which part of it is wrong.
pub(super) fn insert(connection: &mut Connection, metric: &Metric) -> Result<(), Failure> {
    storable(&[Some(&metric.creator), metric.name.as_deref(), metric.unit.as_deref(), Some(&metric.policy)])?;
    let resource = metric.resource.map(|id| id.to_string());
    let inserted = connection.execute(
        "INSERT INTO archive_metric VALUES ($1, $2, $3, $4, $5, $6)",
        &[&metric.id.to_string(), &metric.creator, &metric.name, &metric.unit, &metric.policy, &resource],
    );
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if is_taken(&error) => Err(Error::MetricNameExists(metric.name.clone().unwrap_or_default()).into()),
        Err(error) if is_referred(&error) => {
            let constraint = error.as_db_error().and_then(|told| told.constraint()).unwrap_or_default();
            Err(match resource {
                Some(id) if constraint.contains("resource") => Error::NoSuchResource(id),
                _ => Error::NoSuchPolicy(metric.policy.clone()),
            }
            .into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Drops the heads of metrics that are removed, and remembers that their objects have to be cleared.
pub(super) fn leave(connection: &mut Connection, metrics: &[Uuid]) -> Result<(), Failure> {
    connection.execute("DELETE FROM archive_head WHERE metric = ANY($1)", &[&metrics])?;
    connection.execute("INSERT INTO archive_removed SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING", &[&metrics])?;
    Ok(())
}

pub(super) fn by_id(connection: &mut Connection, ids: &[Uuid]) -> Result<Vec<Metric>, Failure> {
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows = connection.query(
        &format!(
            "SELECT {COLUMNS} FROM archive_metric JOIN unnest($1::text[]) WITH ORDINALITY AS wanted (wanted, place) ON id = wanted ORDER BY place"
        ),
        &[&texts],
    )?;
    rows.iter().map(metric).collect()
}

pub(super) fn list(connection: &mut Connection, filter: Option<&Filter>, page: &Page) -> Result<Vec<Metric>, Failure> {
    let mut condition = Condition::new(&DIALECT, &metric_field, "metric");
    if let Some(filter) = filter {
        condition.and(filter)?;
    }
    let order = condition.paged(page, &["id"], |marker, columns| {
        let columns: Vec<String> = columns.iter().map(|column| format!("({column})::text")).collect();
        let sql = format!("SELECT {} FROM archive_metric WHERE id = $1", columns.join(", "));
        storable(&[Some(marker)])?;
        marker_row(connection, &sql, &[&marker])
    })?;
    let sql = format!("SELECT {COLUMNS} FROM archive_metric WHERE {} {order}", condition.sql);
    let parameters = texts(condition.parameters);
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|text| text as _).collect();
    connection.query(&sql, &parameters)?.iter().map(metric).collect()
}
