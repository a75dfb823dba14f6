//! The server's file: one TOML document, in which a table switches a part on.
//!
//! `[metrics]` in the same file, with `[metrics_statsd]`, is ferrometer's own configuration: where the server sends what it records and receives. It is read by the facade.
//!
//! | file | idea |
//! |---|---|
//! | `tables` | each table's keys and defaults |
//! | `limits` | what values may be, and which tables need each other |
//! | `meaning` | what a document means, for who reads it |

mod limits;
mod meaning;
mod tables;

pub(crate) use tables::*;

use crate::text::{meant, visible};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The tables of the server.
pub(crate) const TABLES: [&str; 11] = [
    "http",
    "statsd",
    "remote_write",
    "influx",
    "archive",
    "gnocchi",
    "cache",
    "proxmox",
    "page",
    "lookup",
    "metric_servers",
];
/// The tables of ferrometer's own configuration, the second in the words of its specification.
const METRICS: [&str; 2] = ["metrics", "metrics_statsd"];
/// The keys before the first table.
const ROOT: [&str; 2] = ["data", "drain"];

/// The whole file, without `[metrics]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The directory of everything that is kept.
    pub(crate) data: PathBuf,
    /// How long the end may take.
    #[serde(deserialize_with = "tables::duration")]
    pub(crate) drain: Duration,
    pub(crate) http: Option<Http>,
    pub(crate) statsd: Option<Statsd>,
    pub(crate) remote_write: Option<RemoteWrite>,
    pub(crate) influx: Option<Influx>,
    pub(crate) archive: Option<Archive>,
    pub(crate) gnocchi: Option<Gnocchi>,
    pub(crate) cache: Option<Cache>,
    pub(crate) proxmox: Option<Proxmox>,
    pub(crate) page: Option<Page>,
    pub(crate) metric_servers: Option<MetricServers>,
    pub(crate) lookup: Option<Lookup>,
    /// Options that agents are told: keys of `[metrics]` that begin with `agent_`.
    #[serde(skip)]
    pub(crate) agents: ferrometer::agent::Options,
    /// Tables that others read.
    metrics: Option<toml::Table>,
    metrics_statsd: Option<toml::Table>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data: "ferrometer-data".into(),
            drain: Duration::from_secs(10),
            http: None,
            statsd: None,
            remote_write: None,
            influx: None,
            archive: None,
            gnocchi: None,
            cache: None,
            proxmox: None,
            page: None,
            metric_servers: None,
            lookup: None,
            agents: ferrometer::agent::Options::default(),
            metrics: None,
            metrics_statsd: None,
        }
    }
}

/// Returns `true` for a document that has something of the server's.
pub(crate) fn is_meant(text: &str) -> bool {
    let Ok(document) = text.parse::<toml::Table>() else { return false };
    document.keys().any(|key| TABLES.contains(&key.as_str()) || ROOT.contains(&key.as_str()))
}

impl Settings {
    /// Everything embedded, on loopback.
    pub(crate) fn everything() -> Settings {
        Settings {
            http: Some(Http::default()),
            statsd: Some(Statsd::default()),
            remote_write: Some(RemoteWrite::default()),
            influx: Some(Influx::default()),
            archive: Some(Archive::default()),
            gnocchi: Some(Gnocchi::default()),
            cache: Some(Cache::default()),
            proxmox: Some(Proxmox::default()),
            page: Some(Page::default()),
            metric_servers: Some(MetricServers::default()),
            ..Settings::default()
        }
    }

