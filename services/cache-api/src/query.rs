//! The parameters of `/v1/metrics`.

use crate::cursor::Cursor;
use ferrometer_core::name::{Pattern, is_name_char};
use ferrometer_http::{decode, shorten};

/// The parameters there are.
const KNOWN: [&str; 7] = ["history", "start-time", "id", "name", "label", "limit", "after"];
/// How many patterns one request may bring: they bound the work that each record costs.
const MAX_PATTERNS: usize = 32;
/// No name is longer, in bytes.
const MAX_PATTERN_BYTES: usize = 512;

/// Which records are asked for.
///
/// ```
/// use ferrometer_cache_api::Query;
/// let query = Query::parse("history=1&name=shop.*&limit=1000").unwrap();
/// assert!(query.history && query.limit == Some(1000));
/// assert!(Query::parse("histroy=1").unwrap_err().contains("did you mean \"history\"?"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Query {
    /// All generations that are kept, not only the newest.
    pub history: bool,
    /// Only generations strictly newer.
    pub start_time: Option<i64>,
    /// Only records whose `id` matches one of these; all when there are none.
    pub ids: Vec<Pattern>,
    /// Only records whose `metric` matches one of these; all when there are none.
    pub names: Vec<Pattern>,
    /// Only records that have, for each key named here, a label of this key whose value matches one of its patterns. Sorted by key.
    pub labels: Vec<(String, Vec<Pattern>)>,
    /// At most this many records.
    pub limit: Option<u64>,
    /// Only what comes behind this place.
    pub after: Option<Cursor>,
}

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    /// The parameter, what was found, what is allowed, and what was probably meant.
    pub fn parse(query: &str) -> Result<Query, String> {
        let mut history = None;
        let mut out = Query::default();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key), decode(value));
            let shown = shorten(&value);
            let twice = match key.as_str() {
                "history" => history
                    .replace(match value.as_str() {
                        "1" | "true" => true,
                        "0" | "false" => false,
                        _ => return Err(format!("history is {shown:?}; allowed are 1, 0, true and false")),
                    })
                    .is_some(),
                "start-time" => {
                    let seconds = value.parse().map_err(|_| {
                        format!("start-time is {shown:?}; allowed are whole seconds since 1970, such as 1700000000")
                    })?;
                    out.start_time.replace(seconds).is_some()
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| *limit > 0);
                    let limit = limit
                        .ok_or_else(|| format!("limit is {shown:?}; allowed are whole numbers from 1, such as 1000"))?;
                    out.limit.replace(limit).is_some()
                }
                "after" => {
                    let after = Cursor::parse(&value);
                    let after = after.ok_or_else(|| format!("after is {shown:?}; allowed is the next of an answer"))?;
                    out.after.replace(after).is_some()
                }
                "id" => pattern(&mut out.ids, &key, &value)?,
                "name" => pattern(&mut out.names, &key, &value)?,
                "label" => label(&mut out.labels, &value)?,
                _ => return Err(unknown(&key)),
            };
            if twice {
                return Err(format!("{key} is given twice, the second time as {shown:?}; allowed is once"));
            }
        }
        out.history = history.unwrap_or(false);
        Ok(out)
    }
}

/// One more pattern; those may come more than once.
fn pattern(list: &mut Vec<Pattern>, key: &str, value: &str) -> Result<bool, String> {
    if value.is_empty() || value.len() > MAX_PATTERN_BYTES {
        let shown = shorten(value);
        return Err(format!("{key} is {shown:?} ({} bytes); allowed are 1 to {MAX_PATTERN_BYTES} bytes", value.len()));
    }
    if list.len() == MAX_PATTERNS {
        return Err(format!("{key} is given more than {MAX_PATTERNS} times; a `*` in it stands for any text"));
    }
    list.push(Pattern::new(value));
    Ok(false)
}

/// One more `<key>=<pattern>`.
fn label(list: &mut Vec<(String, Vec<Pattern>)>, given: &str) -> Result<bool, String> {
    let shown = shorten(given);
    if given.is_empty() || given.len() > MAX_PATTERN_BYTES {
        return Err(format!("label is {shown:?} ({} bytes); allowed are 1 to {MAX_PATTERN_BYTES} bytes", given.len()));
    }
    // Keys have passed the gate, so this one is sought in vain when it would not.
    let is_key = |key: &str| !key.is_empty() && key.chars().all(is_name_char);
    let Some((key, value)) = given.split_once('=').filter(|(key, _)| is_key(key)) else {
        return Err(format!(
            "label is {shown:?}; allowed is <key>=<value>, such as route=/a or route=*, with a key of letters, digits, _ and -"
        ));
    };
    if list.iter().map(|(_, patterns)| patterns.len()).sum::<usize>() == MAX_PATTERNS {
        return Err(format!("label is given more than {MAX_PATTERNS} times; a `*` in the value stands for any text"));
    }
    match list.binary_search_by(|(known, _)| known.as_str().cmp(key)) {
        Ok(at) => list[at].1.push(Pattern::new(value)),
        Err(at) => list.insert(at, (key.to_owned(), vec![Pattern::new(value)])),
    }
    Ok(false)
}

