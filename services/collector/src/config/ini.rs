//! The INI dialect of oslo.config, in which `cloudkitty.conf` is written.
//!
//! `key = value` or `key: value`, whichever sign comes first; a line that begins with white space continues the value above it;
//! `#` and `;` begin a comment at the start of a line only, so both may stand in a password; one pair of quotes around a value is
//! taken off. No published crate reads this dialect and tells the line of each key.

use super::tree::{Entry, MAX_NODES, Node, SyntaxError, Value};

/// Reads a file as a map of sections, each a map of keys. Of a key that is given twice the last value counts, as there.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut sections: Vec<Entry> = Vec::new();
    let mut current: Option<usize> = None;
    let mut open: Option<(String, usize, String)> = None;
    let mut keys = 0;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (n, raw) in text.lines().enumerate() {
        let line = n + 1;
        let trimmed = raw.trim_end();
        let refused = |message: &str| Err(SyntaxError { line, message: message.into() });
        match trimmed.chars().next() {
            None => close(&mut sections, current, open.take()),
            Some(' ' | '\t') => match &mut open {
                Some((_, _, value)) => {
                    value.push('\n');
                    value.push_str(trimmed.trim_start());
                }
                None => {
                    return refused(
                        "a line that begins with white space continues a value, and there is none above it",
                    );
                }
            },
            Some('#' | ';') => {}
            Some('[') => {
                close(&mut sections, current, open.take());
                let Some(name) = trimmed.strip_prefix('[').and_then(|t| t.strip_suffix(']')) else {
                    return refused("a section is written [name]");
                };
                if name.is_empty() {
                    return refused("a section needs a name: [name]");
                }
                current = Some(section(&mut sections, name, line));
            }
            Some(_) => {
                close(&mut sections, current, open.take());
                let Some(at) = trimmed.find(['=', ':']) else {
                    return refused("expected \"key = value\", a [section] or a comment");
                };
                let key = trimmed[..at].trim();
                if key.is_empty() {
                    return refused("a value needs a key: \"key = value\"");
                }
                if current.is_none() {
                    return refused("a key stands below a section, such as [collect]");
                }
                keys += 1;
                if keys > MAX_NODES {
                    return refused("the file has too many keys");
                }
                open = Some((key.to_owned(), line, unquoted(trimmed[at + 1..].trim()).to_owned()));
            }
        }
    }
    close(&mut sections, current, open.take());
    Ok(Node { line: 1, value: Value::Map(sections) })
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if value.len() >= 2 && value.starts_with(quote) && value.ends_with(quote) {
            return &value[1..value.len() - 1];
        }
    }
    value
}

/// Returns the index of a section, which may stand in a file more than once.
fn section(sections: &mut Vec<Entry>, name: &str, line: usize) -> usize {
    sections.iter().position(|s| s.key == name).unwrap_or_else(|| {
        sections.push(Entry { key: name.to_owned(), line, node: Node { line, value: Value::Map(Vec::new()) } });
        sections.len() - 1
    })
}

fn close(sections: &mut [Entry], current: Option<usize>, open: Option<(String, usize, String)>) {
    let (Some(current), Some((key, line, value))) = (current, open) else { return };
    let Value::Map(entries) = &mut sections[current].node.value else { return };
    let node = Node { line, value: Value::Text(value) };
    match entries.iter_mut().find(|e| e.key == key) {
        Some(entry) => *entry = Entry { key, line, node },
        None => entries.push(Entry { key, line, node }),
    }
}
