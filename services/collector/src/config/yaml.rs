//! YAML as PyYAML's safe loader reads it, with the line of each value: `metrics.yml`.
//!
//! Built on the events of `saphyr-parser`: they carry positions and the text of numbers. Aliases and merge keys work; what they
//! multiply is bounded.

use super::tree::{Entry, MAX_DEPTH, MAX_NODES, Node, SyntaxError, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;

/// Reads the one document of a text. An empty text is `Null`.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut builder = Builder { anchors: HashMap::new(), open: Vec::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| SyntaxError { line: e.marker().line(), message: e.info().to_owned() })?;
        builder.take(event, span)?;
    }
    Ok(builder.root.unwrap_or(Node { line: 1, value: Value::Null }))
}

/// A list or map whose end has not been seen.
struct Open {
    line: usize,
    anchor: usize,
    is_map: bool,
    items: Vec<Node>,
}

struct Builder {
    anchors: HashMap<usize, (Node, usize)>,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain { resolved(&text) } else { Value::Text(text.into_owned()) };
                self.put(Node { line, value }, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(line, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err(SyntaxError { line, message: "an alias stands inside of what it names".into() });
                };
                let (node, size) = (Node { line, value: node.value.clone() }, *size);
                self.put(node, 0, size)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(SyntaxError { line, message: "the file has a second document; one is read".into() })
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, is_map: bool) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(SyntaxError { line, message: format!("values are nested deeper than {MAX_DEPTH}") });
        }
        self.open.push(Open { line, anchor, is_map, items: Vec::new() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = if open.is_map { Value::Map(entries(open.items)?) } else { Value::List(open.items) };
        let node = Node { line: open.line, value };
        let size = if open.anchor > 0 { size(&node) } else { 1 };
        self.put(node, open.anchor, size)
    }

    fn put(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), SyntaxError> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            return Err(SyntaxError { line: node.line, message: format!("the file has more than {MAX_NODES} values") });
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|e| size(&e.node)).sum(),
        _ => 0,
    }
}

/// Pairs keys and values, lays `<<` below the map's own keys, and refuses a key that is given twice.
fn entries(items: Vec<Node>) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut merged: Vec<Entry> = Vec::new();
    let mut items = items.into_iter();
    while let (Some(key), Some(node)) = (items.next(), items.next()) {
        let line = key.line;
        let text = match key.value {
            Value::Text(text) | Value::Number(text) => text,
            Value::Bool(value) => value.to_string(),
            Value::Null => "null".into(),
            Value::List(_) | Value::Map(_) => {
                return Err(SyntaxError { line, message: "a key is a word or a number, not a list or mapping".into() });
            }
        };
        if text == "<<" {
            let maps = match node.value {
                Value::List(maps) => maps,
                value => vec![Node { line, value }],
            };
            for map in maps {
                let Value::Map(found) = map.value else {
                    return Err(SyntaxError { line, message: "<< takes a mapping, or a list of mappings".into() });
                };
                merged.extend(found);
            }
        } else if let Some(first) = entries.iter().find(|e| e.key == text) {
            let message = format!("the key \"{text}\" stands on line {} already", first.line);
            return Err(SyntaxError { line, message });
        } else {
            entries.push(Entry { key: text, line, node });
        }
    }
    for entry in merged {
        if !entries.iter().any(|e| e.key == entry.key) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Gives a plain scalar the type that YAML 1.1 gives it.
fn resolved(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.parse::<f64>().is_ok()
}
