//! Documents that are not TOML: the fault, and what the document is instead where that can be told.

use toml::de::{DeTable, DeValue, Error};

use super::error::clean;

/// Returns the text of a document, or place and fault of the byte that is none.
pub(super) fn text(bytes: &[u8]) -> Result<&str, (usize, String)> {
    // A byte order mark, or a zero behind the first letter.
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, 0, _, ..] | [_, 0, _, 0, ..]) {
        return Err((0, "the file is UTF-16; save it as UTF-8".to_owned()));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        (at, format!("the byte 0x{:02x} is not UTF-8", bytes.get(at).copied().unwrap_or_default()))
    })
}

/// Returns place and message of a parser's error; `place` shows another place in the document.
pub(super) fn describe(text: &str, error: &Error, place: &dyn Fn(usize) -> String) -> (usize, String) {
    let span = error.span().unwrap_or(0..0);
    let lines: Vec<&str> = error.message().trim().split('\n').collect();
    let mut what = format!("not TOML: {}", clean(&lines.join(", ")));
    let key = text.get(span.clone()).unwrap_or_default();
    if error.message().contains("duplicate key") && !key.is_empty() {
        what += &format!(" `{}`", clean(key));
        if let Some(first) = first(text, key, span.start) {
            what += &format!("; it is given first at {}", place(first));
        }
    } else if let Some(kind) = other_language(text) {
        what += &format!(
            "; it looks like {kind}, and a configuration is written as TOML: [metrics], and below it backend = \"statsd\""
        );
    }
    (span.start, what)
}

/// Returns the place of the first of two equal keys, `at` being the second. Both are written in one way: their lines begin alike.
fn first(text: &str, key: &str, at: usize) -> Option<usize> {
    let mut keys = Vec::new();
    let (document, _) = DeTable::parse_recoverable(text);
    collect(document.get_ref(), &mut keys);
    let begins = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        before.rsplit(['\n', '{', ',']).next().unwrap_or_default().trim()
    };
    if begins(at).starts_with('[') {
        // The second header has taken the place of the first among the keys that are left.
        let header = text[at..].lines().next().unwrap_or_default();
        let header = format!("{}{}", begins(at), header.split('#').next().unwrap_or_default().trim_end());
        let mut start = 0;
        for line in text.get(..at).unwrap_or_default().split_inclusive('\n') {
            if line.trim().starts_with(&header) {
                return Some(start + line.find(key)?);
            }
            start += line.len();
        }
        return None;
    }
    let alike = |first: &usize| {
        let same = text.get(*first..).is_some_and(|rest| rest.starts_with(key));
        *first < at && same && begins(*first) == begins(at)
    };
    keys.into_iter().filter(alike).max()
}

fn collect(table: &DeTable<'_>, keys: &mut Vec<usize>) {
    for (key, value) in table {
        keys.push(key.span().start);
        collect_value(value.get_ref(), keys);
    }
}

fn collect_value(value: &DeValue<'_>, keys: &mut Vec<usize>) {
    match value {
        DeValue::Table(table) => collect(table, keys),
        DeValue::Array(items) => items.iter().for_each(|item| collect_value(item.get_ref(), keys)),
        _ => {}
    }
}

/// Returns the language that a document is probably written in, told by its first line that says something.
fn other_language(text: &str) -> Option<&'static str> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    let line = lines.find(|line| !line.is_empty() && !line.trim_start().starts_with(['#', ';']))?;
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.\"".contains(&b));
    if line.trim_start().starts_with('{') {
        return Some("JSON");
    }
    let is_yaml = |line: &str| match line.split_once(':') {
        Some((name, rest)) => is_name(name) && (rest.is_empty() || rest.starts_with(' ')),
        None => line == "---" || line.starts_with("- "),
    };
    if is_yaml(line) {
        return Some("YAML");
    }
    line.starts_with('<').then_some("XML")
}
