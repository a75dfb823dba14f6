//! Resource types in SQLite.

use super::{exists, is_referred, optional};
use crate::index::TypeChange;
use crate::{Error, ResourceType};
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

pub(super) fn get(connection: &Connection, name: &str) -> Result<ResourceType, Error> {
    let mut statement = connection.prepare_cached("SELECT body FROM resource_type WHERE name = ?1")?;
    match optional(statement.query_row([name], |row| row.get::<_, String>(0)))? {
        Some(body) => Ok(serde_json::from_str(&body)?),
        None => Err(Error::NoSuchResourceType(name.into())),
    }
}

pub(super) fn add(connection: &Connection, kind: &ResourceType) -> Result<(), Error> {
    if exists(connection, "resource_type", &kind.name)? {
        return Err(Error::ResourceTypeExists(kind.name.clone()));
    }
    connection
        .execute("INSERT INTO resource_type VALUES (?1, ?2)", params![kind.name, serde_json::to_string(kind)?])?;
    Ok(())
}

/// Changes a type, and the attributes of its resources and of their past.
pub(super) fn change(connection: &Connection, name: &str, change: &TypeChange) -> Result<ResourceType, Error> {
    let mut kind = get(connection, name)?;
    for gone in &change.remove {
        kind.attributes.remove(gone);
    }
    for (attribute, body) in &change.update {
        kind.attributes.insert(attribute.clone(), body.clone());
    }
    for (attribute, (body, _)) in &change.add {
        kind.attributes.insert(attribute.clone(), body.clone());
    }
    let body = serde_json::to_string(&kind)?;
    connection.execute("UPDATE resource_type SET body = ?2 WHERE name = ?1", params![name, body])?;
    if change.add.is_empty() && change.remove.is_empty() {
        return Ok(kind);
    }
    for (table, key) in [("resource", "id"), ("resource_history", "revision")] {
        let mut select = connection.prepare(&format!("SELECT {key}, attributes FROM {table} WHERE type = ?1"))?;
        let rows =
            select.query_map([name], |row| Ok((row.get::<_, rusqlite::types::Value>(0)?, row.get::<_, String>(1)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let mut update = connection.prepare(&format!("UPDATE {table} SET attributes = ?2 WHERE {key} = ?1"))?;
        for (id, attributes) in rows {
            let mut attributes: Map<String, Value> = serde_json::from_str(&attributes)?;
            attributes.retain(|attribute, _| !change.remove.contains(attribute));
            for (attribute, (_, fill)) in &change.add {
                attributes.insert(attribute.clone(), fill.clone().unwrap_or(Value::Null));
            }
            update.execute(params![id, serde_json::to_string(&attributes)?])?;
        }
    }
    Ok(kind)
}

pub(super) fn remove(connection: &Connection, name: &str) -> Result<(), Error> {
    match connection.execute("DELETE FROM resource_type WHERE name = ?1", [name]) {
        Ok(0) => Err(Error::NoSuchResourceType(name.into())),
        Ok(_) => Ok(()),
        Err(error) if is_referred(&error) => Err(Error::ResourceTypeInUse(name.into())),
        Err(error) => Err(error.into()),
    }
}
