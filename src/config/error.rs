//! Problems of a configuration, in messages that suffice to mend it.
//!
//! A message names where the value came from, the key, the value with its type, what is allowed, and what was
//! probably meant. All problems of all sources are collected and reported together.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::value::Value;

/// Characters of a foreign text that a message repeats; the rest is cut off.
const SHOWN: usize = 80;

/// Problems that one message lists; the rest is only counted.
const LISTED: usize = 20;

/// Why a configuration was refused.
///
/// The [`Display`](fmt::Display) form is the message for people; it holds no control character of the
/// configuration and no overlong value, so it can be logged as it is.
///
/// ```
/// use ferrometer::config::{Config, Error};
///
/// let error = Config::new().backend("statd").validate().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "builder: metrics.backend = \"statd\" (string): expected \"noop\", \"statsd\", \"prometheus\", \"pull-cache\", \
///      \"graphite\", \"influxdb\", \"otlp\", \"remote-write\" or \"archive\", \
///      or a list of them; did you mean \"statsd\"?",
/// );
/// assert!(matches!(error, Error::Invalid(problems) if problems[0].key() == "metrics.backend"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read: it is not there, is a directory, is too long, or may not be opened.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is no TOML document, or no UTF-8. There may be more wrong behind this place.
    Syntax(Problem),
    /// One or more values are wrong. Never empty.
    Invalid(Vec<Problem>),
    /// A known backend is asked for that this program was built without.
    BackendNotCompiled {
        /// The backend's name, as in the configuration.
        backend: String,
        /// The cargo feature of `ferrometer` that brings it.
        feature: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read { path, cause } => {
                write!(f, "{}: cannot be read: {}", escape(&path.to_string_lossy()), clean(&cause.to_string()))
            }
            Error::Syntax(problem) => problem.fmt(f),
            Error::Invalid(problems) => match problems.as_slice() {
                [problem] => problem.fmt(f),
                problems => {
                    write!(f, "{} problems in the configuration:", problems.len())?;
                    for problem in &problems[..problems.len().min(LISTED)] {
                        write!(f, "\n  {problem}")?;
                    }
                    match problems.len().saturating_sub(LISTED) {
                        0 => Ok(()),
                        more => write!(f, "\n  and {more} more"),
                    }
                }
            },
            Error::BackendNotCompiled { backend, feature } => write!(
                f,
                "metrics.backend: {} is not part of this build; enable the cargo feature \"{feature}\" of ferrometer",
                clean(&format!("{backend:?}"))
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// Why a value was refused: what is allowed, and what was probably meant.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}

/// One thing that is wrong: where, with which key, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    key: String,
    what: String,
}

impl Problem {
    pub(super) fn new(place: Place, key: impl AsRef<str>, what: impl Into<String>) -> Self {
        Problem { place, key: clean(key.as_ref()), what: what.into() }
    }

    /// A value that its key does not take. `shown` is the value as its source writes it.
    pub(super) fn refused(place: Place, key: &str, shown: &str, value: &Value, refused: Refused) -> Self {
        let hint = refused.hint.map_or_else(String::new, |hint| format!("; {hint}"));
        let what = format!(" = {} ({}): expected {}{hint}", clean(shown), value.type_name(), refused.expected);
        Problem::new(place, key, what)
    }

    /// The key in full, such as `metrics.statsd.interval`; empty where the problem belongs to none.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Sources in the order they are read, and a file from top to bottom.
    #[cfg(feature = "config-file")]
    pub(super) fn order(&self) -> u64 {
        match self.place {
            Place::File { line, column, .. } => (line as u64) << 32 | (column as u64).min(u64::from(u32::MAX)),
            Place::Variable(_) | Place::Answer(_) => u64::MAX - 1,
            Place::Builder | Place::Value => u64::MAX,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.place, self.key, self.what)
    }
}

/// The place of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Line and column count from 1, the column in characters.
    #[cfg_attr(not(feature = "config-file"), allow(dead_code))]
    File {
        name: String,
        line: usize,
        column: usize,
    },
    Variable(String),
    /// The answer of a conductor.
    #[cfg_attr(not(any(feature = "agent", feature = "lookup")), allow(dead_code))]
    Answer(String),
    Builder,
    /// A value that the program had from elsewhere.
    #[cfg_attr(not(feature = "serde"), allow(dead_code))]
    Value,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { name, line, column } => write!(f, "{}:{line}:{column}", escape(name)),
            Place::Variable(name) => write!(f, "environment variable {}", clean(name)),
            Place::Answer(source) => f.write_str(&escape(source)),
            Place::Builder => f.write_str("builder"),
            Place::Value => f.write_str("value"),
        }
    }
}

/// A foreign text made fit for a message: invisible characters escaped, overlong text cut.
pub(super) fn clean(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => escape(&text[..end]) + "…",
        None => escape(text),
    }
}

/// Escapes control characters and what else cannot be seen or turns the direction of writing.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Escaping these would only double what the source has escaped already.
            '"' | '\'' | '\\' => escaped.push(c),
            _ => {
                for c in c.escape_debug() {
                    escaped.push(c);
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(clean("a\n\u{7}\u{202e}é\"b"), "a\\n\\u{7}\\u{202e}é\"b");
        assert_eq!(clean(&"é".repeat(80)), "é".repeat(80));
        assert_eq!(clean(&"é".repeat(81)), "é".repeat(80) + "…");
    }

    #[test]
    fn a_long_list_of_problems_is_counted() {
        let problem = Problem::new(Place::Builder, "key", ": bad");
        let message = Error::Invalid(vec![problem; 23]).to_string();
        assert!(message.starts_with("23 problems in the configuration:\n  builder: key: bad\n"));
        assert!(message.ends_with("builder: key: bad\n  and 3 more"));
        assert_eq!(message.lines().count(), 22);
    }
}
