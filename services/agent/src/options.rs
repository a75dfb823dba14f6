//! Options that agents are told: the `agent_*` options of a conductor, without that prefix.

use serde_json::{Map, Value};
use std::fmt;

/// The table that Ironic has for the two keys of statsd.
pub(crate) const STATSD: &str = "metrics_statsd";
pub(crate) const METRICS: &str = "metrics";
/// The most tables inside each other.
const DEEPEST: usize = 8;

/// The configuration that a conductor gives to its agents: values for keys of the agent's configuration, as in `docs/configuration.md`.
///
/// A key that is not set is not sent, and is then as the agent has it. Values are checked by the facade, which knows the keys. `Debug` shows keys
/// and hides values, since some are secrets.
///
/// ```
/// use ferrometer_agent::Options;
///
/// let options = Options::new()
///     .backend("statsd")
///     .statsd("metrics.example.com", 8125)
///     .prepend_host(true)
///     .prepend_host_reverse(true)
///     .prepend_uuid(true)
///     .set("metrics.statsd.interval", "500ms")?;
/// assert_eq!(options.config()["metrics"]["statsd"]["interval"], "500ms");
/// assert_eq!(options.config()["metrics_statsd"]["statsd_port"], 8125);
/// # Ok::<(), ferrometer_agent::BadPath>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Options {
    metrics: Map<String, Value>,
    statsd: Map<String, Value>,
    beside: Map<String, Value>,
}

/// A path that is none of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPath(String);

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPath {}

impl Options {
    /// No options: agents are told nothing.
    #[must_use]
    pub fn new() -> Options {
        Options::default()
    }

    /// `agent_backend`: the name of a backend, `noop` for none.
    #[must_use]
    pub fn backend(self, name: impl Into<String>) -> Options {
        self.put("backend", Value::String(name.into()))
    }

    /// `agent_statsd_host` and `agent_statsd_port`.
    #[must_use]
    pub fn statsd(mut self, host: impl Into<String>, port: u16) -> Options {
        self.statsd.insert("statsd_host".to_owned(), Value::String(host.into()));
        self.statsd.insert("statsd_port".to_owned(), port.into());
        self
    }

    /// `agent_prepend_host`: whether names carry the agent's host.
    #[must_use]
    pub fn prepend_host(self, prepend: bool) -> Options {
        self.put("prepend_host", Value::Bool(prepend))
    }

    /// `agent_prepend_host_reverse`: whether that host is written `com.example.host`.
    #[must_use]
    pub fn prepend_host_reverse(self, reverse: bool) -> Options {
        self.put("prepend_host_reverse", Value::Bool(reverse))
    }

    /// `agent_prepend_uuid`: whether names carry the node's UUID, after the host.
    #[must_use]
    pub fn prepend_uuid(self, prepend: bool) -> Options {
        self.put("prepend_uuid", Value::Bool(prepend))
    }

    /// `agent_global_prefix`: the first part of every name.
    #[must_use]
    pub fn global_prefix(self, prefix: impl Into<String>) -> Options {
        self.put("global_prefix", Value::String(prefix.into()))
    }

    fn put(mut self, key: &str, value: Value) -> Options {
        self.metrics.insert(key.to_owned(), value);
        self
    }

