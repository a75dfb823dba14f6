//! Rules per logger: switching a branch of loggers off, or sampling it.

/// What holds for one logger and those below it.
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
#[non_exhaustive]
pub struct Rule {
    /// The logger's name, parts joined with dots.
    pub logger: String,
    /// `metrics.loggers.*.enabled`; default `true`. Whether these loggers record.
    pub enabled: bool,
    /// `metrics.loggers.*.sample_rate`; no default. The rate in (0, 1] for calls that give none of their own.
    pub sample_rate: Option<f64>,
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
        Rule { logger: name, enabled: true, sample_rate: None }
    }

    /// Whether these loggers record; `true` by default.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The sample rate in (0, 1] for calls that give none.
    #[must_use]
    pub fn sample_rate(mut self, rate: f64) -> Self {
        self.sample_rate = Some(rate);
        self
    }

    /// Whether the rule is about this logger: its own, or one below it.
    pub fn reaches(&self, logger: &str) -> bool {
        match logger.strip_prefix(self.logger.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        }
    }

    /// What is wrong with the name, if anything is.
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
