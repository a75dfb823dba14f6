//! Errors of the archive. The words are those that Gnocchi's clients know.

use std::fmt;
use std::io;

/// A request that the archive cannot fulfil, or a failure of the disk or the index below it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No archive policy has this name.
    NoSuchPolicy(String),
    /// An archive policy of this name is there already.
    PolicyExists(String),
    /// Metrics or rules still use this archive policy.
    PolicyInUse(String),
    /// A change that an archive policy does not allow: its name and the reason.
    PolicyChange(String, String),
    /// No archive policy rule has this name.
    NoSuchRule(String),
    /// An archive policy rule of this name is there already.
    RuleExists(String),
    /// A change that a rule does not allow: its name and the reason.
    RuleChange(String, String),
    /// No rule matches this name of a metric, which names no policy.
    NoRuleMatch(String),
    /// No metric has this id or name.
    NoSuchMetric(String),
    /// A resource has a metric of this name already.
    MetricNameExists(String),
    /// The resource does not exist.
    NoSuchResource(String),
    /// The resource is there already.
    ResourceExists(String),
    /// No resource type has this name.
    NoSuchResourceType(String),
    /// The resource type is there already.
    ResourceTypeExists(String),
    /// Resources of this type are left.
    ResourceTypeInUse(String),
    /// A resource type, and an attribute that it has not.
    NoSuchAttribute(String, String),
    /// A value that an attribute cannot have: value, attribute, resource type.
    AttributeValue(String, String, String),
    /// A sort key, direction or marker that does not exist.
    Pagination(String),
    /// Input that cannot be taken; the text tells what was found and what is allowed.
    Invalid(String),
    /// Series that cannot be aggregated together; the reason.
    NotAggregable(String),
    /// Stored bytes that do not have their checksum, or make no sense.
    Damaged(String),
    /// The limit of memory or disk is reached: try again later.
    Busy(String),
    /// A server that keeps a part of the archive cannot be reached: try again later. Nothing that was acknowledged is lost.
    Away(String),
    /// The operating system refused.
    Io(io::Error),
    /// The index refused.
    Index(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchPolicy(name) => write!(f, "Archive policy {name} does not exist"),
            Error::PolicyExists(name) => write!(f, "Archive policy {name} already exists"),
            Error::PolicyInUse(name) => write!(f, "Archive policy {name} is still in use"),
            Error::PolicyChange(name, reason) => write!(f, "Archive policy {name} does not support change: {reason}"),
            Error::NoSuchRule(name) => write!(f, "Archive policy rule {name} does not exist"),
            Error::RuleExists(name) => write!(f, "Archive policy rule {name} already exists"),
            Error::RuleChange(name, reason) => {
                write!(f, "Archive policy rule {name} does not support change: {reason}")
            }
            Error::NoRuleMatch(name) => {
                write!(
                    f,
                    "No archive policy name specified and no archive policy rule found matching the metric name {name}"
                )
            }
            Error::NoSuchMetric(name) => write!(f, "Metric {name} does not exist"),
            Error::MetricNameExists(name) => write!(f, "Named metric {name} already exists"),
            Error::NoSuchResource(id) => write!(f, "Resource {id} does not exist"),
            Error::ResourceExists(id) => write!(f, "Resource {id} already exists"),
            Error::NoSuchResourceType(name) => write!(f, "Resource type {name} does not exist"),
            Error::ResourceTypeExists(name) => write!(f, "Resource type {name} already exists"),
            Error::ResourceTypeInUse(name) => write!(f, "Resource type {name} is still in use"),
            Error::NoSuchAttribute(kind, name) => write!(f, "Resource type {kind} has no {name} attribute"),
            Error::AttributeValue(value, attribute, kind) => {
                write!(f, "Value {value} for attribute {attribute} on resource type {kind} is invalid")
            }
            Error::Pagination(reason) => write!(f, "Invalid pagination: `{reason}'"),
            Error::Invalid(reason) | Error::NotAggregable(reason) | Error::Busy(reason) => f.write_str(reason),
            Error::Damaged(reason) => write!(f, "damaged data: {reason}"),
            Error::Away(reason) => write!(f, "a part of the archive is away: {reason}"),
            Error::Io(error) => write!(f, "the disk refused: {error}"),
            Error::Index(reason) => write!(f, "the index refused: {reason}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}
