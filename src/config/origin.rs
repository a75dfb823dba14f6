//! The sources of a configuration, and what in them looks like ours and is ignored.

use std::fmt;

use super::error::Place;
use super::joined::joined;
use super::value::Value;

/// See the [module](self). It is no part of what a configuration says: two that say the same are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The file, as messages call it.
    pub(crate) file: Option<String>,
    /// Names of the variables that set a key.
    pub(crate) variables: Vec<String>,
    /// Tables of the file that look like ours and are ignored, in sentences that say which was meant.
    pub(crate) strange_tables: Vec<String>,
    /// Variables that look like ours and are ignored, in such sentences.
    pub(crate) strange_variables: Vec<String>,
    /// Sentences about tables that this build does without.
    pub(super) absent_tables: Vec<String>,
    /// Keys that a source has given, in the order they came.
    pub(super) given: Vec<Given>,
}

/// One key that a source has given.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) key: &'static str,
    pub(super) place: Place,
    /// The value; a program may have changed it in code since.
    pub(super) value: Option<Value>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value may be a secret.
        write!(f, "{} at {}", self.key, self.place)
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Origin) -> bool {
        true
    }
}

impl Origin {
    /// Returns the last place where a key was given, with the value that it has now.
    pub(super) fn place(&self, key: &str, now: Option<&Value>) -> Option<&Place> {
        let given = self.given.iter().rev().find(|given| given.key == key)?;
        (given.value.as_ref() == now).then_some(&given.place)
    }

    /// Returns the sources in words.
    pub(crate) fn in_words(&self) -> String {
        let variables = match self.variables.as_slice() {
            [] => None,
            names => Some(joined(&mut names.iter().map(String::as_str), ", ")),
        };
        match (&self.file, variables) {
            (None, None) => "the program alone, no file and no variable".to_owned(),
            (Some(file), None) => file.clone(),
            (None, Some(variables)) => variables,
            (Some(file), Some(variables)) => format!("{file}, with {variables} over it"),
        }
    }
}
