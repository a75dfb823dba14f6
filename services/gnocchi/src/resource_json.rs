//! Resources as JSON, with the parts that it has in common with the JSON of metrics.

use ferrometer_archive::time::timestamp;
use ferrometer_archive::{AttributeKind, Metric, Resource, ResourceType};
use serde_json::{Map, Value, json};

/// Returns the user and the project of a creator.
pub(crate) fn user_and_project(creator: &str) -> (&str, &str) {
    creator.split_once(':').unwrap_or((creator, ""))
}

/// Returns names and ids of metrics.
pub(crate) fn names(metrics: &[Metric]) -> Map<String, Value> {
    let pair = |metric: &Metric| Some((metric.name.clone()?, metric.id.to_string().into()));
    metrics.iter().filter_map(pair).collect()
}

/// Returns a resource as JSON, with the attributes of a type, and with its metrics.
pub(crate) fn resource_json(
    resource: &Resource,
    kind: Option<&ResourceType>,
    metrics: Option<Map<String, Value>>,
) -> Value {
    let (user, project) = user_and_project(&resource.creator);
    let mut json = json!({
        "id": resource.id.to_string(),
        "original_resource_id": resource.original_id,
        "type": resource.kind,
        "creator": resource.creator,
        "created_by_user_id": user,
        "created_by_project_id": project,
        "user_id": resource.user,
        "project_id": resource.project,
        "started_at": timestamp(resource.started_at),
        "ended_at": resource.ended_at.map(timestamp),
        "revision_start": timestamp(resource.revision_start),
        "revision_end": resource.revision_end.map(timestamp),
    });
    if let (Some(kind), Some(map)) = (kind, json.as_object_mut()) {
        for (name, attribute) in &kind.attributes {
            let value = resource.attributes.get(name).cloned().unwrap_or(Value::Null);
            let value = match (&attribute.kind, value.as_i64()) {
                (AttributeKind::Datetime, Some(stamp)) => timestamp(stamp).into(),
                _ => value,
            };
            map.insert(name.clone(), value);
        }
    }
    if let (Some(metrics), Some(map)) = (metrics, json.as_object_mut()) {
        map.insert("metrics".into(), metrics.into());
    }
    json
}
