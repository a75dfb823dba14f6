//! Resource types in PostgreSQL.

use super::pool::{Connection, Failure, is_referred};
use super::storable;
use crate::index::TypeChange;
use crate::{Error, ResourceType};
use serde_json::{Map, Value};

pub(super) fn get(connection: &mut Connection, name: &str) -> Result<ResourceType, Failure> {
    storable(&[Some(name)])?;
    let rows = connection.query("SELECT body FROM archive_resource_type WHERE name = $1", &[&name])?;
    match rows.first() {
        Some(row) => Ok(serde_json::from_str(row.get(0))?),
        None => Err(Error::NoSuchResourceType(name.into()).into()),
    }
}

pub(super) fn add(connection: &mut Connection, kind: &ResourceType) -> Result<(), Failure> {
    storable(&[Some(&kind.name)])?;
    let body = serde_json::to_string(kind)?;
    let sql = "INSERT INTO archive_resource_type VALUES ($1, $2) ON CONFLICT DO NOTHING";
    match connection.execute(sql, &[&kind.name, &body])? {
        0 => Err(Error::ResourceTypeExists(kind.name.clone()).into()),
        _ => Ok(()),
    }
}

/// Changes a type, and the attributes of its resources and of their past.
pub(super) fn change(connection: &mut Connection, name: &str, change: &TypeChange) -> Result<ResourceType, Failure> {
    // Nobody else changes the type, or adds a resource of it, meanwhile.
    connection.execute("SELECT 1 FROM archive_resource_type WHERE name = $1 FOR UPDATE", &[&name])?;
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
    connection.execute("UPDATE archive_resource_type SET body = $2 WHERE name = $1", &[&name, &body])?;
    if change.add.is_empty() && change.remove.is_empty() {
        return Ok(kind);
    }
    for (table, key) in [("archive_resource", "id"), ("archive_resource_history", "revision")] {
        let rows = connection.query(
            &format!("SELECT {key}::text, attributes::text FROM {table} WHERE type = $1 FOR UPDATE"),
            &[&name],
        )?;
        let update = format!("UPDATE {table} SET attributes = $2::text::json WHERE {key}::text = $1");
        for row in rows {
            let mut attributes: Map<String, Value> = serde_json::from_str(row.get(1))?;
            attributes.retain(|attribute, _| !change.remove.contains(attribute));
            for (attribute, (_, fill)) in &change.add {
                attributes.insert(attribute.clone(), fill.clone().unwrap_or(Value::Null));
            }
            let id: &str = row.get(0);
            connection.execute(&update, &[&id, &serde_json::to_string(&attributes)?])?;
        }
    }
    Ok(kind)
}

pub(super) fn remove(connection: &mut Connection, name: &str) -> Result<(), Failure> {
    match connection.execute("DELETE FROM archive_resource_type WHERE name = $1", &[&name]) {
        Ok(0) => Err(Error::NoSuchResourceType(name.into()).into()),
        Ok(_) => Ok(()),
        Err(error) if is_referred(&error) => Err(Error::ResourceTypeInUse(name.into()).into()),
        Err(error) => Err(error.into()),
    }
}
