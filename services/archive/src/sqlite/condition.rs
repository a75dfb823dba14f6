//! Filters, orders and pages as SQL. Every value is a parameter, and every name one of a known table.

use crate::resource::AttributeKind;
use crate::search::{Compare, Filter, Page, Value};
use crate::{Error, Nanos, ResourceType};
use rusqlite::types::Value as Sql;

/// Deepest nesting of a filter.
const DEEPEST: usize = 64;

/// A column, or an attribute within the JSON of one.
pub(super) struct Field {
    pub sql: String,
    pub kind: AttributeKind,
}

const TEXT: AttributeKind = AttributeKind::String { min_length: 0, max_length: u32::MAX };

/// Finds the fields of metrics.
pub(super) fn metric_field(name: &str) -> Result<Field, Error> {
    let kind = match name {
        "id" | "resource_id" => AttributeKind::Uuid,
        "name" | "unit" | "creator" | "archive_policy_name" => TEXT,
        _ => return Err(Error::NoSuchAttribute("metric".into(), name.into())),
    };
    Ok(Field { sql: name.into(), kind })
}

/// Finds the fields of resources of a type.
pub(super) fn resource_field(kind: &ResourceType, name: &str) -> Result<Field, Error> {
    let (sql, found) = match name {
        "id" => (name.into(), AttributeKind::Uuid),
        "type" | "original_resource_id" | "creator" | "user_id" | "project_id" => (name.into(), TEXT),
        "started_at" | "ended_at" | "revision_start" | "revision_end" => (name.into(), AttributeKind::Datetime),
        "revision" => (name.into(), AttributeKind::Number { min: None, max: None }),
        // A creator is a user, or a user and a project.
        "created_by_user_id" => {
            ("iif(instr(creator, ':') > 0, substr(creator, 1, instr(creator, ':') - 1), creator)".into(), TEXT)
        }
        "created_by_project_id" => {
            ("iif(instr(creator, ':') > 0, substr(creator, instr(creator, ':') + 1), '')".into(), TEXT)
        }
        _ => match kind.attributes.get(name) {
            // The name has letters, digits, `_`, `-`, `.` and `:` alone, none of which ends the text.
            Some(attribute) => (format!("json_extract(attributes, '$.\"{name}\"')"), attribute.kind.clone()),
            None => return Err(Error::NoSuchAttribute(kind.name.clone(), name.into())),
        },
    };
    Ok(Field { sql, kind: found })
}

pub(super) type Find<'a> = &'a dyn Fn(&str) -> Result<Field, Error>;

/// A condition as it is built.
pub(super) struct Condition<'a> {
    pub sql: String,
    pub parameters: Vec<Sql>,
    find: Find<'a>,
    /// Named in errors of values.
    kind: &'a str,
}

