//! The INI dialect of oslo.config, in which `cloudkitty.conf` is written.
//!
//! `key = value` or `key: value`, whichever sign comes first; a line that begins with white space continues the value above it;
//! `#` and `;` begin a comment at the start of a line only, so both may stand in a password; one pair of quotes around a value is
//! taken off; `$name` and `${section.name}` are values of other keys, `$$` and `\\$` a sign. No published crate reads this dialect and tells the line of each key.

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
    let given = sections.clone();
    for section in &mut sections {
        let Value::Map(entries) = &mut section.node.value else { continue };
        for entry in entries {
            if let Value::Text(text) = &mut entry.node.value
                && text.contains('$')
            {
                *text = substituted(text, &section.key, &given);
            }
        }
    }
    Ok(Node { line: 1, value: Value::Map(sections) })
}

/// Puts the values of other keys in: of the same section, else of `[DEFAULT]`. A name that nothing has stays as it is written.
fn substituted(text: &str, section: &str, sections: &[Entry]) -> String {
    let value = |section: &str, key: &str| {
        let Value::Map(entries) = &sections.iter().find(|s| s.key == section)?.node.value else { return None };
        match &entries.iter().find(|e| e.key == key)?.node.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, sign) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push('$');
            rest = &sign[1..];
            continue;
        }
        out.push_str(before);
        if let Some(behind) = sign.strip_prefix("$$") {
            out.push('$');
            rest = behind;
            continue;
        }
        let braces = sign[1..].strip_prefix('{').and_then(|s| s.split_once('}'));
        let word = sign[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(sign.len(), |n| n + 1);
        let (name, length) = braces.map_or((&sign[1..word], word), |(name, _)| (name, name.len() + 3));
        let found = match name.split_once('.') {
            Some((section, key)) => value(section, key),
            None => value(section, name).or_else(|| value("DEFAULT", name)),
        };
        let length = if found.is_some() { length } else { 1 };
        out.push_str(found.unwrap_or("$"));
        rest = &sign[length..];
    }
    out + rest
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
