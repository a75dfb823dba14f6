//! A strict reader of the line protocol, which shares no code with the encoder.

use std::collections::BTreeMap;

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub measurement: String,
    pub tags: BTreeMap<String, String>,
    pub fields: BTreeMap<String, f64>,
}

/// Reads up to one of the stops that has no backslash in front; takes the backslash away from characters that need one.
fn until<'t>(text: &'t str, stops: &[char], out: &mut String) -> (Option<char>, &'t str) {
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '\\' if rest.peek().is_some_and(|(_, next)| ",= ".contains(*next)) => out.push(rest.next().unwrap().1),
            c if stops.contains(&c) => return (Some(c), &text[at + c.len_utf8()..]),
            c => out.push(c),
        }
    }
    (None, "")
}

/// The lines of a body.
pub fn lines(body: &[u8]) -> Vec<Line> {
    let text = std::str::from_utf8(body).unwrap();
    assert!(text.ends_with('\n'));
    text.trim_end_matches('\n').split('\n').map(line).collect()
}

fn line(text: &str) -> Line {
    let mut line = Line::default();
    let (mut stop, mut rest) = until(text, &[',', ' '], &mut line.measurement);
    assert!(!line.measurement.is_empty(), "{text:?}");
    while stop == Some(',') {
        let (mut key, mut value) = (String::new(), String::new());
        let (end, after) = until(rest, &['=', ',', ' '], &mut key);
        assert_eq!(end, Some('='), "{text:?}");
        (stop, rest) = until(after, &[',', ' ', '='], &mut value);
        assert!(!key.is_empty() && !value.is_empty() && stop != Some('='), "{text:?}");
        assert!(line.tags.insert(key, value).is_none(), "{text:?}");
    }
    let (fields, nanos) = rest.split_once(' ').unwrap_or_else(|| panic!("{text:?}"));
    assert!(nanos.parse::<u64>().unwrap() > 1_600_000_000_000_000_000, "{text:?}");
    for field in fields.split(',') {
        let (name, value) = field.split_once('=').unwrap();
        let value = match value.strip_suffix('i') {
            Some(whole) => whole.parse::<i64>().unwrap() as f64,
            None => value.parse().unwrap(),
        };
        assert!(value.is_finite() && line.fields.insert(name.to_owned(), value).is_none(), "{text:?}");
    }
    line
}

/// One field of all lines of a measurement, by their tags; of several lines with the same tags the last.
pub fn values(lines: &[Line], measurement: &str, field: &str) -> BTreeMap<BTreeMap<String, String>, f64> {
    let own = lines.iter().filter(|line| line.measurement == measurement);
    own.filter_map(|line| Some((line.tags.clone(), *line.fields.get(field)?))).collect()
}
