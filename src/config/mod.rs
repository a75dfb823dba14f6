//! Reading and checking the configuration.
//!
//! ```text
//!  file ────────► file ──┐
//!  environment ─► env ───┼─► draft ──► Config ◄── builder
//!                        │     ▲          │
//!                 settings (the table) ◄──┘ validate
//! ```
//!
//! Values of every source are brought to one form (`value`), checked by their key's kind (`kind`) as the table (`settings`)
//! gives it, and stored in a [`Config`]. Nothing here knows a backend: it turns text into numbers, and what is wrong into
//! messages ([`Error`]). Later sources win: defaults, file, environment.
//!
//! ```
//! use ferrometer::config::Config;
//!
//! let config = Config::from_env_with([
//!     ("FERROMETER_BACKEND", "statsd,pull-cache"),
//!     ("FERROMETER_STATSD__INTERVAL", "500ms"),
//! ])?;
//! assert_eq!(config.backends(), ["statsd", "pull-cache"]);
//! # Ok::<(), ferrometer::config::Error>(())
//! ```
//!
//! All keys are listed in `docs/configuration.md`, which is generated from the table.

mod absent;
mod builder;
mod choices;
#[cfg(feature = "config-file")]
mod document;
mod draft;
mod duration;
mod env;
mod error;
mod faults;
#[cfg(feature = "config-file")]
mod file;
mod for_agents;
mod joined;
mod kind;
mod origin;
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
mod peer;
#[cfg(test)]
mod reference;
mod rule;
#[cfg(feature = "serde")]
mod serde_value;
mod setting;
mod settings;
mod suggest;
#[cfg(feature = "config-file")]
mod syntax;
mod table;
#[cfg(test)]
mod table_tests;
#[cfg(any(feature = "agent", feature = "lookup"))]
mod told;
mod value;
mod view;
mod warnings;
#[cfg(feature = "config-file")]
mod write;

use std::ffi::OsString;
use std::path::Path;

// Those of the backends whose keys there are.
pub use choices::*;
#[cfg(feature = "config-file")]
pub use document::LONGEST_FILE;
pub use error::{Error, Problem};
pub use ferrometer_core::name::Pattern;
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
pub use peer::Peer;
pub use rule::Rule;
pub use setting::{Hidden, Pairs, Tokens};
#[cfg(any(feature = "archive", feature = "every-key"))]
pub use settings::Archive;
#[cfg(any(feature = "graphite", feature = "every-key"))]
pub use settings::Graphite;
#[cfg(any(feature = "influxdb", feature = "every-key"))]
pub use settings::Influxdb;
#[cfg(any(feature = "metric-servers", feature = "every-key"))]
pub use settings::MetricServers;
#[cfg(any(feature = "otlp", feature = "every-key"))]
pub use settings::Otlp;
#[cfg(any(feature = "remote-write", feature = "every-key"))]
pub use settings::RemoteWrite;
pub use settings::{Config, Limits, Statsd};
#[cfg(any(feature = "prometheus", feature = "pull-cache", feature = "every-key"))]
pub use settings::{Prometheus, PullCache};

pub use view::View;

pub(crate) use joined::joined;

use draft::Draft;

impl Config {
    /// The defaults with this process's environment over them. `FERROMETER_CONFIG` may name a TOML file, which comes between the two.
    pub fn from_env() -> Result<Self, Error> {
        Config::from_env_with(std::env::vars_os())
    }

    /// The defaults with the given variables over them; those without the prefix `FERROMETER_` are not looked at.
    ///
    /// ```
    /// use ferrometer::config::Config;
    ///
    /// let error = Config::from_env_with([("FERROMETER_STATSD_HSOT", "a")]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "environment variable FERROMETER_STATSD_HSOT: unknown variable; did you mean FERROMETER_STATSD_HOST?",
    /// );
    /// ```
    pub fn from_env_with<I, N, V>(variables: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (N, V)>,
        N: Into<OsString>,
        V: Into<OsString>,
    {
        Config::new().over(None, env::ours(variables))
    }

    /// This configuration with this process's environment over it: for one that was made in code, or read from a value of the program's own.
    ///
    /// # Errors
    /// [`Error`]: a variable is wrong.
    pub fn with_env(self) -> Result<Self, Error> {
        self.over(None, env::ours(std::env::vars_os()))
    }

    /// Reads file and variables over this configuration.
    fn over(self, path: Option<&Path>, variables: Vec<env::Variable>) -> Result<Self, Error> {
        let mut draft = Draft::over(self);
        #[cfg(feature = "config-file")]
        {
            let named = env::file(&variables).filter(|file| !file.is_empty()).map(Path::new);
            if let Some(path) = named.or(path) {
                let bytes = document::bytes(path, named.is_some())?;
                file::read(&mut draft, document::Source::File(&path.to_string_lossy()), &bytes)?;
            }
        }
        #[cfg(not(feature = "config-file"))]
        let _ = path;
        env::read(&mut draft, variables);
        draft.finish()
    }

    /// Checks every value, as it stands, by the rules that file and environment are checked by.
    ///
    /// ```
    /// use ferrometer::config::Config;
    ///
    /// let error = Config::new().statsd_port(0).validate().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "builder: metrics.statsd_port = 0 (integer): expected an integer from 1 to 65535",
    /// );
    /// ```
    pub fn validate(&self) -> Result<(), Error> {
        draft::validate(self)
    }
}

#[cfg(feature = "config-file")]
impl Config {
    /// A TOML file with this process's environment over it.
    ///
    /// A file without `[metrics]` is valid and leaves recording off, which [`init`](crate::init()) warns of; a file that is not there is an error.
    /// The variable `FERROMETER_CONFIG` names another file to be read in its place.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Config::from_file_with(path, std::env::vars_os())
    }

    /// A TOML file with the given variables over it.
    pub fn from_file_with<I, N, V>(path: impl AsRef<Path>, variables: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (N, V)>,
        N: Into<OsString>,
        V: Into<OsString>,
    {
        Config::new().over(Some(path.as_ref()), env::ours(variables))
    }

    /// A TOML document alone, without any environment; messages call it `configuration`.
    ///
    /// ```
    /// use ferrometer::config::Config;
    ///
    /// let config = Config::from_toml(r#"
    ///     [metrics]
    ///     backend = "statsd"
    ///
    ///     [metrics.loggers."nova.compute"]
    ///     sample_rate = 0.1
    /// "#)?;
    /// assert_eq!(config.rules()[0].sample_rate, Some(0.1));
    ///
    /// let error = Config::from_toml("[metrics]\nstatsd_port = 70000\n").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "configuration:2:15: metrics.statsd_port = 70000 (integer): expected an integer from 1 to 65535",
    /// );
    /// # Ok::<(), ferrometer::config::Error>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let mut draft = Draft::new();
        file::read(&mut draft, document::Source::File("configuration"), text.as_bytes())?;
        draft.finish()
    }
}
