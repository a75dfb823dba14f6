//! Configuration of a server of the API: a table of keys that TOML, arguments and `gnocchi.conf` set alike.
//!
//! ```toml
//! address = "127.0.0.1:8041"
//! data = "/var/lib/archive"
//! auth = "tokens"
//! tokens_file = "/etc/archive/tokens"
//!
//! [statsd]
//! address = "127.0.0.1:8125"
//! resource = "07f26121-5777-48ba-8a0b-d70468133dd9"
//! ```

mod gnocchi_conf;
mod keys;

pub use keys::ConfigError;

use crate::settings::{Auth, Settings};
use crate::statsd::StatsdSettings;
use ferrometer_archive::Options;
use std::path::PathBuf;
use toml::{Table, Value};
use uuid::Uuid;

/// Where a statsd daemon listens, and what it does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatsdConfig {
    /// `statsd.address`: where it takes datagrams over UDP.
    pub address: Option<String>,
    /// `statsd.tcp`: where it takes connections.
    pub tcp: Option<String>,
    /// `statsd.unix`: the socket where it takes datagrams.
    pub unix: Option<PathBuf>,
    /// `statsd.unix_stream`: the socket where it takes connections.
    pub unix_stream: Option<PathBuf>,
    /// The others: `resource`, `creator`, `policy`, `flush`, `exact`, `tags`, `percentiles`, `connections`, `buffer`.
    pub settings: StatsdSettings,
}

impl StatsdConfig {
    /// Returns whether it listens anywhere.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.address.is_some() || self.tcp.is_some() || self.unix.is_some() || self.unix_stream.is_some()
    }
}

/// The configuration of a server.
///
/// ```
/// use ferrometer_gnocchi::ServerConfig;
///
/// let mut config = ServerConfig::default();
/// config.read_toml("max_limit = 100\n[statsd]\ntcp = \"127.0.0.1:8126\"\n").unwrap();
/// config.set("data", "/var/lib/archive").unwrap();
/// assert_eq!(config.settings.max_limit, 100);
/// let error = config.set("max_limitt", "7").unwrap_err();
/// assert_eq!(error.to_string(), "max_limitt is no key; max_limit was probably meant");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// `address`: where the API listens. Default `127.0.0.1:8041`.
    pub address: String,
    /// `data`: the directory of the archive. It has no default.
    pub data: Option<PathBuf>,
    /// `allowed_hosts`: names under which a server on a loopback address may be asked.
    pub hosts: Vec<String>,
    /// `tokens`: `name=sha256:…[;privilege@path…]`.
    pub tokens: Vec<String>,
    /// `tokens_file`: a file of such lines.
    pub tokens_file: Option<PathBuf>,
    /// `tls_cert` and `tls_key`: PEM files.
    pub tls: (Option<PathBuf>, Option<PathBuf>),
    /// `default_policies`, `sync`, `memory`, `workers`, `store_every`.
    pub options: Options,
    /// `prefix`, `max_limit`, `auth`, `cors`, `max_body`.
    pub settings: Settings,
    /// `[statsd]`.
    pub statsd: StatsdConfig,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            address: "127.0.0.1:8041".to_owned(),
            data: None,
            hosts: Vec::new(),
            tokens: Vec::new(),
            tokens_file: None,
            tls: (None, None),
            options: Options::default(),
            settings: Settings::default(),
            statsd: StatsdConfig {
                address: None,
                tcp: None,
                unix: None,
                unix_stream: None,
                settings: StatsdSettings::new(Uuid::nil()),
            },
        }
    }
}

impl ServerConfig {
    /// Sets a key, `max_limit` or `statsd.tcp`. One that is a list gets one more item.
    ///
    /// # Errors
    /// For a key that is none, and a value that it cannot have.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        keys::set(self, key, value)
    }

    /// Sets what a text of TOML says.
    ///
    /// # Errors
    /// Everything that is wrong with it; what is right is set.
    pub fn read_toml(&mut self, text: &str) -> Result<(), Vec<ConfigError>> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| vec![ConfigError::text(error.to_string())])?;
        let mut errors = Vec::new();
        self.read_table("", &table, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn read_table(&mut self, prefix: &str, table: &Table, errors: &mut Vec<ConfigError>) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                Value::Table(table) if prefix.is_empty() && keys::is_table(name) => {
                    self.read_table(&format!("{name}."), table, errors);
                }
                Value::Array(items) if keys::is_list(&key) => {
                    let items = items.iter().map(|item| keys::text(&key, item));
                    let set = items.map(|item| item.and_then(|item| self.set(&key, &item)));
                    errors.extend(set.filter_map(Result::err));
                }
                value => {
                    let set = keys::text(&key, value).and_then(|text| self.set(&key, &text));
                    errors.extend(set.err());
                }
            }
        }
    }

    /// Sets what a `gnocchi.conf` says, as far as it has a counterpart here; returns a line about each other key.
    ///
    /// # Errors
    /// Values that a key cannot have.
    pub fn read_gnocchi_conf(&mut self, text: &str) -> Result<Vec<String>, Vec<ConfigError>> {
        gnocchi_conf::read(self, text)
    }

    /// Checks what keys say together.
    ///
    /// # Errors
    /// Everything that is missing or does not go together.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut wrong = |text: &str| errors.push(ConfigError::text(text));
        if self.data.is_none() {
            wrong("data is missing: the directory of the archive");
        }
        let has_tokens = !self.tokens.is_empty() || self.tokens_file.is_some();
        if (self.settings.auth == Auth::Tokens) != has_tokens {
            wrong("auth = \"tokens\" goes with tokens or tokens_file, and they with it");
        }
        if self.tls.0.is_some() != self.tls.1.is_some() {
            wrong("tls_cert goes with tls_key, and it with tls_cert");
        }
        if self.statsd.is_wanted() && self.statsd.settings.resource.is_nil() {
            wrong("statsd.resource is missing: the UUID of the resource that gets the metrics of statsd");
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}
