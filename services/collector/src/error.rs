//! Errors of configuration files: every problem of a file, each with its line, its key, what is allowed and what was meant.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Characters of a foreign text that a message repeats; the rest is cut off.
const SHOWN: usize = 120;

/// Problems that one message lists; the rest is only counted.
const LISTED: usize = 20;

/// Returns a text without control characters and of bounded length, for messages and logs.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(SHOWN) {
        match c {
            c if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) => {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, counted from 1; 0 where the problem belongs to no line.
    pub line: usize,
    /// The key in full, such as `collect.period`; empty where the problem belongs to none.
    pub key: String,
    /// Text that says what was found, what is allowed and what was probably meant.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", clean(&self.file.to_string_lossy()))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", clean(&self.key))?;
        }
        f.write_str(&self.message)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// One or more values are wrong. Never empty.
    Invalid(Vec<Problem>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Read { path, cause } => {
                write!(f, "{}: cannot be read: {}", clean(&path.to_string_lossy()), clean(&cause.to_string()))
            }
            ConfigError::Invalid(problems) => {
                for (n, problem) in problems.iter().take(LISTED).enumerate() {
                    if n > 0 {
                        f.write_str("\n")?;
                    }
                    problem.fmt(f)?;
                }
                match problems.len().saturating_sub(LISTED) {
                    0 => Ok(()),
                    more => write!(f, "\nand {more} more"),
                }
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::Read { cause, .. } => Some(cause),
            ConfigError::Invalid(_) => None,
        }
    }
}

/// Collects the problems of one file while it is read.
#[derive(Debug)]
pub(crate) struct Problems {
    file: PathBuf,
    found: Vec<Problem>,
}

impl Problems {
    pub fn new(file: &Path) -> Self {
        Problems { file: file.to_owned(), found: Vec::new() }
    }

    pub fn push(&mut self, line: usize, key: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem { file: self.file.clone(), line, key: key.into(), message: message.into() });
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn into_found(self) -> Vec<Problem> {
        self.found
    }
}

/// Returns the allowed word that a text was probably meant to be.
pub(crate) fn nearest<'a>(found: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase();
    allowed
        .into_iter()
        .map(|word| (strsim::osa_distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Returns `; did you mean "x"?` where an allowed word is near, else nothing.
pub(crate) fn hint<'a>(found: &str, allowed: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, allowed).map_or_else(String::new, |word| format!("; did you mean \"{word}\"?"))
}
