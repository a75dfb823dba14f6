//! The rules of a configuration about loggers: which are off, and the rate of calls that give none; and beside them its views.

use crate::registry::views::View;
use std::sync::Arc;

/// A rule for the loggers at and below a name.
///
/// ```
/// use ferrometer_core::LoggerRule;
///
/// let noisy = LoggerRule::new("nova.compute").sample_rate(0.1);
/// let off = LoggerRule::new("nova.debug").enabled(false);
/// assert!(noisy.reaches("nova.compute.driver") && !off.reaches("nova.debugger"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoggerRule {
    /// The logger's name, or the leading dotted parts of it.
    pub prefix: String,
    /// `false`: its recordings are not made.
    pub enabled: bool,
    /// The sample rate of calls that give none, in (0, 1].
    pub sample_rate: Option<f64>,
}

impl LoggerRule {
    /// Returns a rule that changes nothing yet, for the logger `prefix` and those below it.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> LoggerRule {
        LoggerRule { prefix: prefix.into(), enabled: true, sample_rate: None }
    }

    /// Lets these loggers record, or not.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> LoggerRule {
        self.enabled = enabled;
        self
    }

    /// Sets the sample rate of calls that give none, in (0, 1]; `None` records all.
    #[must_use]
    pub fn sample_rate(mut self, rate: impl Into<Option<f64>>) -> LoggerRule {
        self.sample_rate = rate.into();
        self
    }

    /// Returns `true` for the rule's own logger, and for one below it: by whole dotted parts.
    #[must_use]
    pub fn reaches(&self, logger: &str) -> bool {
        is_at_or_below(logger, &self.prefix)
    }
}

/// Returns `true` where `logger` is `prefix` or begins with it and a dot: the rule by which all settings for loggers go.
#[must_use]
pub fn is_at_or_below(logger: &str, prefix: &str) -> bool {
    logger.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The rules in force.
pub(crate) struct Rules {
    pub(crate) loggers: Vec<LoggerRule>,
    /// `None`: there are none.
    pub(crate) views: Option<Arc<[View]>>,
    /// Series offer exemplars where no view says otherwise.
    pub(crate) exemplars: bool,
}

impl Rules {
    pub(crate) const fn new() -> Rules {
        Rules { loggers: Vec::new(), views: None, exemplars: false }
    }

    /// Returns the rule with the longest prefix of a logger's name, by whole dotted parts.
    pub(crate) fn of(&self, logger: &str) -> Option<&LoggerRule> {
        self.loggers.iter().filter(|rule| rule.reaches(logger)).max_by_key(|rule| rule.prefix.len())
    }
}
