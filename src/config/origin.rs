//! The sources of a configuration, and what in them looks like ours and is ignored.

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
