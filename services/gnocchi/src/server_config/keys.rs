//! The table of keys: what each is called, what it may be, and where it goes.

use super::ServerConfig;
use crate::settings::Auth;
use crate::statsd::{StatsdTags, StatsdTimers};
use ferrometer_archive::{Sync, time};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;

/// A fault of a configuration: the key, what was found, what is allowed, and what was probably meant. Tokens are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn text(text: impl Into<String>) -> ConfigError {
        ConfigError(text.into())
    }

    pub(super) fn value(key: &str, found: &str, allowed: &str) -> ConfigError {
        let found = if key == "tokens" { "(not shown)".to_owned() } else { found.escape_debug().take(200).collect() };
        ConfigError(format!("{key} is `{found}`; allowed: {allowed}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

type Set = fn(&mut ServerConfig, &str) -> Option<()>;

struct Key {
    name: &'static str,
    allowed: &'static str,
    is_list: bool,
    set: Set,
}

const fn key(name: &'static str, allowed: &'static str, set: Set) -> Key {
    Key { name, allowed, is_list: false, set }
}

const fn list(name: &'static str, allowed: &'static str, set: Set) -> Key {
    Key { name, allowed, is_list: true, set }
}

/// Most bytes that a body may be told to have; all bodies together have a limit of their own.
const MOST_BODY: usize = 1 << 30;

const KEYS: [Key; 30] = [
    key("address", "an address with a port", |c, v| filled(v).map(|v| c.address = v)),
    key("data", "a directory", |c, v| filled(v).map(|v| c.data = Some(v.into()))),
    list("allowed_hosts", "names of hosts", |c, v| filled(v).map(|v| c.hosts.push(v))),
    list("tokens", "name=sha256:<64 hex digits>[;privilege@path]", |c, v| filled(v).map(|v| c.tokens.push(v))),
    key("tokens_file", "a file", |c, v| filled(v).map(|v| c.tokens_file = Some(v.into()))),
    key("tls_cert", "a file of PEM", |c, v| filled(v).map(|v| c.tls.0 = Some(v.into()))),
    key("tls_key", "a file of PEM", |c, v| filled(v).map(|v| c.tls.1 = Some(v.into()))),
    key("default_policies", "true or false", |c, v| truth(v).map(|v| c.options.default_policies = v)),
    key("sync", "group or none", |c, v| {
        c.options.sync = match v {
            "group" => Sync::Group,
            "none" => Sync::None,
            _ => return None,
        };
        Some(())
    }),
    key("memory", "bytes, at least 1048576", |c, v| number(v, 1 << 20, usize::MAX).map(|v| c.options.memory = v)),
    key("workers", "a number, 1 to 64", |c, v| number(v, 1, 64).map(|v| c.options.workers = v)),
    key("store_every", "a length of time, such as 600 or \"10 minutes\"", |c, v| {
        span(v).map(|v| c.options.store_every = v)
    }),
    key("prefix", "a path that begins with `/`, or nothing", |c, v| {
        let fits = v.is_empty() || (v.starts_with('/') && !v.contains(['?', '#', '{', '}', ' ']));
        fits.then(|| c.settings.prefix = v.trim_end_matches('/').to_owned())
    }),
    key("max_limit", "a number of at least 1", |c, v| number(v, 1, usize::MAX).map(|v| c.settings.max_limit = v)),
    key("auth", "basic, remoteuser or tokens", |c, v| {
        c.settings.auth = match v {
            "basic" => Auth::Basic,
            "remoteuser" => Auth::RemoteUser,
            "tokens" => Auth::Tokens,
            _ => return None,
        };
        Some(())
    }),
    list("cors", "origins, such as http://example.org, or *", |c, v| filled(v).map(|v| c.settings.cors.push(v))),
    key("max_body", "a number of bytes, 1024 to 1073741824", |c, v| {
        number(v, 1024, MOST_BODY).map(|v| c.settings.max_body = v)
    }),
    key("statsd.address", "an address with a port", |c, v| filled(v).map(|v| c.statsd.address = Some(v))),
    key("statsd.tcp", "an address with a port", |c, v| filled(v).map(|v| c.statsd.tcp = Some(v))),
    key("statsd.unix", "the path of a socket", |c, v| filled(v).map(|v| c.statsd.unix = Some(PathBuf::from(v)))),
    key("statsd.unix_stream", "the path of a socket", |c, v| {
        filled(v).map(|v| c.statsd.unix_stream = Some(PathBuf::from(v)))
    }),
    key("statsd.resource", "a UUID", |c, v| v.parse().ok().map(|v| c.statsd.settings.resource = v)),
    key("statsd.creator", "a name", |c, v| filled(v).map(|v| c.statsd.settings.creator = v)),
    key("statsd.policy", "the name of an archive policy", |c, v| filled(v).map(|v| c.statsd.settings.policy = Some(v))),
    key("statsd.flush", "a length of time, such as 10 or \"1 minute\"", |c, v| {
        span(v).map(|v| c.statsd.settings.flush = v)
    }),
    key("statsd.exact", "true or false", |c, v| truth(v).map(|v| c.statsd.settings.exact = v)),
    key("statsd.tags", "ignored or in_name", |c, v| {
        c.statsd.settings.tags = match v {
            "ignored" => StatsdTags::Ignored,
            "in_name" => StatsdTags::InName,
            _ => return None,
        };
        Some(())
    }),
    list("statsd.percentiles", "numbers from 1 to 99", |c, v| {
        let rank = number(v, 1, 99)? as u8;
        match &mut c.statsd.settings.timers {
            StatsdTimers::Summary(ranks) => ranks.push(rank),
            timers => *timers = StatsdTimers::Summary(vec![rank]),
        }
        Some(())
    }),
    key("statsd.connections", "a number, 1 to 4096", |c, v| {
        number(v, 1, 4096).map(|v| c.statsd.settings.connections = v)
    }),
    key("statsd.buffer", "a number of bytes, 4096 to 1073741824", |c, v| {
        number(v, 4096, 1 << 30).map(|v| c.statsd.settings.buffer = v)
    }),
];

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn number(text: &str, least: usize, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

fn span(text: &str) -> Option<Duration> {
    let nanos = time::parse_timespan(text, false).ok()?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// Sets a key.
pub(super) fn set(config: &mut ServerConfig, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else { return Err(unknown(name)) };
    (key.set)(config, value).ok_or_else(|| ConfigError::value(name, value, key.allowed))
}

/// Returns whether a name is that of a table of keys.
pub(super) fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(table, _)| table == name))
}

/// Returns whether a key is a list.
pub(super) fn is_list(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name && key.is_list)
}

/// Returns a value as the text that a key reads.
pub(super) fn text(name: &str, value: &Value) -> Result<String, ConfigError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        other => match KEYS.iter().find(|key| key.name == name) {
            Some(key) => Err(ConfigError::value(name, other.type_str(), key.allowed)),
            None => Err(unknown(name)),
        },
    }
}

