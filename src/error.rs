//! Why metrics could not be set up.

use crate::config::{self, Config};
use ferrometer_core::InstallError;
use std::fmt;
use std::path::PathBuf;

/// Why [`init`](crate::init) refused. The program decides what becomes of it.
///
/// Its `Debug` form is the message too, so that `fn main() -> Result<(), ferrometer::Error>` shows something readable.
#[non_exhaustive]
pub enum Error {
    /// The configuration is wrong.
    Config(config::Error),
    /// The configuration asks for something this program was built without.
    NotCompiled {
        /// The key that asks.
        key: &'static str,
        /// The cargo feature of `ferrometer` that brings it.
        feature: &'static str,
    },
    /// One of two keys that belong together is missing.
    Incomplete {
        /// The key that is there.
        key: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// The endpoint cannot be served as configured.
    #[cfg(feature = "prometheus")]
    Serve {
        /// The table of the configuration that its keys stand in: `metrics.pull_cache`, or `metrics.prometheus`.
        table: &'static str,
        /// Reason, in the words of the frame.
        cause: ferrometer_http::ServeError,
    },
    /// The directory in which the pull cache keeps its generations, `metrics.pull_cache.path`, cannot be used.
    #[cfg(feature = "pull-cache")]
    CachePath(ferrometer_pull_cache::OpenError),
    /// The file or the secrets of the servers that are managed, `metrics.metric_servers`, cannot be used.
    #[cfg(feature = "metric-servers")]
    MetricServers(ferrometer_metric_servers::OpenError),
    /// A backend cannot work with what is configured for it.
    Setting {
        /// The key, or the environment variable.
        key: String,
        /// The value that was found, or what is wrong with it where it is a secret.
        found: String,
        /// Allowed values.
        allowed: String,
    },
    /// A node, or the options for agents, are wrong.
    #[cfg(any(feature = "agent", feature = "lookup"))]
    Lookup(String),
    /// A backend could not be started.
    Install(InstallError),
    /// One of the others, for a key that a file or a variable gave, or whose path is a relative one.
    Explained {
        /// The place in the file, or the variable; `None` for a value that was set in code.
        place: Option<String>,
        /// The directory in which the relative path was looked up.
        looked_up_in: Option<PathBuf>,
        /// The error itself.
        cause: Box<Error>,
    },
}

impl Error {
    /// Adds the place of the key that is wrong, where a source gave it.
    pub(crate) fn explained(self, config: &Config) -> Error {
        let key = match &self {
            Error::Config(config::Error::BackendNotCompiled { .. }) => "metrics.backend".to_owned(),
            Error::NotCompiled { key, .. } | Error::Incomplete { key, .. } => (*key).to_owned(),
            #[cfg(feature = "prometheus")]
            Error::Serve { cause, .. } => {
                // A peer has no row of its own; the list of them has a place.
                let row = cause.setting().map(|setting| format!("metrics.pull_cache.{setting}"));
                row.unwrap_or_default()
            }
            #[cfg(feature = "pull-cache")]
            Error::CachePath(_) => "metrics.pull_cache.path".to_owned(),
            #[cfg(feature = "metric-servers")]
            Error::MetricServers(_) => "metrics.metric_servers.path".to_owned(),
            Error::Setting { key, .. } => key.clone(),
            #[cfg(any(feature = "agent", feature = "lookup"))]
            Error::Lookup(_) => return self,
            Error::Config(_) | Error::Install(_) | Error::Explained { .. } => return self,
        };
        let (place, looked_up_in) = (config.place(&key), config.looked_up_in(&key));
        if place.is_none() && looked_up_in.is_none() {
            return self;
        }
        Error::Explained { place, looked_up_in, cause: Box::new(self) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(error) => error.fmt(f),
            Error::NotCompiled { key, feature } => {
                write!(
                    f,
                    "{key} asks for what is not part of this build; enable the cargo feature \"{feature}\" of ferrometer"
                )
            }
            Error::Incomplete { key, missing } => {
                write!(f, "{key} is set and {missing} is not; they are needed together")
            }
            #[cfg(feature = "prometheus")]
            Error::Serve { table, cause } => f.write_str(&cause.describe(|setting| format!("{table}.{setting}"))),
            #[cfg(feature = "pull-cache")]
            Error::CachePath(cause) => write!(f, "metrics.pull_cache.path: {cause}"),
            #[cfg(feature = "metric-servers")]
            Error::MetricServers(cause) => write!(f, "metrics.metric_servers.path: {cause}"),
            Error::Setting { key, found, allowed } => {
                let found: String = found.escape_debug().take(200).collect();
                write!(f, "{key} = \"{found}\": expected {allowed}")
            }
            #[cfg(any(feature = "agent", feature = "lookup"))]
            Error::Lookup(message) => f.write_str(message),
            Error::Install(error) => error.fmt(f),
            Error::Explained { place, looked_up_in, cause } => {
                if let Some(place) = place {
                    write!(f, "{place}: ")?;
                }
                cause.fmt(f)?;
                match looked_up_in {
                    Some(directory) => write!(f, "; the path is looked up in {}", directory.display()),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Config(error) => Some(error),
            #[cfg(feature = "prometheus")]
            Error::Serve { cause, .. } => Some(cause),
            #[cfg(feature = "pull-cache")]
            Error::CachePath(cause) => Some(cause),
            #[cfg(feature = "metric-servers")]
            Error::MetricServers(cause) => Some(cause),
            Error::Install(error) => Some(error),
            Error::Explained { cause, .. } => Some(cause),
            #[cfg(any(feature = "agent", feature = "lookup"))]
            Error::Lookup(_) => None,
            Error::NotCompiled { .. } | Error::Incomplete { .. } | Error::Setting { .. } => None,
        }
    }
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Error {
        Error::Config(error)
    }
}

impl From<InstallError> for Error {
    fn from(error: InstallError) -> Error {
        Error::Install(error)
    }
}
