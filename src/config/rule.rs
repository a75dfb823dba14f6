//! Rules per logger: switching a branch of loggers off, or sampling it.

use super::kind::Kind;
use super::setting::{Field, Setting};
use super::table::{Fallback, Fields, Key, settings, with_defaults};

settings! {
    /// A rule for one logger and those below it.
    ///
    /// A rule for `nova.compute` reaches `nova.compute` and `nova.compute.driver`, but not `nova.computer`. Of the rules that
    /// reach a logger the longest wins, as a whole: nothing is inherited from a shorter one.
    ///
    /// ```
    /// use ferrometer::config::Rule;
    ///
    /// let rule = Rule::new("nova.compute").sample_rate(0.1);
    /// assert!(rule.reaches("nova.compute.driver"));
    /// assert!(!rule.reaches("nova.computer"));
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    [""] Rule of Rule at () fills () {
        /// Lets these loggers record.
        enabled: bool = true, eg false, set enabled(bool);
        /// The rate for calls that give none of their own.
        sample_rate: Option<f64> = unset "1" in Kind::Rate, eg 0.1, set sample_rate(f64);
    }
    and {
        /// The logger's name, parts joined with dots.
        pub logger: String = String::new();
    }
}

impl Rule {
    /// A rule that changes nothing yet, for `logger` and all below it; `a::b` is read as `a.b`.
    pub fn new(logger: impl AsRef<str>) -> Self {
        let mut name = String::new();
        for c in logger.as_ref().chars() {
            if c == ':' && name.as_bytes().last() == Some(&b':') {
                name.truncate(name.len() - 1);
                name.push('.');
            } else {
                name.push(c);
            }
        }
        Rule { logger: name, ..with_defaults(Rule::bare(), Rule::KEYS) }
    }

    /// Returns `true` for the rule's own logger, and for one below it.
    pub fn reaches(&self, logger: &str) -> bool {
        ferrometer_core::is_at_or_below(logger, &self.logger)
    }

    /// Returns the fault of the name, if it has one.
    pub(super) fn name_fault(&self) -> Option<&'static str> {
        let name = &self.logger;
        if name.is_empty() {
            Some("a logger's name is not empty")
        } else if name.len() > ferrometer_core::name::MAX_NAME_BYTES {
            Some("a logger's name has at most 512 bytes")
        } else if name.split('.').any(str::is_empty) {
            Some("a logger's name has no empty part")
        } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            Some("a logger's name has no spaces or control characters")
        } else {
            None
        }
    }

    /// The key of this rule in a file: `metrics.loggers."nova.compute"`.
    pub(super) fn path(&self) -> String {
        format!("metrics.loggers.{:?}", self.logger)
    }
}
