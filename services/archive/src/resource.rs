//! Metrics, resources and their types.

use crate::{Error, Nanos, search::Value as Wanted};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A metric: a series of measures under a policy, perhaps of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The id.
    pub id: Uuid,
    /// Who made it.
    pub creator: String,
    /// The name; unique within a resource.
    pub name: Option<String>,
    /// The unit, as told.
    pub unit: Option<String>,
    /// The name of its archive policy.
    pub policy: String,
    /// The resource that it is of.
    pub resource: Option<Uuid>,
}

impl Metric {
    /// Returns an id for a new metric. Such ids ascend with time (UUIDs of version 7): an index appends those of metrics that are made together,
    /// where random ones would each change a page of their own.
    #[must_use]
    pub fn new_id() -> Uuid {
        Uuid::now_v7()
    }
}

/// A thing that is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The id.
    pub id: Uuid,
    /// The name of its type.
    pub kind: String,
    /// The id as it was told, before it became a UUID.
    pub original_id: String,
    /// Who made it.
    pub creator: String,
    /// The user that it belongs to.
    pub user: Option<String>,
    /// The project that it belongs to.
    pub project: Option<String>,
    /// When it began to be.
    pub started_at: Nanos,
    /// When it ended.
    pub ended_at: Option<Nanos>,
    /// When this revision began.
    pub revision_start: Nanos,
    /// When this revision ended; `None` for the current one.
    pub revision_end: Option<Nanos>,
    /// Number of a revision of the past, -1 for the current one.
    pub revision: i64,
    /// Attributes of its type; time stamps are nanoseconds.
    pub attributes: Map<String, Value>,
}

/// Kind of the values of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum AttributeKind {
    /// Text of this many characters.
    String {
        /// Fewest characters.
        min_length: u32,
        /// Most characters.
        max_length: u32,
    },
    /// A UUID.
    Uuid,
    /// A number between bounds.
    Number {
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
    },
    /// True or false.
    Bool,
    /// A time stamp.
    Datetime,
}

/// An attribute of a resource type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// Kind of its values.
    #[serde(flatten)]
    pub kind: AttributeKind,
    /// True when each resource must have it.
    pub required: bool,
}

/// Names that no attribute can have: every resource has them.
const RESERVED: [&str; 14] = [
    "id",
    "type",
    "metrics",
    "revision",
    "revision_start",
    "revision_end",
    "started_at",
    "ended_at",
    "user_id",
    "project_id",
    "created_by_user_id",
    "created_by_project_id",
    "get_metric",
    "creator",
];

/// A kind of resources, with the attributes that they have besides those of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceType {
    /// The name.
    pub name: String,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
}

impl ResourceType {
    /// Returns the type that every archive has, without attributes.
    pub fn generic() -> ResourceType {
        ResourceType { name: "generic".into(), attributes: BTreeMap::new() }
    }
}

impl Attribute {
    /// Checks the name of an attribute, and that its bounds leave something.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(&self, name: &str) -> Result<(), Error> {
        let letters = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
        if name.len() > 63 || RESERVED.contains(&name) || !letters {
            return Err(Error::Invalid(format!("Resource attribute name {name} is invalid")));
        }
        let crossed = match &self.kind {
            AttributeKind::String { min_length, max_length } if min_length > max_length => {
                Some((f64::from(*min_length), f64::from(*max_length)))
            }
            AttributeKind::Number { min: Some(min), max: Some(max) } if min > max => Some((*min, *max)),
            _ => None,
        };
        match crossed {
            Some((min, max)) => Err(Error::Invalid(format!(
                "Resource attribute value min (or min_length) {min} must be less  than or equal to max (or max_length) {max}!"
            ))),
            None => Ok(()),
        }
    }
}

impl AttributeKind {
    /// Returns the name of the kind.
    pub fn name(&self) -> &'static str {
        match self {
            AttributeKind::String { .. } => "string",
            AttributeKind::Uuid => "uuid",
            AttributeKind::Number { .. } => "number",
            AttributeKind::Bool => "bool",
            AttributeKind::Datetime => "datetime",
        }
    }

    /// Returns a value as it is stored. `time` reads a time stamp.
    ///
    /// # Errors
    /// The reason why it cannot be.
    pub fn accept(&self, value: &Value, time: impl Fn(&Value) -> Result<Nanos, String>) -> Result<Value, String> {
        match (self, value) {
            (AttributeKind::String { min_length, max_length }, Value::String(text)) => {
                let length = text.chars().count();
                if length < *min_length as usize {
                    return Err(format!("length of value must be at least {min_length}"));
                }
                if length > *max_length as usize {
                    return Err(format!("length of value must be at most {max_length}"));
                }
                Ok(value.clone())
            }
            (AttributeKind::String { .. }, _) => Err("expected str".into()),
            (AttributeKind::Uuid, Value::String(text)) => match Uuid::parse_str(text) {
                Ok(id) => Ok(Value::String(id.to_string())),
                Err(_) => Err("badly formed hexadecimal UUID string".into()),
            },
            (AttributeKind::Number { min, max }, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(0.0);
                if let Some(min) = min.filter(|min| number < *min) {
                    return Err(format!("value must be at least {min}"));
                }
                if let Some(max) = max.filter(|max| number > *max) {
                    return Err(format!("value must be at most {max}"));
                }
                Ok(value.clone())
            }
            (AttributeKind::Number { .. }, _) => Err("expected Real".into()),
            (AttributeKind::Bool, Value::Bool(_)) => Ok(value.clone()),
            (AttributeKind::Bool, _) => Err("expected bool".into()),
            (AttributeKind::Datetime, _) => time(value).map(Value::from),
            (AttributeKind::Uuid, _) => Err("not a valid value".into()),
        }
    }

    /// Returns a value of a filter as the index compares it.
    pub(crate) fn wanted(&self, value: &Wanted, time: impl Fn(&str) -> Option<Nanos>) -> Option<Value> {
        Some(match (self, value) {
            (_, Wanted::Null) => Value::Null,
            (AttributeKind::String { .. }, Wanted::Text(text)) => text.clone().into(),
            (AttributeKind::String { .. }, Wanted::Number(number)) => number.to_string().into(),
            (AttributeKind::Uuid, Wanted::Text(text)) => Uuid::parse_str(text).ok()?.to_string().into(),
            (AttributeKind::Number { .. }, Wanted::Number(number)) => (*number).into(),
            (AttributeKind::Number { .. }, Wanted::Text(text)) => text.parse::<f64>().ok()?.into(),
            (AttributeKind::Bool, Wanted::Bool(truth)) => i64::from(*truth).into(),
            (AttributeKind::Datetime, Wanted::Text(text)) => time(text)?.into(),
            (AttributeKind::Datetime, Wanted::Number(seconds)) => ((seconds * 1e9) as i64).into(),
            _ => return None,
        })
    }
}
