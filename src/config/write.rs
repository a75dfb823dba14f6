//! Writing a configuration down: every key that has a value, from the same table that it is read by.

use std::fmt::Write;

use super::for_agents::PREFIX;
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
use super::peer::Peer;
use super::rule::Rule;
use super::settings::{Config, keys};
use super::table::split;
use super::value::Value;
use super::view::View;

impl Config {
    /// Returns this configuration as a TOML document with every key that has a value: defaults, file and environment merged. [`Config::from_toml`] reads a valid one back as it was.
    ///
    /// The document holds tokens of the pull cache as SHA-256 digests, as they were given. The token for another node, and the tokens and
    /// passwords of servers, are in it in clear: keep such a document as secret as the file it came from.
    ///
    /// ```
    /// use ferrometer::Config;
    ///
    /// let config = Config::new().backend("statsd").global_prefix("shop");
    /// let text = config.to_toml();
    /// assert!(text.starts_with("[metrics]\nbackend = [\"statsd\"]\nstatsd_host = \"localhost\"\nstatsd_port = 8125\n"));
    /// assert_eq!(Config::from_toml(&text)?, config);
    /// # Ok::<(), ferrometer::config::Error>(())
    /// ```
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let mut tables: Vec<&str> = Vec::new();
        for (table, _) in keys().map(|key| split(key.path)) {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        for table in tables {
            let separator = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{separator}[{table}]");
            for key in keys().filter(|key| split(key.path).0 == table) {
                line(&mut out, split(key.path).1, key.get(self));
            }
            for (path, value) in self.agent.iter().filter(|(path, _)| split(path).0 == table) {
                line(&mut out, &format!("{PREFIX}{}", split(path).1), Some(value.clone()));
            }
        }
        #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
        for peer in &self.pull_cache.peers {
            out.push_str("\n[[metrics.pull_cache.peers]]\n");
            Peer::KEYS.iter().for_each(|key| line(&mut out, key.path, key.get(peer)));
        }
        for view in self.views() {
            out.push_str("\n[[metrics.views]]\n");
            View::KEYS.iter().for_each(|key| line(&mut out, key.path, key.get(view)));
        }
        for rule in self.rules() {
            out.push_str("\n[metrics.loggers.");
            text(&mut out, &rule.logger);
            out.push_str("]\n");
            Rule::KEYS.iter().for_each(|key| line(&mut out, key.path, key.get(rule)));
        }
        out
    }
}

#[cfg(all(test, feature = "config-file"))]
mod tests {
    use super::*;
    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    use crate::config::Peer;
    use crate::config::View;

    #[test]
    fn views_are_read_back_in_their_order() {
        let config = Config::new()
            .view(View::new("b*").rename("a.*").drop_labels(["user", "a \"b\""]).buckets([0.5, 1e300]))
            .view(View::new("a.*").unit("bytes").description("x=\"y\\").sample_rate(0.25))
            .view(View::new("c").dropped(true));
        assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    }

    #[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
    #[test]
    fn other_nodes_are_read_back() {
        let config = Config::new()
            .pull_cache_node("a")
            .peer(Peer::new("b", "https://b.example").ca("/a \"b\".pem").token("x=\"y\\"))
            .peer(Peer::new("c", "https://c.example").fingerprint("ab".repeat(32)));
        assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    }
}

fn line(out: &mut String, name: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    out.push_str(name);
    out.push_str(" = ");
    push(out, &value);
    out.push('\n');
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::Text(given) => text(out, given),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                push(out, item);
            }
            out.push(']');
        }
        // Numbers, booleans and durations are shown as TOML writes them.
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A basic string of TOML: quotes, backslashes and control characters are escaped.
pub(super) fn text(out: &mut String, given: &str) {
    out.push('"');
    for c in given.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
