//! A value as a source gave it, before its key is known.
//!
//! File, environment and builder all arrive here, so that one check ([`super::kind`]) serves all three.

use std::fmt;
use std::time::Duration;

/// The value of one key, as a source gave it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    /// Wide enough for every TOML integer; one that is wider still saturates and fails its range.
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    /// From a builder; every duration, once it is checked.
    Duration(Duration),
    /// Dates and tables are never right; only their names are needed, for the message.
    #[cfg_attr(not(feature = "config-file"), allow(dead_code))]
    Other(&'static str),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    /// A list; `None` for an empty one.
    pub(super) fn texts(texts: &[String]) -> Option<Self> {
        let mut items = Vec::with_capacity(texts.len());
        texts.iter().for_each(|text| items.push(Value::text(text)));
        Some(Value::List(items)).filter(|_| !texts.is_empty())
    }

    /// A list; `None` for an empty one.
    pub(super) fn floats(numbers: &[f64]) -> Option<Self> {
        let mut items = Vec::with_capacity(numbers.len());
        numbers.iter().for_each(|number| items.push(Value::Float(*number)));
        Some(Value::List(items)).filter(|_| !numbers.is_empty())
    }

    pub(super) fn integer(number: impl TryInto<i128>) -> Self {
        Value::Integer(number.try_into().unwrap_or(i128::MAX))
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "boolean",
            Value::Integer(_) => "integer",
            Value::Float(_) => "float",
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Duration(_) => "duration",
            Value::Other(name) => name,
        }
    }

    pub(super) fn is_empty_text(&self) -> bool {
        matches!(self, Value::Text(text) if text.is_empty())
    }

    // The readers below take what a check has let through. The table's test proves that each key's
    // kind and reader belong together, so the fallbacks are never seen; they only replace a panic.

    pub(super) fn into_bool(self) -> bool {
        matches!(self, Value::Bool(true))
    }

    /// The number, or the largest one that its type holds: what a key allows may be beyond a `usize` of 32 bits.
    pub(super) fn into_integer(self, largest: u64) -> u64 {
        match self {
            Value::Integer(number) => u64::try_from(number.max(0)).unwrap_or(u64::MAX).min(largest),
            _ => 0,
        }
    }

    pub(super) fn into_float(self) -> f64 {
        match self {
            Value::Float(number) => number,
            _ => 1.0,
        }
    }

    pub(super) fn into_text(self) -> String {
        match self {
            Value::Text(text) => text,
            _ => String::new(),
        }
    }

    /// The place of a text in a list; that of the first where it is none of them.
    pub(super) fn number_in(self, names: &[&str]) -> usize {
        let text = self.into_text();
        names.iter().position(|name| *name == text).unwrap_or_default()
    }

    pub(super) fn into_duration(self) -> Duration {
        match self {
            Value::Duration(duration) => duration,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn into_floats(self) -> Vec<f64> {
        let mut floats = Vec::new();
        self.into_items().for_each(|item| floats.push(item.into_float()));
        floats
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        let mut texts = Vec::new();
        self.into_items().for_each(|item| texts.push(item.into_text()));
        texts
    }

    fn into_items(self) -> impl Iterator<Item = Value> {
        let items = if let Value::List(items) = self { items } else { Vec::new() };
        items.into_iter()
    }
}

/// The way TOML would write it, so that a message can be pasted back into a file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Text(value) => write!(f, "{value:?}"),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Value::Duration(value) => write!(f, "\"{}\"", super::duration::show(*value)),
            Value::Other(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn what_a_type_cannot_hold_is_the_most_that_it_can() {
        let of = |number: i128, largest: u64| Value::Integer(number).into_integer(largest);
        // As a `usize` of 32 bits takes it.
        assert_eq!(of(1 << 40, u32::MAX.into()), u64::from(u32::MAX));
        assert_eq!(of(4 << 30, u32::MAX.into()), u64::from(u32::MAX));
        assert_eq!(of(1 << 40, u64::MAX), 1 << 40);
        assert_eq!(of(1 << 40, u16::MAX.into()), u64::from(u16::MAX));
        assert_eq!(of(i128::MAX, u64::MAX), u64::MAX);
        assert_eq!((of(7, u32::MAX.into()), of(-7, u64::MAX)), (7, 0));
    }
}
