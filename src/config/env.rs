//! Values from environment variables.
//!
//! `FERROMETER_` and the key in capitals; a table's name stands before its key with `__` between them.

use std::ffi::OsString;

use super::draft::Draft;
use super::error::{Place, Problem, clean};
use super::key::Key;
use super::keys::keys;
use super::suggest::nearest;

/// Every variable that begins so is ours.
const PREFIX: &str = "FERROMETER_";

impl<T> Key<T> {
    /// The name of the variable that sets this key, such as `FERROMETER_STATSD__INTERVAL`.
    pub(super) fn variable(&self) -> String {
        let mut name = String::from(PREFIX);
        for c in self.path.strip_prefix("metrics.").unwrap_or(self.path).chars() {
            match c {
                '.' => name.push_str("__"),
                c => name.push(c.to_ascii_uppercase()),
            }
        }
        name
    }
}

/// Name and value.
pub(super) type Variable = (String, OsString);

/// Those that are ours.
pub(super) fn ours<I, N, V>(variables: I) -> Vec<Variable>
where
    I: IntoIterator<Item = (N, V)>,
    N: Into<OsString>,
    V: Into<OsString>,
{
    let mut ours = Vec::new();
    for (name, value) in variables {
        let name: OsString = name.into();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) {
            ours.push((name.into_owned(), value.into()));
        }
    }
    ours
}

/// Lays the variables over the draft.
pub(super) fn read(draft: &mut Draft, variables: Vec<Variable>) {
    for (name, value) in variables {
        let place = Place::Variable(name.clone());
        let Some(key) = keys().find(|key| key.variable() == name) else {
            draft.problem(Problem::new(place, "", unknown(&name)));
            continue;
        };
        match value.into_string() {
            Ok(text) => {
                let value = key.kind.read(&text);
                draft.give(key, key.path, &value, &value.to_string(), place);
            }
            Err(value) => {
                let shown = clean(&value.to_string_lossy());
                draft.problem(Problem::new(place, key.path, format!(" = \"{shown}\": is not UTF-8")));
            }
        }
    }
}

fn unknown(name: &str) -> String {
    if name.starts_with("FERROMETER_LOGGERS") {
        return "unknown variable; rules for loggers cannot be given in the environment".to_owned();
    }
    let mut known = Vec::new();
    for key in keys() {
        known.push(key.variable());
    }
    // Without the prefix, which is right and would let strangers look alike.
    let suffixes = known.iter().map(|name| &name[PREFIX.len()..]);
    match nearest(&name[PREFIX.len()..], suffixes) {
        Some(meant) => format!("unknown variable; did you mean {PREFIX}{meant}?"),
        None => "unknown variable; the prefix FERROMETER_ is reserved for the keys of the configuration".to_owned(),
    }
}
