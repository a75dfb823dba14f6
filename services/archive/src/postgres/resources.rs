//! Resources and their past in PostgreSQL.

use super::metrics::{self, uuid};
use super::pool::{Connection, Failure, is_referred, is_taken};
use super::{DIALECT, marker_row, storable, texts, types};
use crate::condition::{Condition, marked_revision, resource_field};
use crate::index::{NewMetric, ResourceChange, ResourceQuery};
use crate::search::{Filter, Page};
use crate::{Error, Resource};
use ::postgres::Row;
use ::postgres::types::ToSql;
use uuid::Uuid;

const NOW: &str = "id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, NULL::int8 AS revision_end, attributes, -1::int8 AS revision";
const PAST: &str = "id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, revision_end, attributes, revision";
const COLUMNS: &str = "id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, revision_end, attributes::text, revision";

fn resource(row: &Row) -> Result<Resource, Failure> {
    Ok(Resource {
        id: uuid(row.get(0))?,
        kind: row.get(1),
        original_id: row.get(2),
        creator: row.get(3),
        user: row.get(4),
        project: row.get(5),
        started_at: row.get(6),
        ended_at: row.get(7),
        revision_start: row.get(8),
        revision_end: row.get(9),
        revision: row.get(11),
        attributes: serde_json::from_str(row.get(10))?,
    })
}

/// Returns a resource; when `locked`, nobody else changes it until the end of the transaction.
pub(super) fn get(connection: &mut Connection, id: Uuid, locked: bool) -> Result<Option<Resource>, Failure> {
    let lock = if locked { " FOR UPDATE" } else { "" };
    let rows = connection.query(
        &format!("SELECT {COLUMNS} FROM (SELECT {NOW} FROM archive_resource WHERE id = $1{lock}) AS resource"),
        &[&id.to_string()],
    )?;
    rows.first().map(resource).transpose()
}

/// Refuses a resource with text that cannot be kept.
fn check(resource: &Resource, attributes: &str) -> Result<(), Error> {
    let texts =
        [Some(&*resource.original_id), Some(&resource.creator), resource.user.as_deref(), resource.project.as_deref()];
    storable(&texts)?;
    // In JSON the character stands escaped.
    if attributes.contains("\\u0000") {
        return Err(Error::Invalid("text must not have the character U+0000".into()));
    }
    Ok(())
}

pub(super) fn add(connection: &mut Connection, resource: &Resource, new: &[NewMetric]) -> Result<(), Failure> {
    let attributes = serde_json::to_string(&resource.attributes)?;
    check(resource, &attributes)?;
    let added = connection.execute(
        "INSERT INTO archive_resource VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json)",
        &[
            &resource.id.to_string(),
            &resource.kind,
            &resource.original_id,
            &resource.creator,
            &resource.user,
            &resource.project,
            &resource.started_at,
            &resource.ended_at,
            &resource.revision_start,
            &attributes,
        ],
    );
    match added {
        Ok(_) => give(connection, resource, new),
        Err(error) if is_taken(&error) => Err(Error::ResourceExists(resource.original_id.clone()).into()),
        Err(error) if is_referred(&error) => Err(Error::NoSuchResourceType(resource.kind.clone()).into()),
        Err(error) => Err(error.into()),
    }
}

