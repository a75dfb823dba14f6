//! The parameters of the two exports, refused in the words of the one that is asked for.

use ferrometer_http::{decode, shorten};
use std::collections::BTreeMap;

/// Whose route it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Proxmox VE.
    Pve,
    /// Proxmox Backup Server.
    Pbs,
}

/// Parameters of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params {
    pub(crate) history: bool,
    pub(crate) start: Option<i64>,
    pub(crate) local_only: bool,
    /// Where a list was given, the names in it, perhaps none.
    pub(crate) nodes: Option<Vec<String>>,
}

/// Errors by parameter.
pub(crate) type Wrong = Vec<(String, String)>;

impl Params {
    pub(crate) fn parse(query: &str, words: Words) -> Result<Params, Wrong> {
        let (mut params, mut wrong) = (Params::default(), Wrong::new());
        for (key, value) in given(query) {
            let result = match (key.as_str(), words) {
                ("history", _) => boolean(&value, words).map(|history| params.history = history),
                ("start-time", _) => integer(&value, words).map(|start| params.start = Some(start)),
                ("local-only", Words::Pve) => boolean(&value, words).map(|local| params.local_only = local),
                ("node-list", Words::Pve) => {
                    params.nodes = list(&value);
                    Ok(())
                }
                _ => Err(unknown(words).to_owned()),
            };
            wrong.extend(result.err().map(|why| (shorten(&key), why)));
        }
        if wrong.is_empty() { Ok(params) } else { Err(wrong) }
    }
}

/// For a route that takes none.
pub(crate) fn none(query: &str) -> Result<(), Wrong> {
    let wrong: Wrong = given(query).into_keys().map(|key| (shorten(&key), unknown(Words::Pve).to_owned())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Several values of one parameter are one with NUL between them, as the HTTP server of Proxmox VE hands them on.
fn given(query: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        all.entry(decode(key)).and_modify(|all| *all = format!("{all}\0{value}")).or_insert(value);
    }
    all
}

fn unknown(words: Words) -> &'static str {
    match words {
        Words::Pve => "property is not defined in schema and the schema does not allow additional properties",
        Words::Pbs => "schema does not allow additional properties.",
    }
}

fn boolean(value: &str, words: Words) -> Result<bool, String> {
    match value.to_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Ok(true),
        "0" | "off" | "no" | "false" => Ok(false),
        _ => Err(match words {
            Words::Pve => format!("type check ('boolean') failed - got '{}'", shorten(value)),
            Words::Pbs => "Unable to parse boolean option.".to_owned(),
        }),
    }
}

/// A number of digits without end is one in Perl; one beyond all time stamps is as good as the last.
fn integer(value: &str, words: Words) -> Result<i64, String> {
    let parsed = value.parse::<i64>();
    match words {
        Words::Pbs => parsed.map_err(|why| why.to_string()),
        Words::Pve => parsed.or_else(|_| {
            let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
            match !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
                true if value.starts_with('-') => Ok(i64::MIN),
                true => Ok(i64::MAX),
                false => Err(format!("type check ('integer') failed - got '{}'", shorten(value))),
            }
        }),
    }
}

/// Splits a list. A value that is false in Perl is no list.
fn list(value: &str) -> Option<Vec<String>> {
    let names = value.split([',', ';', '\0', ' ', '\t', '\n', '\r']).filter(|name| !name.is_empty());
    (!value.is_empty() && value != "0").then(|| names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed() {
        let of = |history, start, local_only, nodes: Option<&[&str]>| Params {
            history,
            start,
            local_only,
            nodes: nodes.map(|nodes| nodes.iter().map(|node| (*node).to_owned()).collect()),
        };
        for (query, expected) in [
            ("", of(false, None, false, None)),
            ("history=1&start-time=-5&local-only=1", of(true, Some(-5), true, None)),
            ("history=Yes&local-only=off&start-time=%2b7", of(true, Some(7), false, None)),
            ("start-time=99999999999999999999", of(false, Some(i64::MAX), false, None)),
            ("start-time=-99999999999999999999", of(false, Some(i64::MIN), false, None)),
            ("node-list=a%2Cb;c+d&node-list=e", of(false, None, false, Some(&["a", "b", "c", "d", "e"]))),
            ("node-list=", of(false, None, false, None)),
            ("node-list=0", of(false, None, false, None)),
            ("node-list=,", of(false, None, false, Some(&[]))),
        ] {
            assert_eq!(Params::parse(query, Words::Pve), Ok(expected), "{query}");
        }
        assert_eq!(Params::parse("history=1&start-time=7", Words::Pbs), Ok(of(true, Some(7), false, None)));
    }

    #[test]
    fn what_is_refused_and_how() {
        let pve = "property is not defined in schema and the schema does not allow additional properties";
        for (query, words, expected) in [
            ("x=1", Words::Pve, vec![("x", pve)]),
            ("x=1", Words::Pbs, vec![("x", "schema does not allow additional properties.")]),
            ("local-only=1", Words::Pbs, vec![("local-only", "schema does not allow additional properties.")]),
            (
                "start-time=abc&history=2",
                Words::Pve,
                vec![
                    ("history", "type check ('boolean') failed - got '2'"),
                    ("start-time", "type check ('integer') failed - got 'abc'"),
                ],
            ),
            ("start-time=1.5", Words::Pve, vec![("start-time", "type check ('integer') failed - got '1.5'")]),
            ("start-time=-", Words::Pve, vec![("start-time", "type check ('integer') failed - got '-'")]),
            (
                "start-time=1&start-time=2",
                Words::Pve,
                vec![("start-time", "type check ('integer') failed - got '1\u{0}2'")],
            ),
            ("history=", Words::Pve, vec![("history", "type check ('boolean') failed - got ''")]),
            ("history=2", Words::Pbs, vec![("history", "Unable to parse boolean option.")]),
            ("start-time=abc", Words::Pbs, vec![("start-time", "invalid digit found in string")]),
        ] {
            let expected: Wrong = expected.into_iter().map(|(key, why)| (key.to_owned(), why.to_owned())).collect();
            assert_eq!(Params::parse(query, words), Err(expected), "{query}");
        }
        let long = Params::parse(&format!("{}=1", "x".repeat(4000)), Words::Pve).unwrap_err();
        assert_eq!(long[0].0.len(), 64);
        assert!(none("a=1").is_err() && none("").is_ok());
    }
}
