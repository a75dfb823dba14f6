//! `/v1/resource_type`.

use crate::Gnocchi;
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, not_allowed, not_found, time_of};
use crate::schema::{Checked, Invalid, dictionary, list, name as name_of, only, optional, required, text, whole};
use ferrometer_archive::{Attribute, AttributeKind, Error, ResourceType, TypeChange};
use http::{Method, StatusCode, header::LOCATION};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(crate) fn type_json(kind: &ResourceType) -> Value {
    let attribute = |attribute: &Attribute| {
        let mut json = json!({"type": attribute.kind.name(), "required": attribute.required});
        match &attribute.kind {
            AttributeKind::String { min_length, max_length } => {
                json["min_length"] = (*min_length).into();
                json["max_length"] = (*max_length).into();
            }
            AttributeKind::Number { min, max } => {
                json["min"] = number_json(*min);
                json["max"] = number_json(*max);
            }
            _ => {}
        }
        json
    };
    let attributes: Map<String, Value> =
        kind.attributes.iter().map(|(name, body)| (name.clone(), attribute(body))).collect();
    json!({"name": kind.name, "attributes": attributes, "state": "active"})
}

/// Returns a bound as it was told: whole where it is whole.
fn number_json(number: Option<f64>) -> Value {
    match number {
        Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => (number as i64).into(),
        other => other.into(),
    }
}

/// Most attributes of a type: each resource of it may have them all, and each answer shows them.
const MOST_ATTRIBUTES: usize = 1000;
/// Most characters of a text.
const LONGEST: i64 = 256;

/// An attribute, and the value that resources which exist get.
fn attribute(value: &Value, with_options: bool) -> Checked<(Attribute, Option<Value>)> {
    let map = dictionary(value)?;
    let kind = required(map, "type", |value| text(value).map_err(|_| Invalid::new("not a valid value")))?;
    let length = |least: i64| {
        move |value: &Value| match whole(value, least)? {
            length if length > LONGEST => Err(Invalid::new(format!("value must be at most {LONGEST}"))),
            length => Ok(length as u32),
        }
    };
    let bound = |value: &Value| {
        if value.is_null() { Ok(None) } else { value.as_f64().map(Some).ok_or_else(|| Invalid::new("expected Real")) }
    };
    let (kind, mut known) = match kind.as_str() {
        "string" => {
            let min_length = optional(map, "min_length", length(0))?.unwrap_or(0);
            (
                AttributeKind::String {
                    min_length,
                    max_length: optional(map, "max_length", length(1))?.unwrap_or(LONGEST as u32),
                },
                vec!["min_length", "max_length"],
            )
        }
        "number" => {
            let min = optional(map, "min", bound)?.flatten();
            (AttributeKind::Number { min, max: optional(map, "max", bound)?.flatten() }, vec!["min", "max"])
        }
        "uuid" => (AttributeKind::Uuid, Vec::new()),
        "bool" => (AttributeKind::Bool, Vec::new()),
        "datetime" => (AttributeKind::Datetime, Vec::new()),
        _ => return Err(Invalid::new("not a valid value").in_key("type")),
    };
    known.extend(["type", "required"]);
    if with_options {
        known.push("options");
    }
    only(map, &known)?;
    let truth = |value: &Value| value.as_bool().ok_or_else(|| Invalid::new("expected bool"));
    let wanted = optional(map, "required", truth)?.unwrap_or(true);
    let fill = optional(map, "options", |options| {
        let options = dictionary(options)?;
        only(options, &["fill"])?;
        Ok(options.get("fill").cloned())
    })?;
    Ok((Attribute { kind, required: wanted }, fill.flatten().filter(|fill| !fill.is_null())))
}

type Attributes = BTreeMap<String, (Attribute, Option<Value>)>;

fn attributes(value: &Value, with_options: bool) -> Checked<Attributes> {
    let read = |(name, value): (&String, &Value)| {
        Ok((name.clone(), attribute(value, with_options).map_err(|invalid: Invalid| invalid.in_key(name))?))
    };
    let map = dictionary(value)?;
    if map.len() > MOST_ATTRIBUTES {
        return Err(Invalid::new(format!("length of value must be at most {MOST_ATTRIBUTES}")));
    }
    map.iter().map(read).collect()
}

fn unfit(error: Error) -> Refusal {
    match error {
        Error::Invalid(reason) => Refusal::bad(format!("Invalid input: {reason}")),
        other => other.into(),
    }
}

/// One operation of a patch.
struct Operation {
    adds: bool,
    /// The attribute, and what within it.
    path: Vec<String>,
    value: Option<Value>,
}

