//! Where the servers are described, how often each is delivered to, and to where.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What [`MetricServers`](crate::MetricServers) is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The section file, in the format of Proxmox VE's `status.cfg`. It is made when the first server is created, with mode 0640.
    pub path: PathBuf,
    /// The directory of secrets, each in a file of mode 0600. Default: `priv/metricserver` beside the section file.
    pub secrets: PathBuf,
    /// Time between two deliveries to each server. Default 10 s.
    pub interval: Duration,
    /// How long a server that is replaced or removed may take for its last delivery. Default 2 s.
    pub deadline: Duration,
    /// Destinations that are allowed: addresses, networks (`10.0.0.0/8`), names, names below one (`*.example.com`). Empty: all but those that never are.
    pub allowed_destinations: Vec<String>,
    /// The most servers, 1 to 256. Each has a thread. Default 32.
    pub max_servers: usize,
}

impl Settings {
    /// Creates settings with the defaults, for a section file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Settings {
        let path = path.into();
        Settings {
            secrets: path.with_file_name("priv").join("metricserver"),
            path,
            interval: Duration::from_secs(10),
            deadline: Duration::from_secs(2),
            allowed_destinations: Vec::new(),
            max_servers: 32,
        }
    }

    /// Sets the directory of secrets.
    #[must_use]
    pub fn secrets(mut self, dir: impl Into<PathBuf>) -> Settings {
        self.secrets = dir.into();
        self
    }

    /// Sets the time between two deliveries.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Settings {
        self.interval = interval;
        self
    }

    /// Sets how long a last delivery may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Settings {
        self.deadline = deadline;
        self
    }

    /// Sets the destinations that are allowed.
    #[must_use]
    pub fn allowed_destinations<T: Into<String>>(mut self, allowed: impl IntoIterator<Item = T>) -> Settings {
        self.allowed_destinations = allowed.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the most servers.
    #[must_use]
    pub fn max_servers(mut self, most: usize) -> Settings {
        self.max_servers = most;
        self
    }
}

/// Why servers cannot be managed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting cannot be used.
    Setting {
        /// Its name: `max_servers`.
        setting: &'static str,
        /// The value that was found.
        found: String,
        /// The values that are allowed.
        allowed: String,
    },
    /// The section file, or the directory of secrets, cannot be used.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Setting { setting, found, allowed } => {
                let found: String = found.escape_debug().take(200).collect();
                write!(f, "{setting} is `{found}`; allowed: {allowed}")
            }
            OpenError::File { path, cause } => write!(f, "{}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Setting { .. } => None,
            OpenError::File { cause, .. } => Some(cause),
        }
    }
}
