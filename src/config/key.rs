//! What is known about one key.

use super::kind::Kind;
use super::value::Value;

/// One key of a `T`: the configuration, or a logger's rule.
pub(super) struct Key<T: 'static> {
    /// In full, such as `metrics.statsd.interval`. Of a rule, the last part alone.
    pub(super) path: &'static str,
    /// Another place in a file where the key may stand.
    #[cfg_attr(not(feature = "config-file"), allow(dead_code))]
    pub(super) alias: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) default: Default,
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) unit: &'static str,
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) doc: &'static str,
    /// A value other than the default, as TOML writes it.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) example: &'static str,
    /// The value as it stands, for the check; `None` where nothing was given and nothing has to be.
    pub(super) get: fn(&T) -> Option<Value>,
    /// Takes what the check has let through.
    pub(super) set: fn(&mut T, Value),
}

/// What holds when nothing is given.
#[derive(Clone, Copy)]
pub(super) enum Default {
    Bool(bool),
    Integer(i128),
    /// Also a duration or a backend's name.
    Text(&'static str),
    /// No value; in words, what happens then.
    Absent(#[cfg_attr(not(test), allow(dead_code))] &'static str),
}

impl<T> Key<T> {
    /// The default in its checked form.
    pub(super) fn default_value(&self) -> Option<Value> {
        let value = match self.default {
            Default::Bool(value) => Value::Bool(value),
            Default::Integer(value) => Value::Integer(value),
            Default::Text(value) => Value::text(value),
            Default::Absent(_) => return None,
        };
        // A default that its own check refuses would be a mistake in the table; the table's test finds it.
        self.kind.check(&value).ok()
    }
}

/// Table and name of a key in full.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}