fn unknown(key: &str) -> String {
    let shown = shorten(key);
    let lower = shown.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&lower, known);
    let near = KNOWN.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let meant = match near {
        Some(known) if likeness(known) >= 0.8 => format!("did you mean {known:?}? "),
        _ => String::new(),
    };
    let (last, others) = (KNOWN[KNOWN.len() - 1], KNOWN[..KNOWN.len() - 1].join(", "));
    format!("unknown parameter {shown:?}; {meant}allowed are {others} and {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed() {
        let of = |history, start_time| Ok(Query { history, start_time, ..Query::default() });
        for (query, expected) in [
            ("", of(false, None)),
            ("&&", of(false, None)),
            ("history=1", of(true, None)),
            ("history=true&start-time=-5", of(true, Some(-5))),
            ("start%2Dtime=%31%30&history=false", of(false, Some(10))),
            ("history=0&start-time=9223372036854775807", of(false, Some(i64::MAX))),
        ] {
            assert_eq!(Query::parse(query), expected, "{query}");
        }
        let many = Query::parse("name=a.*&name=b%2Ac&id=host&limit=5&after=10.3.0000beef").unwrap();
        assert_eq!(many.names, [Pattern::new("a.*"), Pattern::new("b*c")]);
        assert_eq!((many.ids, many.limit), (vec![Pattern::new("host")], Some(5)));
        assert_eq!(many.after, Some(Cursor { timestamp: 10, index: 3, mark: 0xbeef }));
        let labels = Query::parse("label=b%3D1&label=a=x=*&label=b=2&label=c=").unwrap().labels;
        let expected = [("a", vec!["x=*"]), ("b", vec!["1", "2"]), ("c", vec![""])];
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect::<Vec<_>>();
        assert_eq!(labels, expected.map(|(key, texts)| (key.to_owned(), patterns(&texts))));
    }

    #[test]
    fn errors_name_parameter_value_and_what_is_allowed() {
        let all = "allowed are history, start-time, id, name, label, limit and after";
        let form = "allowed is <key>=<value>, such as route=/a or route=*, with a key of letters, digits, _ and -";
        for (query, expected) in [
            ("histroy=1", format!(r#"unknown parameter "histroy"; did you mean "history"? {all}"#)),
            ("starttime=1", format!(r#"unknown parameter "starttime"; did you mean "start-time"? {all}"#)),
            ("NAME=1", format!(r#"unknown parameter "NAME"; did you mean "name"? {all}"#)),
            ("%00%ff%zz", format!(r#"unknown parameter "\0�%zz"; {all}"#)),
            ("history=yes", r#"history is "yes"; allowed are 1, 0, true and false"#.into()),
            ("history", r#"history is ""; allowed are 1, 0, true and false"#.into()),
            (
                "start-time=1.5",
                r#"start-time is "1.5"; allowed are whole seconds since 1970, such as 1700000000"#.into(),
            ),
            ("history=1&history=0", r#"history is given twice, the second time as "0"; allowed is once"#.into()),
            ("limit=0", r#"limit is "0"; allowed are whole numbers from 1, such as 1000"#.into()),
            ("after=x", r#"after is "x"; allowed is the next of an answer"#.into()),
            ("name=", r#"name is "" (0 bytes); allowed are 1 to 512 bytes"#.into()),
            ("lable=a=b", format!(r#"unknown parameter "lable"; did you mean "label"? {all}"#)),
            ("label=", r#"label is "" (0 bytes); allowed are 1 to 512 bytes"#.into()),
            ("label=route", format!(r#"label is "route"; {form}"#)),
            ("label==x", format!(r#"label is "=x"; {form}"#)),
            ("label=a.b=x", format!(r#"label is "a.b=x"; {form}"#)),
        ] {
            assert_eq!(Query::parse(query), Err(expected));
        }
        assert!(Query::parse("start-time=9223372036854775808").is_err());
        assert!(Query::parse(&"x".repeat(10_000)).unwrap_err().len() < 250);
        assert!(Query::parse(&"id=a&".repeat(33)).unwrap_err().starts_with("id is given more than 32 times"));
        assert!(Query::parse(&"label=a=b&".repeat(32)).is_ok());
        assert!(Query::parse(&"label=a=b&".repeat(33)).unwrap_err().starts_with("label is given more than 32 times"));
    }
}