    /// Reads a document; `name` is how messages call it.
    ///
    /// # Errors
    /// The first thing that is wrong: where, what was found, what is allowed, and what was probably meant.
    pub(crate) fn parse(text: &str, name: &str) -> Result<Settings, String> {
        let name = visible(name);
        let document: toml::Table = text.parse().map_err(|error| format!("{name}: {error}"))?;
        for key in document.keys().filter(|key| !METRICS.contains(&key.as_str())) {
            let known = || TABLES.iter().chain(&ROOT).copied();
            if !known().any(|known| known == key) {
                let hint = meant(key, known().chain(METRICS)).map(|word| format!("; did you mean {word:?}?"));
                let list: Vec<&str> = TABLES.into_iter().chain(["metrics"]).collect();
                let all = format!("; the tables are {}, and the keys before them {}", list.join(", "), ROOT.join(", "));
                return Err(format!("{name}: {:?} is unknown{}", visible(key), hint.unwrap_or(all)));
            }
        }
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let said = error.to_string();
            let hint = unknown_field(&said).map(|word| format!("did you mean {word:?}?\n")).unwrap_or_default();
            format!("{name}: {}\n{hint}", said.trim_end()).trim_end().to_owned()
        })?;
        settings.check().map_err(|why| format!("{name}: {why}"))?;
        Ok(settings)
    }

    /// Returns `true` when something goes into the archive, or is asked of it.
    pub(crate) fn has_archive(&self) -> bool {
        let statsd = self.statsd.as_ref().is_some_and(|statsd| statsd.archive);
        statsd
            || self.archive.is_some()
            || self.gnocchi.is_some()
            || self.remote_write.is_some()
            || self.influx.is_some()
    }

    /// Returns `true` when something is served at the address of `[http]`.
    pub(crate) fn has_http(&self) -> bool {
        let gnocchi = self.gnocchi.as_ref().is_some_and(|gnocchi| gnocchi.address.is_none());
        gnocchi
            || self.cache.is_some()
            || self.metric_servers.is_some()
            || self.remote_write.is_some()
            || self.influx.is_some()
            || self.lookup.is_some()
    }

    /// Returns whether anything is served, heard or kept.
    pub(crate) fn asks(&self) -> bool {
        self.has_http() || self.gnocchi.is_some() || self.statsd.is_some() || self.archive.is_some()
    }

    /// Puts the data somewhere else.
    pub(crate) fn in_directory(mut self, data: &Path) -> Settings {
        self.data = data.to_owned();
        self
    }
}

/// Returns what was probably meant, of a message such as: unknown field `adress`, expected one of `address`, `tokens`.
fn unknown_field(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("unknown field `")?;
    let (found, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    meant(found, known).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_what_was_meant() {
        for (text, says) in [
            ("[htpp]\n", "\"htpp\" is unknown; did you mean \"http\"?"),
            ("[something]\n", "the tables are http, statsd,"),
            ("[http]\nadress = \"1\"\n", "did you mean \"address\"?"),
            ("[http]\naddress = \"here\"\n", "invalid socket address"),
            ("[http]\naddress = 5\n", "expected"),
            ("[http]\ntls_cert = \"c\"\n", "http.tls_cert and http.tls_key belong together"),
            ("[statsd]\nlisten = []\n", "statsd.listen is empty"),
            ("[statsd]\nlisten = [\"here\"]\n", "\"here\" is no address"),
            ("[statsd]\narchive = false\nrecord = false\n", "go nowhere"),
            ("[statsd]\nflush = \"1\"\n", "is no time"),
            ("[statsd]\nflush = \"1ms\"\n", "at least 100ms"),
            ("[statsd]\nresource = \"x\"\n", "UUID"),
            ("[remote_write]\npath = \"write\"\n", "expected a path"),
            ("[influx]\nmax_body = 1\n", "influx.max_body = 1"),
            ("[influx]\nresource_tag = \"\"\n", "influx.resource_tag"),
            ("[gnocchi]\nprefix = \"\"\n", "gnocchi.prefix"),
            ("[gnocchi]\nauth = \"basik\"\n", "unknown variant `basik`, expected `basic` or `remoteuser`"),
            ("[archive]\nworkers = 0\n", "archive.workers"),
            ("[archive]\nsync = \"sometimes\"\n", "expected `group` or `none`"),
            ("[cache]\ngenerations = 0\n", "1 to 100000 generations"),
            ("[page]\n", "[page] shows what [cache] keeps"),
            ("[proxmox]\n", "[proxmox] shows what [cache] keeps"),
            ("[metric_servers]\nmax_server = 1\n", "did you mean \"max_servers\"?"),
            ("drain = \"2h\"\n", "at most 1h"),
            ("drain = 5\n", "drain"),
            ("[http\n", "line 1"),
        ] {
            let said = Settings::parse(text, "serve.toml").unwrap_err();
            assert!(said.starts_with("serve.toml: ") && said.contains(says), "{text}: {said}");
        }
    }

    #[test]
    fn a_table_switches_its_part_on() {
        let settings = Settings::parse("[cache]\n[metrics]\nbackend = \"noop\"\n", "f").unwrap();
        assert!(
            settings.cache.is_some() && settings.gnocchi.is_none() && settings.has_http() && !settings.has_archive()
        );
        let settings = Settings::parse("[statsd]\n", "f").unwrap();
        assert!(settings.has_archive() && !settings.has_http());
        assert!(is_meant("[cache]\n") && !is_meant("[metrics]\n[cach]\n") && !is_meant("[["));
    }

    #[test]
    fn the_example_says_the_defaults() {
        let example = Settings::parse(super::super::EXAMPLE, "example").unwrap();
        let metrics = example.metrics.clone();
        assert_eq!(example, Settings { metrics, ..Settings::everything() });
    }
}
