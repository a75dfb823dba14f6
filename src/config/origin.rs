//! The sources of a configuration: what it was read from, and what in them was probably meant for us and is not.

/// See the [module](self). It is no part of what a configuration says: two that say the same are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The file, as messages call it.
    pub(crate) file: Option<String>,
    /// Names of the variables that set a key.
    pub(crate) variables: Vec<String>,
    /// What in the file looks like ours and is not looked at, in sentences that say what was meant.
    pub(crate) strange_tables: Vec<String>,
    /// The same of variables.
    pub(crate) strange_variables: Vec<String>,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Origin) -> bool {
        true
    }
}

impl Origin {
    /// Returns the sources in words.
    pub(crate) fn in_words(&self) -> String {
        let variables = match self.variables.as_slice() {
            [] => None,
            names => Some(names.join(", ")),
        };
        match (&self.file, variables) {
            (None, None) => "the program alone, no file and no variable".to_owned(),
            (Some(file), None) => file.clone(),
            (None, Some(variables)) => variables,
            (Some(file), Some(variables)) => format!("{file}, with {variables} over it"),
        }
    }
}