fn unknown(name: &str) -> ConfigError {
    let shown: String = name.escape_debug().take(100).collect();
    let nearest = KEYS.iter().map(|key| (distance(name, key.name), key.name)).min();
    match nearest {
        Some((distance, known)) if distance <= 1 + name.chars().count() / 4 => {
            ConfigError(format!("{shown} is no key; {known} was probably meant"))
        }
        _ => {
            let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
            ConfigError(format!("{shown} is no key; known are {}", names.join(", ")))
        }
    }
}

/// Levenshtein's distance: how many letters are to be added, taken or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.chars().take(100).enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (to, other) in b.iter().enumerate() {
            let changed = corner + usize::from(letter != *other);
            corner = row[to + 1];
            row[to + 1] = changed.min(row[to] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_with_every_wrong_value_is_named() {
        let mut config = ServerConfig::default();
        for key in &KEYS {
            let wrong = if key.name == "prefix" { "x y" } else { "" };
            let error = config.set(key.name, wrong).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{} is `", key.name)) && error.contains(key.allowed), "{error}");
        }
        let error = config.set("tokens", "").unwrap_err().to_string();
        assert!(error.contains("(not shown)"), "{error}");
    }

    #[test]
    fn all_that_is_wrong_with_a_file_is_told() {
        let mut config = ServerConfig::default();
        let text = "adress = \"x:1\"\nmax_limit = 0\ncors = [\"http://a\", 1.5]\nfoo = []\nauth = [\"basic\"]\n[statsd]\nexcat = true\nflush = \"soon\"\n[stats]\nx = 1";
        let errors: Vec<String> = config.read_toml(text).unwrap_err().iter().map(ToString::to_string).collect();
        let all = errors.join("\n");
        for words in [
            "adress is no key; address was probably meant",
            "max_limit is `0`; allowed: a number of at least 1",
            "foo is no key; known are address, data",
            "auth is `array`; allowed: basic, remoteuser or tokens",
            "statsd.excat is no key; statsd.exact was probably meant",
            "statsd.flush is `soon`; allowed: a length of time",
            "stats is no key",
        ] {
            assert!(all.contains(words), "{words}\n{all}");
        }
        assert_eq!((errors.len(), config.settings.cors.len()), (7, 2));
        assert!(config.read_toml("a = ").unwrap_err()[0].to_string().contains("line 1"));
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        let mut config = ServerConfig::default();
        let error =
            |config: &ServerConfig| config.check().unwrap_err().iter().map(ToString::to_string).collect::<String>();
        assert!(error(&config).starts_with("data is missing"));
        config.set("data", "/x").unwrap();
        config.check().unwrap();
        config.set("statsd.tcp", "127.0.0.1:1").unwrap();
        config.set("tls_key", "k").unwrap();
        config.set("auth", "tokens").unwrap();
        let all = error(&config);
        assert!(all.contains("statsd.resource") && all.contains("tls_cert") && all.contains("tokens_file"), "{all}");
    }
}