/// Gives a resource metrics.
fn give(connection: &mut Connection, resource: &Resource, new: &[NewMetric]) -> Result<(), Failure> {
    for metric in new {
        match metric {
            NewMetric::Create(metric) => metrics::insert(connection, metric)?,
            NewMetric::Link(id) => {
                let linked = connection.execute(
                    "UPDATE archive_metric SET resource_id = $1 WHERE id = $2 AND creator = $3",
                    &[&resource.id.to_string(), &id.to_string(), &resource.creator],
                );
                match linked {
                    Ok(0) => return Err(Error::NoSuchMetric(id.to_string()).into()),
                    Ok(_) => {}
                    Err(error) if is_taken(&error) => return Err(Error::MetricNameExists(id.to_string()).into()),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(())
}

pub(super) fn change(
    connection: &mut Connection,
    id: Uuid,
    change: &ResourceChange,
    new: Option<(&[NewMetric], bool)>,
) -> Result<Resource, Failure> {
    let mut resource = get(connection, id, true)?.ok_or_else(|| Error::NoSuchResource(id.to_string()))?;
    let text = id.to_string();
    // A clock that went back ends no revision before its beginning, and no two begin at the same time.
    let at = change.at.max(resource.revision_start.saturating_add(1));
    if change.revision {
        connection.execute(
            "INSERT INTO archive_resource_history (id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, revision_end, attributes)
             SELECT id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, $2, attributes FROM archive_resource WHERE id = $1",
            &[&text, &at],
        )?;
        resource.revision_start = at;
    }
    resource.user = change.user.clone().unwrap_or(resource.user);
    resource.project = change.project.clone().unwrap_or(resource.project);
    resource.started_at = change.started_at.unwrap_or(resource.started_at);
    resource.ended_at = change.ended_at.unwrap_or(resource.ended_at);
    resource.attributes.extend(change.attributes.clone());
    if resource.ended_at.is_some_and(|end| end < resource.started_at) {
        return Err(Error::Invalid("Start timestamp cannot be after end timestamp".into()).into());
    }
    let attributes = serde_json::to_string(&resource.attributes)?;
    check(&resource, &attributes)?;
    connection.execute(
        "UPDATE archive_resource SET user_id = $2, project_id = $3, started_at = $4, ended_at = $5, revision_start = $6, attributes = $7::text::json WHERE id = $1",
        &[
            &text,
            &resource.user,
            &resource.project,
            &resource.started_at,
            &resource.ended_at,
            &resource.revision_start,
            &attributes,
        ],
    )?;
    if let Some((new, append)) = new {
        if !append {
            connection.execute("UPDATE archive_metric SET resource_id = NULL WHERE resource_id = $1", &[&text])?;
        }
        give(connection, &resource, new)?;
    }
    Ok(resource)
}

pub(super) fn remove(connection: &mut Connection, kind: &str, filter: &Filter) -> Result<(u64, Vec<Uuid>), Failure> {
    let query =
        ResourceQuery { kind: kind.into(), filter: Some(filter.clone()), history: false, page: Page::default() };
    let resources: Vec<String> = list(connection, &query)?.iter().map(|resource| resource.id.to_string()).collect();
    // The metrics of a resource that somebody gives one meanwhile keep it: the deletion fails as a whole.
    let gone =
        connection.query("DELETE FROM archive_metric WHERE resource_id = ANY($1) RETURNING id", &[&resources])?;
    let gone = gone.iter().map(|row| uuid(row.get(0))).collect::<Result<Vec<_>, _>>()?;
    metrics::leave(connection, &gone)?;
    let count = connection.execute("DELETE FROM archive_resource WHERE id = ANY($1)", &[&resources])?;
    Ok((count, gone))
}

pub(super) fn list(connection: &mut Connection, query: &ResourceQuery) -> Result<Vec<Resource>, Failure> {
    let kind = types::get(connection, &query.kind)?;
    let find = |name: &str| resource_field(&DIALECT, &kind, name);
    let mut condition = Condition::new(&DIALECT, &find, &kind.name);
    condition.and_resources(query)?;
    let table = if query.history {
        format!(
            "(SELECT {NOW} FROM archive_resource UNION ALL SELECT {PAST} FROM archive_resource_history) AS resource"
        )
    } else {
        format!("(SELECT {NOW} FROM archive_resource) AS resource")
    };
    let order = condition.paged(&query.page, &["id", "revision"], |marker, columns| {
        let (id, revision) = marked_revision(marker);
        storable(&[Some(id)])?;
        let columns: Vec<String> = columns.iter().map(|column| format!("({column})::text")).collect();
        let sql = format!("SELECT {} FROM {table} WHERE id = $1 AND revision = $2", columns.join(", "));
        marker_row(connection, &sql, &[&id, &revision])
    })?;
    let sql = format!("SELECT {COLUMNS} FROM {table} WHERE {} {order}", condition.sql);
    let parameters = texts(condition.parameters);
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|text| text as _).collect();
    connection.query(&sql, &parameters)?.iter().map(resource).collect()
}
