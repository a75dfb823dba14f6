//! Settings that are allowed each by itself and contradict each other, or do nothing: warnings, because a file may serve several programs.

use std::path::{Path, PathBuf};

#[cfg(any(feature = "influxdb", feature = "every-key"))]
use super::choices::InfluxdbProto;
use super::choices::{Dialect, Transport};
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use super::duration::show;
use super::joined::joined;
use super::kind::Kind;
use super::settings::{Config, keys};
use super::table::split;

const PULL_CACHE: &str = "metrics.pull_cache";

/// Tables, each with the backends that it is for.
const TABLES: &[(&str, &[&str])] = &[
    ("metrics.statsd", &["statsd"]),
    #[cfg(any(feature = "graphite", feature = "every-key"))]
    ("metrics.graphite", &["graphite"]),
    #[cfg(any(feature = "influxdb", feature = "every-key"))]
    ("metrics.influxdb", &["influxdb"]),
    #[cfg(any(feature = "otlp", feature = "every-key"))]
    ("metrics.otlp", &["otlp"]),
    #[cfg(any(feature = "remote-write", feature = "every-key"))]
    ("metrics.remote_write", &["remote-write"]),
    #[cfg(any(feature = "archive", feature = "every-key"))]
    ("metrics.archive", &["archive"]),
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    (PULL_CACHE, &["pull-cache", "prometheus"]),
];

