//! Filters, orders and pages as SQL, in the dialect of an index. Every value is a parameter, and every name one of a known table.

use crate::index::ResourceQuery;
use crate::resource::AttributeKind;
use crate::search::{Compare, Filter, Page, Value};
use crate::{Error, ResourceType};

/// Deepest nesting of a filter.
const DEEPEST: usize = 64;
/// Most values of a filter: SQLite takes 32,766 parameters with a statement, and PostgreSQL 65,535.
const MOST_VALUES: usize = 30_000;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parameter {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// Where the SQL of one index differs from that of another.
pub(crate) struct Dialect {
    /// Conditions that always and never hold.
    pub truth: [&'static str; 2],
    /// Returns the parameter of a number, for a value of a kind.
    pub place: fn(usize, &AttributeKind) -> String,
    /// Returns an attribute of a kind within the JSON of a row.
    pub attribute: fn(&str, &AttributeKind) -> String,
    /// Compares, with nothing equal to nothing.
    pub same: &'static str,
    /// The user and the project of a creator, which is a user, or a user and a project.
    pub creator: [&'static str; 2],
}

/// A column, or an attribute within the JSON of one.
pub(crate) struct Field {
    pub sql: String,
    pub kind: AttributeKind,
}

const TEXT: AttributeKind = AttributeKind::String { min_length: 0, max_length: u32::MAX };

/// Finds the fields of metrics.
pub(crate) fn metric_field(name: &str) -> Result<Field, Error> {
    let kind = match name {
        "id" | "resource_id" => AttributeKind::Uuid,
        "name" | "unit" | "creator" | "archive_policy_name" => TEXT,
        _ => return Err(Error::NoSuchAttribute("metric".into(), name.into())),
    };
    Ok(Field { sql: name.into(), kind })
}

/// Finds the fields of resources of a type.
pub(crate) fn resource_field(dialect: &Dialect, kind: &ResourceType, name: &str) -> Result<Field, Error> {
    let (sql, found) = match name {
        "id" => (name.into(), AttributeKind::Uuid),
        "type" | "original_resource_id" | "creator" | "user_id" | "project_id" => (name.into(), TEXT),
        "started_at" | "ended_at" | "revision_start" | "revision_end" => (name.into(), AttributeKind::Datetime),
        "revision" => (name.into(), AttributeKind::Number { min: None, max: None }),
        "created_by_user_id" => (dialect.creator[0].into(), TEXT),
        "created_by_project_id" => (dialect.creator[1].into(), TEXT),
        _ => match kind.attributes.get(name) {
            // The name has letters, digits, `_`, `-`, `.` and `:` alone, none of which ends the text.
            Some(attribute) => ((dialect.attribute)(name, &attribute.kind), attribute.kind.clone()),
            None => return Err(Error::NoSuchAttribute(kind.name.clone(), name.into())),
        },
    };
    Ok(Field { sql, kind: found })
}

/// Splits a marker of resources into id and revision, -1 for the present one.
pub(crate) fn marked_revision(marker: &str) -> (&str, i64) {
    match marker.split_once('@') {
        Some((id, revision)) => (id, revision.parse().unwrap_or(-1)),
        None => (marker, -1),
    }
}

pub(crate) type Find<'a> = &'a dyn Fn(&str) -> Result<Field, Error>;

/// A condition as it is built.
pub(crate) struct Condition<'a> {
    pub sql: String,
    pub parameters: Vec<Parameter>,
    dialect: &'a Dialect,
    find: Find<'a>,
    /// Named in errors of values.
    kind: &'a str,
}

/// Returns how many values a filter compares with.
fn values(filter: &Filter) -> usize {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().map(values).sum(),
        Filter::Not(inner) => values(inner),
        Filter::In(_, values) => values.len(),
        Filter::Compare(..) => 1,
    }
}

/// Joins parts as a balanced tree: one that leans to a side is as deep as it has parts, and SQLite takes 1,000 levels.
fn joined(parts: &[String], word: &str) -> String {
    match parts {
        [one] => one.clone(),
        parts => {
            let (left, right) = parts.split_at(parts.len() / 2);
            format!("({}{word}{})", joined(left, word), joined(right, word))
        }
    }
}

impl<'a> Condition<'a> {
    pub fn new(dialect: &'a Dialect, find: Find<'a>, kind: &'a str) -> Condition<'a> {
        Condition { sql: dialect.truth[0].into(), parameters: Vec::new(), dialect, find, kind }
    }

    /// Adds a condition that must hold as well.
    pub fn and(&mut self, filter: &Filter) -> Result<(), Error> {
        if values(filter) > MOST_VALUES {
            return Err(Error::Invalid(format!("a filter may have {MOST_VALUES} values")));
        }
        let sql = self.build(filter, 0)?;
        self.sql = format!("{} AND {sql}", self.sql);
        Ok(())
    }

    /// Adds what a query of resources asks for: their type, and its condition.
    pub fn and_resources(&mut self, query: &ResourceQuery) -> Result<(), Error> {
        if query.kind != "generic" {
            self.and(&Filter::is("type", &*query.kind))?;
        }
        query.filter.iter().try_for_each(|filter| self.and(filter))
    }

    fn place(&mut self, value: Parameter, kind: &AttributeKind) -> String {
        self.parameters.push(value);
        (self.dialect.place)(self.parameters.len(), kind)
    }

    fn build(&mut self, filter: &Filter, depth: usize) -> Result<String, Error> {
        if depth > DEEPEST {
            return Err(Error::Invalid(format!("a filter may be nested {DEEPEST} deep")));
        }
        match filter {
            Filter::And(parts) if parts.is_empty() => Ok(self.dialect.truth[0].into()),
            Filter::Or(parts) if parts.is_empty() => Ok(self.dialect.truth[1].into()),
            Filter::And(parts) | Filter::Or(parts) => {
                let word = if matches!(filter, Filter::And(_)) { " AND " } else { " OR " };
                let parts = parts.iter().map(|part| self.build(part, depth + 1)).collect::<Result<Vec<_>, _>>()?;
                Ok(format!("({})", joined(&parts, word)))
            }
            Filter::Not(inner) => Ok(format!("(NOT {})", self.build(inner, depth + 1)?)),
            Filter::In(name, values) => {
                let field = (self.find)(name)?;
                let mut places = Vec::new();
                for value in values {
                    let value = self.value(name, &field, value)?;
                    places.push(self.place(value, &field.kind));
                }
                if places.is_empty() {
                    return Ok(self.dialect.truth[1].into());
                }
                Ok(format!("({} IN ({}))", field.sql, places.join(",")))
            }
            Filter::Compare(operator, name, value) => {
                let field = (self.find)(name)?;
                let wanted = if *operator == Compare::Like { text(value) } else { self.value(name, &field, value)? };
                let is_null = wanted == Parameter::Null;
                let kind = if *operator == Compare::Like { TEXT } else { field.kind };
                let column = field.sql;
                let word = match operator {
                    Compare::Eq if is_null => return Ok(format!("({column} IS NULL)")),
                    Compare::Ne if is_null => return Ok(format!("({column} IS NOT NULL)")),
                    Compare::Ne => {
                        let place = self.place(wanted, &kind);
                        return Ok(format!("({column} IS NULL OR {column} <> {place})"));
                    }
                    Compare::Eq => "=",
                    Compare::Lt => "<",
                    Compare::Le => "<=",
                    Compare::Gt => ">",
                    Compare::Ge => ">=",
                    Compare::Like => "LIKE",
                };
                let place = self.place(wanted, &kind);
                Ok(format!("({column} {word} {place})"))
            }
        }
    }

    fn value(&self, name: &str, field: &Field, value: &Value) -> Result<Parameter, Error> {
        let refuse = || {
            let shown = match value {
                Value::Text(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Null => "None".into(),
            };
            Error::AttributeValue(shown, name.into(), self.kind.into())
        };
        let wanted = field.kind.wanted(value, crate::time::parse_timestamp).ok_or_else(refuse)?;
        Ok(to_sql(&wanted))
    }

    /// Returns `ORDER BY`, after having added the condition that rows come behind the marker's, whose values `marker` reads.
    pub fn paged(
        &mut self,
        page: &Page,
        unique: &[&str],
        marker: impl FnOnce(&str, &[String]) -> Result<Option<Vec<Parameter>>, Error>,
    ) -> Result<String, Error> {
        let mut keys: Vec<(String, AttributeKind, bool, bool)> = Vec::new();
        for sort in &page.sort {
            let field = (self.find)(&sort.key)
                .map_err(|_| Error::Pagination(format!("Sort key supplied is invalid: {}", sort.key)))?;
            // A key that comes again has no effect, and databases take a few thousand of them.
            if keys.iter().any(|(sql, ..)| *sql == field.sql) {
                continue;
            }
            keys.push((field.sql, field.kind, sort.descending, sort.nulls_first));
        }
        for key in unique {
            let field = (self.find)(key)?;
            keys.push((field.sql, field.kind, false, false));
        }
        if let Some(text) = &page.marker {
            let columns: Vec<String> = keys.iter().map(|(sql, ..)| sql.clone()).collect();
            let values =
                marker(text, &columns)?.ok_or_else(|| Error::Pagination(format!("Invalid marker: `{text}'")))?;
            let mut equal: Vec<String> = Vec::new();
            let mut behind: Vec<String> = Vec::new();
            // A row without the attribute comes behind every value, or before it.
            for ((column, kind, descending, nulls_first), value) in keys.iter().zip(values) {
                let beyond = if *descending { "<" } else { ">" };
                let next = match (&value, nulls_first) {
                    (Parameter::Null, false) => None,
                    (Parameter::Null, true) => Some(format!("{column} IS NOT NULL")),
                    (_, false) => Some(format!("({column} {beyond} ? OR {column} IS NULL)")),
                    (_, true) => Some(format!("{column} {beyond} ?")),
                };
                let place = self.place(value, kind);
                if let Some(next) = next {
                    let mut all = equal.clone();
                    all.push(next.replace('?', &place));
                    behind.push(format!("({})", all.join(" AND ")));
                }
                equal.push(format!("{column} {} {place}", self.dialect.same));
            }
            let behind = if behind.is_empty() { self.dialect.truth[1].into() } else { behind.join(" OR ") };
            self.sql = format!("{} AND ({behind})", self.sql);
        }
        let order: Vec<String> = keys
            .iter()
            .map(|(column, _, descending, nulls_first)| {
                let direction = if *descending { "DESC" } else { "ASC" };
                format!("{column} {direction} NULLS {}", if *nulls_first { "FIRST" } else { "LAST" })
            })
            .collect();
        let limit = page.limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"));
        Ok(format!("ORDER BY {}{limit}", order.join(", ")))
    }
}

fn text(value: &Value) -> Parameter {
    match value {
        Value::Text(text) => Parameter::Text(text.clone()),
        Value::Number(number) => Parameter::Text(number.to_string()),
        Value::Bool(truth) => Parameter::Text(truth.to_string()),
        Value::Null => Parameter::Null,
    }
}

fn to_sql(value: &serde_json::Value) -> Parameter {
    match value {
        serde_json::Value::String(text) => Parameter::Text(text.clone()),
        serde_json::Value::Bool(truth) => Parameter::Integer((*truth).into()),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Parameter::Integer(whole),
            None => Parameter::Real(number.as_f64().unwrap_or(0.0)),
        },
        _ => Parameter::Null,
    }
}
