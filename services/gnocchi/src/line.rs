//! InfluxDB's line protocol: `measurement,tag=value field=1.5,other=2i 1422568543702900257`.

use ferrometer_archive::Nanos;
use std::collections::BTreeMap;

/// One line.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub measurement: String,
    /// Sorted, as they stand in names.
    pub tags: BTreeMap<String, String>,
    /// Numerical fields; others are left out.
    pub fields: Vec<(String, f64)>,
    pub timestamp: Option<Nanos>,
}

/// Reads a line, or none where it is none.
pub(crate) fn parse(line: &str) -> Option<Line> {
    let mut rest = line.trim_end_matches('\r');
    let measurement = token(&mut rest, ", ")?;
    let mut tags = BTreeMap::new();
    while take(&mut rest, ',') {
        let key = token(&mut rest, ",= ")?;
        if !take(&mut rest, '=') {
            return None;
        }
        tags.insert(key, token(&mut rest, ",= ")?);
    }
    if !take(&mut rest, ' ') {
        return None;
    }
    let mut fields = Vec::new();
    loop {
        let key = token(&mut rest, ",= ")?;
        if !take(&mut rest, '=') {
            return None;
        }
        if rest.starts_with('"') {
            token(&mut rest, "")?;
        } else {
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            let (text, behind) = rest.split_at(end);
            rest = behind;
            fields.extend(number(text)?.map(|number| (key, number)));
        }
        if !take(&mut rest, ',') {
            break;
        }
    }
    let timestamp = match rest.strip_prefix(' ') {
        Some(stamp) => Some(stamp.trim_end().parse().ok().filter(|stamp: &Nanos| *stamp >= 0)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some(Line { measurement, tags, fields, timestamp })
}

/// Reads a number; `None` inside for a truth, which is none; nothing for any other text.
fn number(text: &str) -> Option<Option<f64>> {
    let truths = ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"];
    if truths.contains(&text) {
        return Some(None);
    }
    let digits = text.strip_suffix(['i', 'u']).unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    digits.parse().ok().filter(|number: &f64| plain && number.is_finite()).map(Some)
}

fn take(rest: &mut &str, wanted: char) -> bool {
    match rest.strip_prefix(wanted) {
        Some(behind) => {
            *rest = behind;
            true
        }
        None => false,
    }
}

/// Reads a name up to one of the ends; quoted, or with `\` before characters that would end it.
fn token(rest: &mut &str, ends: &str) -> Option<String> {
    let quoted = take(rest, '"');
    let mut out = String::new();
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    let mut closed = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, next)) if matches!(next, ' ' | ',' | '=' | '"' | '\\') => out.push(next),
                Some((_, next)) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            '"' if quoted => {
                end = at + 1;
                closed = true;
                break;
            }
            c if !quoted && ends.contains(c) => {
                end = at;
                break;
            }
            c => out.push(c),
        }
    }
    *rest = &rest[end..];
    (quoted == closed && (quoted || !out.is_empty())).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_escapes() {
        let line = parse(r#"my\ disk,host=a\,b,path=/x used=1.5,free=2i,name="a \" b, c",ok=true 1422568543702900257"#)
            .unwrap();
        assert_eq!(line.measurement, "my disk");
        assert_eq!(
            line.tags.into_iter().collect::<Vec<_>>(),
            [("host".into(), "a,b".into()), ("path".to_owned(), "/x".to_owned())]
        );
        assert_eq!(line.fields, [("used".to_owned(), 1.5), ("free".into(), 2.0)]);
        assert_eq!(line.timestamp, Some(1_422_568_543_702_900_257));
        assert_eq!(parse("cpu value=-1e3").unwrap().fields, [("value".to_owned(), -1000.0)]);
    }

    #[test]
    fn nonsense_is_no_line() {
        for wrong in [
            "cpu",
            "cpu ",
            "cpu,host v=1",
            "cpu v",
            "cpu v=",
            "cpu v=abc",
            "cpu v=nan",
            "cpu v=\"x",
            "cpu v=1 x",
            "cpu v=1 -5",
            "cpu v=1,",
            ",a=b v=1",
            "cpu v=1 1 1",
            "\"cpu v=1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