impl<'a> Condition<'a> {
    pub fn new(find: Find<'a>, kind: &'a str) -> Condition<'a> {
        Condition { sql: "1".into(), parameters: Vec::new(), find, kind }
    }

    /// Adds a condition that must hold as well.
    pub fn and(&mut self, filter: &Filter) -> Result<(), Error> {
        let sql = self.build(filter, 0)?;
        self.sql = format!("{} AND {sql}", self.sql);
        Ok(())
    }

    fn place(&mut self, value: Sql) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }

    fn build(&mut self, filter: &Filter, depth: usize) -> Result<String, Error> {
        if depth > DEEPEST {
            return Err(Error::Invalid(format!("a filter may be nested {DEEPEST} deep")));
        }
        match filter {
            Filter::And(parts) if parts.is_empty() => Ok("1".into()),
            Filter::Or(parts) if parts.is_empty() => Ok("0".into()),
            Filter::And(parts) | Filter::Or(parts) => {
                let word = if matches!(filter, Filter::And(_)) { " AND " } else { " OR " };
                let parts = parts.iter().map(|part| self.build(part, depth + 1)).collect::<Result<Vec<_>, _>>()?;
                Ok(format!("({})", parts.join(word)))
            }
            Filter::Not(inner) => Ok(format!("(NOT {})", self.build(inner, depth + 1)?)),
            Filter::In(name, values) => {
                let field = (self.find)(name)?;
                let mut places = Vec::new();
                for value in values {
                    let value = self.value(name, &field, value)?;
                    places.push(self.place(value));
                }
                Ok(format!("({} IN ({}))", field.sql, places.join(",")))
            }
            Filter::Compare(operator, name, value) => {
                let field = (self.find)(name)?;
                let wanted = if *operator == Compare::Like { text(value) } else { self.value(name, &field, value)? };
                let is_null = wanted == Sql::Null;
                let column = field.sql;
                let word = match operator {
                    Compare::Eq if is_null => return Ok(format!("({column} IS NULL)")),
                    Compare::Ne if is_null => return Ok(format!("({column} IS NOT NULL)")),
                    Compare::Ne => {
                        let place = self.place(wanted);
                        return Ok(format!("({column} IS NULL OR {column} <> {place})"));
                    }
                    Compare::Eq => "=",
                    Compare::Lt => "<",
                    Compare::Le => "<=",
                    Compare::Gt => ">",
                    Compare::Ge => ">=",
                    Compare::Like => "LIKE",
                };
                let place = self.place(wanted);
                Ok(format!("({column} {word} {place})"))
            }
        }
    }

    fn value(&self, name: &str, field: &Field, value: &Value) -> Result<Sql, Error> {
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
        marker: impl FnOnce(&str, &[String]) -> Result<Option<Vec<Sql>>, Error>,
    ) -> Result<String, Error> {
        let mut keys: Vec<(String, bool, bool)> = Vec::new();
        for sort in &page.sort {
            let field = (self.find)(&sort.key)
                .map_err(|_| Error::Pagination(format!("Sort key supplied is invalid: {}", sort.key)))?;
            keys.push((field.sql, sort.descending, sort.nulls_first));
        }
        keys.extend(unique.iter().map(|key| ((*key).to_owned(), false, false)));
        if let Some(text) = &page.marker {
            let columns: Vec<String> = keys.iter().map(|(sql, ..)| sql.clone()).collect();
            let values =
                marker(text, &columns)?.ok_or_else(|| Error::Pagination(format!("Invalid marker: `{text}'")))?;
            let mut equal: Vec<String> = Vec::new();
            let mut behind: Vec<String> = Vec::new();
            // A row without the attribute comes behind every value, or before it.
            for ((column, descending, nulls_first), value) in keys.iter().zip(values) {
                let beyond = if *descending { "<" } else { ">" };
                let next = match (&value, nulls_first) {
                    (Sql::Null, false) => None,
                    (Sql::Null, true) => Some(format!("{column} IS NOT NULL")),
                    (_, false) => Some(format!("({column} {beyond} ? OR {column} IS NULL)")),
                    (_, true) => Some(format!("{column} {beyond} ?")),
                };
                let place = self.place(value);
                if let Some(next) = next {
                    let mut all = equal.clone();
                    all.push(next.replace('?', &place));
                    behind.push(format!("({})", all.join(" AND ")));
                }
                equal.push(format!("{column} IS {place}"));
            }
            self.sql =
                format!("{} AND ({})", self.sql, if behind.is_empty() { "0".into() } else { behind.join(" OR ") });
        }
        let order: Vec<String> = keys
            .iter()
            .map(|(column, descending, nulls_first)| {
                let direction = if *descending { "DESC" } else { "ASC" };
                format!("{column} {direction} NULLS {}", if *nulls_first { "FIRST" } else { "LAST" })
            })
            .collect();
        let limit = page.limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"));
        Ok(format!("ORDER BY {}{limit}", order.join(", ")))
    }
}

fn text(value: &Value) -> Sql {
    match value {
        Value::Text(text) => Sql::Text(text.clone()),
        Value::Number(number) => Sql::Text(number.to_string()),
        Value::Bool(truth) => Sql::Text(truth.to_string()),
        Value::Null => Sql::Null,
    }
}

pub(super) fn to_sql(value: &serde_json::Value) -> Sql {
    match value {
        serde_json::Value::String(text) => Sql::Text(text.clone()),
        serde_json::Value::Bool(truth) => Sql::Integer((*truth).into()),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Sql::Integer(whole as Nanos),
            None => Sql::Real(number.as_f64().unwrap_or(0.0)),
        },
        _ => Sql::Null,
    }
}