    /// Sets any key of an agent's configuration: `metrics.influxdb.url`, or `metrics_statsd.statsd_host`.
    ///
    /// # Errors
    /// When the path does not begin with `metrics.` or `metrics_statsd.`, has an empty part, or goes through a key that has a value.
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Result<Options, BadPath> {
        let wrong = |why: &str| {
            let path: String = path.escape_debug().take(80).collect();
            BadPath(format!("an option is \"{path}\": {why}"))
        };
        let parts: Vec<&str> = path.split('.').collect();
        let (table, keys) = match parts.as_slice() {
            [METRICS, "statsd_host" | "statsd_port"] => (&mut self.statsd, &parts[1..]),
            [METRICS, keys @ ..] => (&mut self.metrics, keys),
            [STATSD, keys @ ..] => (&mut self.statsd, keys),
            _ => return Err(wrong("expected a key of a configuration, such as metrics.statsd_host")),
        };
        let Some((last, tables)) = keys.split_last() else { return Err(wrong("expected a key behind the table")) };
        if keys.iter().any(|key| key.is_empty()) || keys.len() > DEEPEST {
            return Err(wrong("expected up to 8 keys joined with single dots"));
        }
        let mut table = table;
        for key in tables {
            let below = table.entry(*key).or_insert_with(|| Value::Object(Map::new()));
            table = below.as_object_mut().ok_or_else(|| wrong("a part of it has a value, and is no table"))?;
        }
        table.insert((*last).to_owned(), value.into());
        Ok(self)
    }

    /// Adds a further entry to the `config` of the answer, beside the tables of metrics: `heartbeat_timeout`, say. The tables themselves are
    /// not replaced.
    #[must_use]
    pub fn beside(mut self, name: impl Into<String>, value: impl Into<Value>) -> Options {
        self.beside.insert(name.into(), value.into());
        self
    }

    /// Returns `true` when agents are told nothing of metrics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.statsd.is_empty()
    }

    /// The `config` of an answer.
    #[must_use]
    pub fn config(&self) -> Value {
        let mut config = self.beside.clone();
        config.insert(METRICS.to_owned(), Value::Object(self.metrics.clone()));
        config.insert(STATSD.to_owned(), Value::Object(self.statsd.clone()));
        Value::Object(config)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn keys(path: &str, table: &Map<String, Value>, list: &mut Vec<String>) {
            for (key, value) in table {
                let path = format!("{path}.{key}");
                match value {
                    Value::Object(table) => keys(&path, table, list),
                    _ => list.push(path),
                }
            }
        }
        let mut list = Vec::new();
        keys(METRICS, &self.metrics, &mut list);
        keys(STATSD, &self.statsd, &mut list);
        f.debug_tuple("Options").field(&list).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_config_is_as_ironic_has_it() {
        let options = Options::new()
            .backend("statsd")
            .statsd("h", 1)
            .prepend_host(true)
            .prepend_host_reverse(false)
            .prepend_uuid(true)
            .global_prefix("p")
            .beside("heartbeat_timeout", 300)
            .beside("metrics", "lost");
        let expected = json!({
            "metrics": {
                "backend": "statsd", "prepend_host": true, "prepend_host_reverse": false, "prepend_uuid": true, "global_prefix": "p",
            },
            "metrics_statsd": {"statsd_host": "h", "statsd_port": 1},
            "heartbeat_timeout": 300,
        });
        assert_eq!(options.config(), expected);
        assert_eq!(Options::new().config(), json!({"metrics": {}, "metrics_statsd": {}}));
    }

    #[test]
    fn paths_are_tables_and_what_is_none_is_told() {
        let options = Options::new().set("metrics.statsd_port", 9125).unwrap();
        let options = options.set("metrics.influxdb.url", "http://h").unwrap().set("metrics.influxdb.token", "s3cr3t");
        let options = options.unwrap();
        assert_eq!(options.config()["metrics_statsd"], json!({"statsd_port": 9125}));
        assert_eq!(options.config()["metrics"]["influxdb"], json!({"url": "http://h", "token": "s3cr3t"}));
        let shown = format!("{options:?}");
        assert!(shown.contains("metrics.influxdb.token") && !shown.contains("s3cr3t"), "{shown}");
        for path in ["", "metrics", "metrics.", "metric.backend", "metrics..x", "metrics.influxdb.url.x", "x.y"] {
            let error = options.clone().set(path, 1).unwrap_err().to_string();
            assert!(error.starts_with(&format!("an option is \"{path}\": ")), "{error}");
        }
        assert!(options.set(&vec!["metrics"; 4000].join("."), 1).is_err());
    }
}