impl Config {
    /// Returns the parts of this configuration that are probably not what was meant, a sentence each: settings that contradict each other
    /// or do nothing, and tables and variables that look like ours and are ignored. [`init`](crate::init()) says them through `tracing`.
    ///
    /// ```
    /// use ferrometer::Config;
    ///
    /// let config = Config::new().backend("statsd").prepend_host_reverse(true);
    /// assert_eq!(
    ///     config.warnings(),
    ///     ["metrics.prepend_host_reverse = true has no effect: metrics.prepend_host = false"],
    /// );
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.origin.strange_tables.clone();
        let is_off = self.backends().iter().all(|name| name == "noop");
        if is_off {
            // A variable of somebody else is no concern of a program whose metrics are set up.
            warnings.extend_from_slice(&self.origin.strange_variables);
        } else {
            warnings.extend_from_slice(&self.origin.absent_tables);
            self.contradictions(&mut |key, what| {
                let place = self.place(key).map_or_else(String::new, |place| format!("{place}: "));
                warnings.push(format!("{place}{key}{what}"));
            });
        }
        warnings
    }

    /// Warns of the first given key of each table of backends that are not wanted.
    fn tables_of_others(&self, warn: &mut dyn FnMut(&str, String)) {
        let has = |backend: &str| self.backends().iter().any(|name| name == backend);
        for (table, of) in TABLES.iter().copied() {
            // Managed servers share the endpoint.
            #[cfg(any(feature = "metric-servers", feature = "every-key"))]
            let shared = table == PULL_CACHE && self.metric_servers.path.is_some();
            #[cfg(not(any(feature = "metric-servers", feature = "every-key")))]
            let shared = false;
            if shared || of.iter().any(|backend| has(backend)) {
                continue;
            }
            let mut given = keys().filter(|key| split(key.path).0 == table);
            if let Some(key) = given.find(|key| self.place(key.path).is_some()) {
                let also = key.alias.map_or_else(String::new, |alias| format!(" (or {alias})"));
                let of = joined(&mut of.iter().copied(), "\" and no \"");
                warn(key.path, format!("{also} has no effect: metrics.backend has no \"{of}\""));
            }
        }
    }

    /// Warns of what is asked of a pull cache that there is not; `true` if anything is.
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    fn asked_of_the_cache(&self, warn: &mut dyn FnMut(&str, String)) -> bool {
        let c = &self.pull_cache;
        let asked = [
            ("metrics.pull_cache.http", c.http),
            ("metrics.pull_cache.proxmox", c.proxmox),
            ("metrics.pull_cache.host_metrics", c.host_metrics),
        ];
        let has_cache = self.backends().iter().any(|name| name == "pull-cache");
        let mut told = false;
        for (key, asked) in asked {
            if asked && !has_cache {
                warn(key, " = true has no effect: metrics.backend has no \"pull-cache\"".to_owned());
                told = true;
            }
        }
        told
    }

    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    fn contradictions_of_the_cache(&self, warn: &mut dyn FnMut(&str, String)) {
        let has = |backend: &str| self.backends().iter().any(|name| name == backend);
        let c = &self.pull_cache;
        if has("pull-cache") {
            if c.proxmox && !c.http {
                let what = " = true has no effect: metrics.pull_cache.http = false, so nothing is served";
                warn("metrics.pull_cache.proxmox", what.to_owned());
            }
            if !c.peers.is_empty() && !c.proxmox {
                let what = " have no effect: metrics.pull_cache.proxmox = false";
                warn("metrics.pull_cache.peers", what.to_owned());
            }
            if c.window < c.interval {
                let (window, interval) = ("metrics.pull_cache.window", "metrics.pull_cache.interval");
                let (shorter, longer) = (show(c.window), show(c.interval));
                // The one that was given comes first: it has a place.
                if self.place(window).is_none() && self.place(interval).is_some() {
                    let what =
                        format!(" = \"{longer}\" is longer than {window} = \"{shorter}\": no old generation is kept");
                    warn(interval, what);
                } else {
                    let what = format!(
                        " = \"{shorter}\" is shorter than {interval} = \"{longer}\": no old generation is kept"
                    );
                    warn(window, what);
                }
            }
        }
        if let Some(idle) = c.idle_after.filter(|idle| !idle.is_zero() && *idle < c.interval)
            && (has("pull-cache") || has("prometheus"))
        {
            let (idle, interval) = (show(idle), show(c.interval));
            let what = format!(
                " = \"{idle}\" is shorter than metrics.pull_cache.interval = \"{interval}\": a series with labels may be hidden before it is shown"
            );
            warn("metrics.pull_cache.idle_after", what);
        }
    }

    fn contradictions(&self, warn: &mut dyn FnMut(&str, String)) {
        let has = |backend: &str| self.backends().iter().any(|name| name == backend);
        #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
        let told = self.asked_of_the_cache(warn);
        #[cfg(not(any(feature = "prometheus", feature = "pull-cache", feature = "every-key")))]
        let told = false;
        self.tables_of_others(&mut |key, what| {
            if !told || split(key).0 != PULL_CACHE {
                warn(key, what);
            }
        });
        #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
        self.contradictions_of_the_cache(warn);
        if has("statsd") && self.statsd.path.is_some() && self.statsd.transport != Transport::Unix {
            let what = format!(
                " has no effect: metrics.statsd.transport = \"{}\", and a socket is for \"unix\"",
                self.statsd.transport.as_str()
            );
            warn("metrics.statsd.path", what);
        }
        if has("statsd") && self.statsd.datadog_variables && self.statsd.dialect != Dialect::Dogstatsd {
            let what = format!(" = true has no effect: metrics.statsd.dialect = \"{}\"", self.statsd.dialect.as_str());
            warn("metrics.statsd.datadog_variables", what);
        }
        if self.prepend_host_reverse && !self.prepend_host {
            let what = " = true has no effect: metrics.prepend_host = false";
            warn("metrics.prepend_host_reverse", what.to_owned());
        }
        #[cfg(any(feature = "influxdb", feature = "every-key"))]
        if has("influxdb") && self.influxdb.proto == InfluxdbProto::Udp && self.influxdb.token.is_some() {
            let what = " has no effect: metrics.influxdb.proto = \"udp\", and datagrams carry no token";
            warn("metrics.influxdb.token", what.to_owned());
        }
    }

    /// Returns the place in a file, or the variable, that gave a key the value that it has; `None` if neither did.
    pub(crate) fn place(&self, key: &str) -> Option<String> {
        let row = keys().find(|row| row.path == key || row.alias == Some(key));
        let now = row.and_then(|row| row.get(self));
        let place = self.origin.place(row.map_or(key, |row| row.path), now.as_ref())?;
        Some(place.to_string())
    }

    /// Returns the directory in which the path of this key is looked up, if it is a relative one.
    pub(crate) fn looked_up_in(&self, key: &str) -> Option<PathBuf> {
        let row = keys().find(|row| row.path == key || row.alias == Some(key))?;
        let value = row.get(self).filter(|_| matches!(row.kind, Kind::File { .. }))?;
        Path::new(&value.into_text()).is_relative().then(std::env::current_dir)?.ok()
    }
}