fn operations(body: &Value) -> Checked<Vec<Operation>> {
    let read = |value: &Value| {
        let map = dictionary(value)?;
        only(map, &["op", "path", "value"])?;
        let op = required(map, "op", |op| match op.as_str() {
            Some("add") => Ok(true),
            Some("remove") => Ok(false),
            _ => Err(Invalid::new("not a valid value")),
        })?;
        let path = required(map, "path", |path| match path.as_str() {
            Some(path) if path.starts_with("/attributes") => Ok(path.to_owned()),
            _ => Err(Invalid::new("not a valid value")),
        })?;
        let value = optional(map, "value", |value| dictionary(value).map(|_| value.clone()))?;
        let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
        Ok(Operation { adds: op, path: path.split('/').skip(2).map(unescape).collect(), value })
    };
    list(body)?
        .iter()
        .enumerate()
        .map(|(at, value)| read(value).map_err(|invalid: Invalid| invalid.in_item(at)))
        .collect()
}

impl Gnocchi {
    pub(crate) fn resource_types(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        match (&request.method, rest) {
            (&Method::GET, []) => {
                request.user()?;
                let types = self.archive.index().resource_types()?;
                Ok(Reply::ok(&types.iter().map(type_json).collect()))
            }
            (&Method::POST, []) => {
                request.user()?;
                let body = request.json()?;
                let map = dictionary(&body)?;
                only(map, &["name", "attributes"])?;
                let found = optional(map, "attributes", |value| attributes(value, false))?.unwrap_or_default();
                let name = required(map, "name", name_of)?;
                request.admin()?;
                let kind = ResourceType {
                    name,
                    attributes: found.into_iter().map(|(name, (attribute, _))| (name, attribute)).collect(),
                };
                self.archive.add_resource_type(&kind).map_err(unfit)?;
                let location = self.location(request, &["resource_type", &kind.name]);
                Ok(Reply::json(StatusCode::CREATED, &type_json(&kind)).with(LOCATION, location))
            }
            (_, []) => not_allowed("GET, POST"),
            (method, [name]) => {
                let kind = self.archive.index().resource_type(name)?;
                match *method {
                    Method::GET => {
                        request.user()?;
                        Ok(Reply::ok(&type_json(&kind)))
                    }
                    Method::PATCH => self.patch_type(request, kind),
                    Method::DELETE => {
                        request.admin()?;
                        self.archive.remove_resource_type(name).map_err(|error| Refusal::bad(error.to_string()))?;
                        Ok(Reply::empty(StatusCode::NO_CONTENT))
                    }
                    _ => not_allowed("GET, PATCH, DELETE"),
                }
            }
            _ => Err(not_found()),
        }
    }

    /// Applies a JSON patch to the attributes of a type.
    fn patch_type(&self, request: &Request<'_>, kind: ResourceType) -> Answer {
        request.admin()?;
        let body = request.json_of("application/json-patch+json")?;
        let mut next = type_json(&kind)["attributes"].as_object().cloned().unwrap_or_default();
        for operation in operations(&body)? {
            let missing = |name: &str| Refusal::bad(format!("can't remove a non-existent object '{name}'"));
            match (operation.adds, &operation.path[..]) {
                (true, [name]) => {
                    let value = operation
                        .value
                        .ok_or_else(|| Refusal::bad("The operation does not contain a 'value' member"))?;
                    next.insert(name.clone(), value);
                }
                (false, [name]) => drop(next.remove(name).ok_or_else(|| missing(name))?),
                (false, [name, inner]) => {
                    let attribute = next.get_mut(name).and_then(Value::as_object_mut).ok_or_else(|| missing(name))?;
                    attribute.remove(inner).ok_or_else(|| missing(inner))?;
                }
                _ => return Err(Refusal::bad("Only an attribute can be added or removed")),
            }
        }
        let next = attributes(&next.into(), true)
            .map_err(|invalid| Refusal::bad(format!("Invalid input: {}", invalid.in_key("attributes").text())))?;
        let mut change = TypeChange {
            remove: kind.attributes.keys().filter(|name| !next.contains_key(*name)).cloned().collect(),
            ..TypeChange::default()
        };
        for (name, (attribute, fill)) in next {
            let option = |reason: String| {
                Refusal::bad(format!("Invalid input: Option 'fill' of resource attribute {name} is invalid: {reason}"))
            };
            match kind.attributes.get(&name) {
                Some(old) if *old == attribute => {}
                Some(old) if old.kind.name() != attribute.kind.name() => {
                    return Err(Refusal::bad(format!(
                        "Type update is not available yet. Changing {} to {} for attribute {name} of resource {}",
                        old.kind.name(),
                        attribute.kind.name(),
                        kind.name
                    )));
                }
                Some(_) => drop(change.update.insert(name, attribute)),
                None => {
                    let fill = match fill {
                        None if attribute.required => return Err(option("must not be empty if required=True".into())),
                        None => None,
                        Some(fill) => Some(attribute.kind.accept(&fill, time_of).map_err(option)?),
                    };
                    change.add.insert(name, (attribute, fill));
                }
            }
        }
        if change == TypeChange::default() {
            return Ok(Reply::ok(&type_json(&kind)));
        }
        Ok(Reply::ok(&type_json(&self.archive.change_resource_type(&kind.name, &change).map_err(unfit)?)))
    }
}
