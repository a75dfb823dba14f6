//! A configuration from a value of the program's own, of whatever format: it is written down as TOML and read as a file is.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::document::Source;
use super::draft::Draft;
use super::error::{Error, Place, Problem, clean};
use super::file;
use super::settings::Config;
use super::write;

impl Config {
    /// Reads a value of the program's own, such as a `toml::Table`, a `serde_json::Value` or a struct of the program: the keys of `[metrics]`,
    /// or a whole document with `metrics` in it. It is checked as a file is; messages call it `value`. The environment is not looked at: for
    /// that see [`Config::with_env`].
    ///
    /// A program that reads its configuration with serde may as well have a `Config` in it, because a `Config` can be deserialized.
    ///
    /// ```
    /// use ferrometer::Config;
    ///
    /// let own = serde_json::json!({ "port": 80, "metrics": { "backend": "statsd", "labels": { "zone": "b" } } });
    /// let config = Config::from_value(&own)?;
    /// assert_eq!(config.backends(), ["statsd"]);
    ///
    /// let error = Config::from_value(&serde_json::json!({ "statsd_port": 0 })).unwrap_err();
    /// assert_eq!(error.to_string(), "value: metrics.statsd_port = 0 (integer): expected an integer from 1 to 65535");
    /// # Ok::<(), ferrometer::config::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`]: what is wrong, and what is allowed.
    pub fn from_value(value: &impl Serialize) -> Result<Self, Error> {
        let value = serde_json::to_value(value);
        let refuse = |what: String| Error::Syntax(Problem::new(Place::Value, "", what));
        let value = value.map_err(|why| refuse(format!("cannot be read: {}", clean(&why.to_string()))))?;
        let Value::Object(mut table) = value else {
            return Err(refuse("expected a table of keys".to_owned()));
        };
        if !table.contains_key("metrics") {
            table = [("metrics".to_owned(), Value::Object(table))].into_iter().collect();
        }
        let mut text = String::new();
        for (key, value) in &table {
            if !value.is_null() {
                write::text(&mut text, key);
                text.push_str(" = ");
                push(&mut text, value);
                text.push('\n');
            }
        }
        let mut draft = Draft::new();
        file::read(&mut draft, Source::Value, text.as_bytes())?;
        draft.finish()
    }
}

/// Writes a value as TOML does. Null is what is absent, and left out.
fn push(out: &mut String, value: &Value) {
    let mut separator = "";
    match value {
        Value::String(given) => write::text(out, given),
        Value::Array(items) => {
            out.push('[');
            for item in items.iter().filter(|item| !item.is_null()) {
                out.push_str(separator);
                push(out, item);
                separator = ", ";
            }
            out.push(']');
        }
        Value::Object(table) => {
            out.push('{');
            for (key, value) in table.iter().filter(|(_, value)| !value.is_null()) {
                out.push_str(separator);
                write::text(out, key);
                out.push_str(" = ");
                push(out, value);
                separator = ", ";
            }
            out.push('}');
        }
        // Booleans and numbers are written alike in both.
        other => out.push_str(&other.to_string()),
    }
}

/// Checked as [`Config::from_value`] checks.
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Config::from_value(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
