//! Checks of JSON bodies, with the words and paths that Gnocchi's clients know.

use serde_json::{Map, Value};

/// A step into a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A place in a body that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    reason: String,
    path: Vec<Step>,
}

pub(crate) type Checked<T> = Result<T, Invalid>;

impl Invalid {
    pub fn new(reason: impl Into<String>) -> Invalid {
        Invalid { reason: reason.into(), path: Vec::new() }
    }

    /// Says that it is within the value of a key.
    pub fn in_key(mut self, key: &str) -> Invalid {
        if self.path.is_empty() {
            self.reason.push_str(" for dictionary value");
        }
        self.path.insert(0, Step::Key(key.into()));
        self
    }

    /// Says that the key itself is wrong.
    pub fn at_key(mut self, key: &str) -> Invalid {
        self.path.insert(0, Step::Key(key.into()));
        self
    }

    /// Says that it is within an item of a list.
    pub fn in_item(mut self, index: usize) -> Invalid {
        self.path.insert(0, Step::Index(index));
        self
    }

    /// Returns the reason with the path behind it.
    pub fn text(&self) -> String {
        let step = |step: &Step| match step {
            Step::Key(key) => format!("['{key}']"),
            Step::Index(index) => format!("[{index}]"),
        };
        match self.path.is_empty() {
            true => self.reason.clone(),
            false => format!("{} @ data{}", self.reason, self.path.iter().map(step).collect::<String>()),
        }
    }

    /// Returns the path as texts.
    pub fn steps(&self) -> Vec<String> {
        let step = |step: &Step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
        };
        self.path.iter().map(step).collect()
    }
}

pub(crate) fn dictionary(value: &Value) -> Checked<&Map<String, Value>> {
    value.as_object().ok_or_else(|| Invalid::new("expected a dictionary"))
}

pub(crate) fn list(value: &Value) -> Checked<&Vec<Value>> {
    value.as_array().ok_or_else(|| Invalid::new("expected a list"))
}

pub(crate) fn text(value: &Value) -> Checked<String> {
    value.as_str().map(Into::into).ok_or_else(|| Invalid::new("expected str"))
}

/// Most characters of what names something and is kept: as many as Gnocchi has room for.
pub(crate) const LONGEST_NAME: usize = 255;

/// Reads a text of at most `most` characters.
pub(crate) fn short(most: usize) -> impl Fn(&Value) -> Checked<String> {
    move |value| match text(value)? {
        text if text.chars().count() > most => Err(Invalid::new(format!("length of value must be at most {most}"))),
        text => Ok(text),
    }
}

/// Reads a name.
pub(crate) fn name(value: &Value) -> Checked<String> {
    short(LONGEST_NAME)(value)
}

/// Reads a key that may be left out.
pub(crate) fn optional<T>(
    map: &Map<String, Value>,
    key: &str,
    read: impl FnOnce(&Value) -> Checked<T>,
) -> Checked<Option<T>> {
    map.get(key).map(|value| read(value).map_err(|invalid| invalid.in_key(key))).transpose()
}

/// Reads a key that must be there.
pub(crate) fn required<T>(map: &Map<String, Value>, key: &str, read: impl FnOnce(&Value) -> Checked<T>) -> Checked<T> {
    optional(map, key, read)?.ok_or_else(|| Invalid::new("required key not provided").at_key(key))
}

/// Refuses keys that are not known.
pub(crate) fn only(map: &Map<String, Value>, known: &[&str]) -> Checked<()> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(extra) => Err(Invalid::new("extra keys not allowed").at_key(extra)),
        None => Ok(()),
    }
}

/// Reads a whole number, or text of one, of at least `least`.
pub(crate) fn whole(value: &Value, least: i64) -> Checked<i64> {
    let number = match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        None => Err(Invalid::new("expected int")),
        Some(number) if number < least => Err(Invalid::new(format!("value must be at least {least}"))),
        Some(number) => Ok(number),
    }
}
