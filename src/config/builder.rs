//! Making a configuration in code: the parts that are no row of the table.
//!
//! Setters only store; [`Config::validate`] checks, so that a chain is never interrupted.

#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use super::peer::Peer;
use super::rule::Rule;
use super::settings::{self, Config, keys};
use super::table::with_defaults;
use super::view::View;

/// A method that changes one table's fields by name.
macro_rules! groups {
    ($($(#[$when:meta])? $table:literal $group:ident: $type:ident;)+) => {
        impl Config {
            $(
                $(#[$when])?
                #[doc = concat!("Changes the settings of `[metrics.", $table, "]` by name.")]
                #[must_use]
                #[inline]
                pub fn $group(mut self, change: impl FnOnce(&mut settings::$type)) -> Self {
                    change(&mut self.$group);
                    self
                }
            )+
        }
    };
}

groups! {
    "statsd" statsd: Statsd;
    #[cfg(any(feature = "graphite", feature = "every-key"))]
    "graphite" graphite: Graphite;
    #[cfg(any(feature = "influxdb", feature = "every-key"))]
    "influxdb" influxdb: Influxdb;
    #[cfg(any(feature = "otlp", feature = "every-key"))]
    "otlp" otlp: Otlp;
    #[cfg(any(feature = "remote-write", feature = "every-key"))]
    "remote_write" remote_write: RemoteWrite;
    #[cfg(any(feature = "archive", feature = "every-key"))]
    "archive" archive: Archive;
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    "pull_cache" pull_cache: PullCache;
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    "prometheus" prometheus: Prometheus;
    #[cfg(any(feature = "metric-servers", feature = "every-key"))]
    "metric_servers" metric_servers: MetricServers;
    "limits" limits: Limits;
}

impl Config {
    /// Everything at its default: recording is off.
    pub fn new() -> Self {
        with_defaults(Config::bare(), keys())
    }

    /// The one backend, by its name in the configuration. Replaces those that were set before.
    ///
    /// ```
    /// let config = ferrometer::Config::new().backend("prometheus");
    /// assert_eq!(config.backends(), ["prometheus"]);
    /// ```
    #[must_use]
    pub fn backend(self, name: impl Into<String>) -> Self {
        self.backend_list([name])
    }

    /// One more rule for a logger and those below it.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// One more view of metrics, behind those before it.
    ///
    /// ```
    /// use ferrometer::config::{Config, View};
    ///
    /// let config = Config::new().view(View::new("shop.*").drop_labels(["user"]));
    /// assert_eq!(config.views().len(), 1);
    /// ```
    #[must_use]
    pub fn view(mut self, view: View) -> Self {
        self.views.push(view);
        self
    }

    /// One more node whose rows the pull cache shows too.
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    #[must_use]
    pub fn peer(mut self, peer: Peer) -> Self {
        self.pull_cache.peers.push(peer);
        self
    }

    /// The names of the configured backends, without repetition: `["noop"]` alone, or others without it.
    pub fn backends(&self) -> &[String] {
        &self.backend
    }

    /// The rules for loggers, in the order they were given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The views of metrics, in the order they were given. Each is applied to what the one before left.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The rule that holds for `logger`: of those that reach it the longest.
    ///
    /// ```
    /// use ferrometer::config::{Config, Rule};
    ///
    /// let config = Config::new()
    ///     .rule(Rule::new("nova").enabled(false))
    ///     .rule(Rule::new("nova.compute").sample_rate(0.5));
    /// assert_eq!(config.rule_for("nova.compute.driver").unwrap().logger, "nova.compute");
    /// assert_eq!(config.rule_for("nova.api").unwrap().logger, "nova");
    /// assert!(config.rule_for("novation").is_none());
    /// ```
    pub fn rule_for(&self, logger: &str) -> Option<&Rule> {
        // The last of equally long ones.
        self.rules.iter().filter(|rule| rule.reaches(logger)).max_by_key(|rule| rule.logger.len())
    }
}

impl Default for Config {
    fn default() -> Self {
        Config::new()
    }
}
