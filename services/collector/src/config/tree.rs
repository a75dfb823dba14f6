//! A file as a tree of values, each with the line it stands on: one form for INI, YAML and TOML.

use crate::error::{Problems, clean};

/// Nodes that one file may hold, aliases of YAML counted each time they are used.
pub(crate) const MAX_NODES: usize = 200_000;

/// Depth to which values may be nested.
pub(crate) const MAX_DEPTH: usize = 32;

/// Bytes that one file may have.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// A value and the line on which it begins, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub line: usize,
    pub value: Value,
}

/// A key of a map with its line, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub line: usize,
    pub node: Node,
}

/// A value of a file. Numbers stay the text that the file has, so that no digit is lost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

impl Value {
    /// Returns the value as a message shows it, with its type.
    pub fn shown(&self) -> String {
        match self {
            Value::Null => "nothing".into(),
            Value::Bool(value) => format!("{value} (a boolean)"),
            Value::Number(text) => format!("{} (a number)", clean(text)),
            Value::Text(text) => format!("\"{}\" (a string)", clean(text)),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping".into(),
        }
    }
}

/// Why a text is no tree: the line and what is wrong there.
pub(crate) struct SyntaxError {
    pub line: usize,
    pub message: String,
}

/// Returns the keys of a section, none where it is not there.
pub(super) fn entries<'a>(sections: &'a [Entry], name: &str, problems: &mut Problems) -> &'a [Entry] {
    match sections.iter().find(|s| s.key == name).map(|s| (s.line, &s.node.value)) {
        Some((_, Value::Map(entries))) => entries,
        Some((line, other)) => {
            problems.push(line, name, format!("found {}, expected a section", other.shown()));
            &[]
        }
        None => &[],
    }
}
