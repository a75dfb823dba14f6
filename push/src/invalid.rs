//! Settings that cannot be used.

use std::fmt;

/// A setting that a backend cannot work with: which one, what was found, and what is allowed. Secrets are never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The setting's name, as in the configuration: `url`, `max_body_size`.
    pub setting: &'static str,
    /// The value that was found, or what is wrong with it where it is a secret.
    pub found: String,
    /// Allowed values.
    pub allowed: String,
}

impl Invalid {
    /// Makes an error of a setting.
    #[must_use]
    pub fn new(setting: &'static str, found: impl Into<String>, allowed: impl Into<String>) -> Invalid {
        Invalid { setting, found: found.into(), allowed: allowed.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found: String = self.found.escape_debug().take(200).collect();
        write!(f, "{} is `{found}`; allowed: {}", self.setting, self.allowed)
    }
}

impl std::error::Error for Invalid {}
