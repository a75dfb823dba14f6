//! The rules of a configuration about loggers: which are off, and the rate of calls that give none.

/// A rule for the loggers at and below a name.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggerRule {
    /// The logger's name, or the leading dotted parts of it.
    pub prefix: String,
    /// `false`: its recordings are not made.
    pub enabled: bool,
    /// The sample rate of calls that give none, in (0, 1].
    pub sample_rate: Option<f64>,
}

/// The rules in force.
pub(crate) struct Rules(pub(crate) Vec<LoggerRule>);

impl Rules {
    pub(crate) const fn new() -> Rules {
        Rules(Vec::new())
    }

    /// Returns the rule with the longest prefix of a logger's name, by whole dotted parts.
    pub(crate) fn of(&self, logger: &str) -> Option<&LoggerRule> {
        let is_its = |rule: &&LoggerRule| {
            logger.strip_prefix(rule.prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.0.iter().filter(is_its).max_by_key(|rule| rule.prefix.len())
    }
}
