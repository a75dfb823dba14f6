//! TOML with the line of each value.

use super::tree::{Entry, MAX_DEPTH, Node, SyntaxError, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads a document as a map.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let lines = Lines(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect());
    let table = DeTable::parse(text).map_err(|e| SyntaxError {
        line: e.span().map_or(0, |span| lines.of(span.start)),
        message: e.message().to_owned(),
    })?;
    Ok(Node { line: 1, value: Value::Map(map(table.get_ref(), &lines, 0)?) })
}

/// Where the lines of a text end.
struct Lines(Vec<usize>);

impl Lines {
    fn of(&self, at: usize) -> usize {
        1 + self.0.partition_point(|end| *end < at)
    }
}

fn map(table: &DeTable<'_>, lines: &Lines, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let line = lines.of(key.span().start);
        entries.push(Entry { key: key.get_ref().to_string(), line, node: node(value, lines, depth + 1)? });
    }
    entries.sort_by_key(|e| e.line);
    Ok(entries)
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines, depth: usize) -> Result<Node, SyntaxError> {
    let line = lines.of(value.span().start);
    if depth > MAX_DEPTH {
        return Err(SyntaxError { line, message: format!("values are nested deeper than {MAX_DEPTH}") });
    }
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Value::Number(number.as_str().to_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Number(number.to_string()),
            Err(_) => return Err(SyntaxError { line, message: "the number is too large".into() }),
        },
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|v| node(v, lines, depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Value::Map(map(table, lines, depth)?),
    };
    Ok(Node { line, value })
}
