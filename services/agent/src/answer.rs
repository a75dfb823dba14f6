//! The answer of a lookup, as it is read: which node, and what the conductor said of metrics.

use crate::options::{METRICS, Options, STATSD};
use ferrometer_core::name;
use serde_json::{Map, Value, json};
use std::fmt;

/// Answer of a conductor.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The UUID of the node, in lower case.
    pub uuid: Option<String>,
    /// `config.metrics`; without the keys that are `null`.
    pub metrics: Map<String, Value>,
    /// `config.metrics_statsd`; without the keys that are `null`.
    pub statsd: Map<String, Value>,
}

/// A document that is no answer of a lookup, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbled(String);

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Garbled {}

impl Answer {
    /// Reads an answer. Everything in it that is not about metrics is passed over.
    ///
    /// ```
    /// use ferrometer_agent::Answer;
    ///
    /// let answer = Answer::read(br#"{
    ///     "node": {"uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "name": "n1"},
    ///     "config": {"metrics": {"backend": "statsd", "global_prefix": null}, "heartbeat_timeout": 300}
    /// }"#)?;
    /// assert_eq!(answer.uuid.as_deref(), Some("1be26c0b-03f2-4d2e-ae87-c02d7f33c123"));
    /// assert_eq!(answer.metrics.len(), 1);
    /// # Ok::<(), ferrometer_agent::Garbled>(())
    /// ```
    ///
    /// # Errors
    /// Names the fault, in words that repeat nothing of the document.
    pub fn read(document: &[u8]) -> Result<Answer, Garbled> {
        // The parser's own words have place and reason; its limit on depth holds.
        let document: Value = serde_json::from_slice(document).map_err(|error| Garbled(format!("no JSON: {error}")))?;
        let document = object(&document, "the answer")?;
        let mut answer = Answer::default();
        if let Some(node) = document.get("node").filter(|node| !node.is_null()) {
            let node = object(node, "node")?;
            if let Some(uuid) = node.get("uuid").filter(|uuid| !uuid.is_null()) {
                let read = uuid.as_str().and_then(|uuid| name::uuid(uuid).ok());
                answer.uuid = Some(read.ok_or_else(|| Garbled(format!("node.uuid is not {}", name::UUID_FORM)))?);
            }
        }
        let Some(config) = document.get("config").filter(|config| !config.is_null()) else { return Ok(answer) };
        let config = object(config, "config")?;
        for (table, name) in [(&mut answer.metrics, METRICS), (&mut answer.statsd, STATSD)] {
            if let Some(given) = config.get(name).filter(|given| !given.is_null()) {
                *table = without_nulls(object(given, &format!("config.{name}"))?);
            }
        }
        Ok(answer)
    }

    /// Returns `true` when nothing was said of metrics.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.metrics.is_empty() && self.statsd.is_empty()
    }

    /// Writes the answer for a node: `node` is what it says of it, its `uuid` among it.
    #[must_use]
    pub fn write(node: &Map<String, Value>, options: &Options) -> Value {
        json!({"node": node, "config": options.config()})
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Garbled> {
    let found = match value {
        Value::Object(map) => return Ok(map),
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
    };
    Err(Garbled(format!("{what} is {found}: expected an object")))
}

/// `null` stands for what is not set, in tables below as well.
fn without_nulls(table: &Map<String, Value>) -> Map<String, Value> {
    let mut left = Map::new();
    for (key, value) in table {
        match value {
            Value::Null => {}
            Value::Object(below) => drop(left.insert(key.clone(), Value::Object(without_nulls(below)))),
            value => drop(left.insert(key.clone(), value.clone())),
        }
    }
    left
}

impl fmt::Debug for Answer {
    /// Values may be secrets, and are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metrics, statsd): (Vec<_>, Vec<_>) = (self.metrics.keys().collect(), self.statsd.keys().collect());
        f.debug_struct("Answer").field("uuid", &self.uuid).field("metrics", &metrics).field("statsd", &statsd).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";

    #[test]
    fn what_is_written_is_read() {
        let options = Options::new().backend("statsd").statsd("h", 8125).prepend_uuid(true);
        let node = json!({"uuid": UUID.to_uppercase(), "driver": "ipmi"});
        let text = Answer::write(node.as_object().unwrap(), &options).to_string();
        let answer = Answer::read(text.as_bytes()).unwrap();
        assert_eq!(answer.uuid.as_deref(), Some(UUID));
        assert_eq!(Value::Object(answer.metrics), options.config()["metrics"]);
        assert_eq!(Value::Object(answer.statsd), options.config()["metrics_statsd"]);
    }

    #[test]
    fn what_is_absent_or_null_says_nothing() {
        for text in [
            "{}",
            r#"{"node":null,"config":null}"#,
            r#"{"config":{"metrics":null}}"#,
            r#"{"config":{"metrics":{"a":null}}}"#,
        ] {
            let answer = Answer::read(text.as_bytes()).unwrap();
            assert!(answer.is_silent() && answer.uuid.is_none(), "{text}");
        }
        let answer = Answer::read(br#"{"config":{"metrics":{"influxdb":{"token":null,"org":"o"}}}}"#).unwrap();
        assert_eq!(Value::Object(answer.metrics), json!({"influxdb": {"org": "o"}}));
    }

    #[test]
    fn garbage_is_refused_without_repeating_it() {
        let deep = "[".repeat(100_000);
        for (text, expected) in [
            ("", "no JSON"),
            ("<html>s3cr3t</html>", "no JSON"),
            (r#"{"config":{"metrics":{"statsd_port":NaN}}}"#, "no JSON"),
            (r#"{"config":{"metrics":{"statsd_port":1e999}}}"#, "no JSON"),
            ("\u{0}\u{1}", "no JSON"),
            (&deep, "no JSON"),
            ("[]", "the answer is a list"),
            ("7", "the answer is a number"),
            (r#"{"config":"s3cr3t"}"#, "config is a string"),
            (r#"{"config":{"metrics":["s3cr3t"]}}"#, "config.metrics is a list"),
            (r#"{"config":{"metrics_statsd":true}}"#, "config.metrics_statsd is a boolean"),
            (r#"{"node":7}"#, "node is a number"),
            (r#"{"node":{"uuid":7}}"#, "node.uuid is not"),
            (r#"{"node":{"uuid":"s3cr3t"}}"#, "node.uuid is not"),
            (r#"{"node":{"uuid":""}}"#, "node.uuid is not"),
        ] {
            let said = Answer::read(text.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with(expected) && !said.contains("s3cr3t"), "{said}");
        }
        assert!(Answer::read(&[0xff, 0xfe]).is_err());
    }
}
