//! Resources and their past in SQLite.

use super::{DIALECT, is_taken, metrics, optional, types, uuid};
use crate::condition::{Condition, Parameter, marked_revision, resource_field};
use crate::index::{NewMetric, ResourceChange, ResourceQuery};
use crate::search::{Filter, Page};
use crate::{Error, Resource};
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

const NOW: &str = "id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, NULL AS revision_end, attributes, -1 AS revision";
const PAST: &str = "id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, revision_end, attributes, revision";

/// A row whose id and attributes are still text.
fn raw(row: &Row<'_>) -> Result<(String, String, Resource), rusqlite::Error> {
    let resource = Resource {
        id: Uuid::nil(),
        kind: row.get(1)?,
        original_id: row.get(2)?,
        creator: row.get(3)?,
        user: row.get(4)?,
        project: row.get(5)?,
        started_at: row.get(6)?,
        ended_at: row.get(7)?,
        revision_start: row.get(8)?,
        revision_end: row.get(9)?,
        revision: row.get(11)?,
        attributes: serde_json::Map::new(),
    };
    Ok((row.get(0)?, row.get(10)?, resource))
}

fn resource((id, attributes, resource): (String, String, Resource)) -> Result<Resource, Error> {
    Ok(Resource { id: uuid(&id)?, attributes: serde_json::from_str(&attributes)?, ..resource })
}

pub(super) fn get(connection: &Connection, id: Uuid) -> Result<Option<Resource>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {NOW} FROM resource WHERE id = ?1"))?;
    optional(statement.query_row([id.to_string()], raw))?.map(resource).transpose()
}

pub(super) fn add(connection: &Connection, resource: &Resource, new: &[NewMetric]) -> Result<(), Error> {
    let row = params![
        resource.id.to_string(),
        resource.kind,
        resource.original_id,
        resource.creator,
        resource.user,
        resource.project,
        resource.started_at,
        resource.ended_at,
        resource.revision_start,
        serde_json::to_string(&resource.attributes)?,
    ];
    match connection
        .prepare_cached("INSERT INTO resource VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(row)
    {
        Ok(_) => {}
        Err(error) if is_taken(&error) => return Err(Error::ResourceExists(resource.original_id.clone())),
        Err(error) => return Err(error.into()),
    }
    give(connection, resource, new)
}

/// Gives a resource metrics.
fn give(connection: &Connection, resource: &Resource, new: &[NewMetric]) -> Result<(), Error> {
    for metric in new {
        match metric {
            NewMetric::Create(metric) => metrics::insert(connection, metric)?,
            NewMetric::Link(id) => {
                let sql = "UPDATE metric SET resource_id = ?1 WHERE id = ?2 AND creator = ?3";
                let linked = connection.prepare_cached(sql)?.execute(params![
                    resource.id.to_string(),
                    id.to_string(),
                    resource.creator
                ]);
                match linked {
                    Ok(0) => return Err(Error::NoSuchMetric(id.to_string())),
                    Ok(_) => {}
                    Err(error) if is_taken(&error) => return Err(Error::MetricNameExists(id.to_string())),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(())
}

pub(super) fn change(
    connection: &Connection,
    id: Uuid,
    change: &ResourceChange,
    new: Option<(&[NewMetric], bool)>,
) -> Result<Resource, Error> {
    let mut resource = get(connection, id)?.ok_or_else(|| Error::NoSuchResource(id.to_string()))?;
    // A clock that went back ends no revision before its beginning, and no two begin at the same time.
    let at = change.at.max(resource.revision_start.saturating_add(1));
    if change.revision {
        let mut statement = connection.prepare_cached(
            "INSERT INTO resource_history SELECT NULL, id, type, original_resource_id, creator, user_id, project_id, started_at, ended_at, revision_start, ?2, attributes FROM resource WHERE id = ?1",
        )?;
        statement.execute(params![id.to_string(), at])?;
        resource.revision_start = at;
    }
    resource.user = change.user.clone().unwrap_or(resource.user);
    resource.project = change.project.clone().unwrap_or(resource.project);
    resource.started_at = change.started_at.unwrap_or(resource.started_at);
    resource.ended_at = change.ended_at.unwrap_or(resource.ended_at);
    resource.attributes.extend(change.attributes.clone());
    if resource.ended_at.is_some_and(|end| end < resource.started_at) {
        return Err(Error::Invalid("Start timestamp cannot be after end timestamp".into()));
    }
    let mut statement = connection.prepare_cached(
        "UPDATE resource SET user_id = ?2, project_id = ?3, started_at = ?4, ended_at = ?5, revision_start = ?6, attributes = ?7 WHERE id = ?1",
    )?;
    statement.execute(params![
        id.to_string(),
        resource.user,
        resource.project,
        resource.started_at,
        resource.ended_at,
        resource.revision_start,
        serde_json::to_string(&resource.attributes)?
    ])?;
    if let Some((new, append)) = new {
        if !append {
            connection.execute("UPDATE metric SET resource_id = NULL WHERE resource_id = ?1", [id.to_string()])?;
        }
        give(connection, &resource, new)?;
    }
    Ok(resource)
}

pub(super) fn remove(connection: &Connection, kind: &str, filter: &Filter) -> Result<(u64, Vec<Uuid>), Error> {
    let query =
        ResourceQuery { kind: kind.into(), filter: Some(filter.clone()), history: false, page: Page::default() };
    let resources = list(connection, &query)?;
    let mut gone = Vec::new();
    for resource in &resources {
        let id = resource.id.to_string();
        let mut statement = connection.prepare_cached("DELETE FROM metric WHERE resource_id = ?1 RETURNING id")?;
        let ids = statement.query_map([&id], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for metric in ids {
            gone.push(uuid(&metric)?);
        }
        connection.prepare_cached("DELETE FROM resource WHERE id = ?1")?.execute([&id])?;
    }
    Ok((resources.len() as u64, gone))
}

pub(super) fn list(connection: &Connection, query: &ResourceQuery) -> Result<Vec<Resource>, Error> {
    let kind = types::get(connection, &query.kind)?;
    let find = |name: &str| resource_field(&DIALECT, &kind, name);
    let mut condition = Condition::new(&DIALECT, &find, &kind.name);
    condition.and_resources(query)?;
    let table = if query.history {
        format!("(SELECT {NOW} FROM resource UNION ALL SELECT {PAST} FROM resource_history)")
    } else {
        format!("(SELECT {NOW} FROM resource)")
    };
    let order = condition.paged(&query.page, &["id", "revision"], |marker, columns| {
        let (id, revision) = marked_revision(marker);
        let row = connection.query_row(
            &format!("SELECT {} FROM {table} WHERE id = ?1 AND revision = ?2", columns.join(", ")),
            params![id, revision],
            |row| (0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<Parameter>, _>>(),
        );
        optional(row)
    })?;
    let sql = format!("SELECT {PAST} FROM {table} WHERE {} {order}", condition.sql);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(condition.parameters), raw)?;
    rows.map(|row| resource(row?)).collect()
}
