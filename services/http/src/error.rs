//! Reasons why a frame cannot be served.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// The reason why a frame cannot be served. Messages name settings as this crate does, and its functions; anyone who reads settings from a
/// configuration says how they are called there with [`describe`](ServeError::describe), which names no function.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        cause: io::Error,
    },
    /// Other machines can reach the address, and everything would go over the network as plain text.
    Plaintext {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Other machines can reach the address, and anyone who does could read.
    Anonymous {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A setting of the frame or of a service is wrong.
    Setting {
        /// Its name: `max_connections`.
        setting: &'static str,
        /// Value that was found and those that are allowed, in words that show no secret, to stand behind the name: ` = 0: allowed is 1 to 65536`.
        why: String,
    },
    /// A service has a route that cannot be served: its path is none, or another route has it already.
    Route {
        /// The service.
        service: &'static str,
        /// The whole path.
        path: String,
    },
    /// The system gave no thread, or nothing to wait for connections with (descriptors, as a rule); the cause says which.
    Thread(io::Error),
}

impl ServeError {
    /// Returns the setting that is wrong, if it is one.
    #[must_use]
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            ServeError::Bind { .. } | ServeError::Plaintext { .. } | ServeError::Anonymous { .. } => Some("address"),
            ServeError::Setting { setting, .. } => Some(setting),
            ServeError::Route { .. } | ServeError::Thread(_) => None,
        }
    }

    /// Returns the message with settings called by other names: `name` gives the name of a setting in the caller's words.
    ///
    /// ```
    /// use ferrometer_http::{Frame, Limits};
    ///
    /// let wrong = Frame::new().limits(Limits { max_requests: 0, ..Limits::default() }).check().unwrap_err();
    /// assert_eq!(wrong.to_string(), "max_requests = 0: allowed is 1 to 65536");
    /// let message = wrong.describe(|setting| format!("metrics.http.{setting}"));
    /// assert_eq!(message, "metrics.http.max_requests = 0: allowed is 1 to 65536");
    ///
    /// let wrong = Frame::new().address("0.0.0.0:0".parse().unwrap()).check().unwrap_err();
    /// assert!(wrong.to_string().contains("set tls_cert and tls_key (`Frame::tls`)"));
    /// let message = wrong.describe(|setting| format!("http.{setting}"));
    /// assert!(message.contains("set http.tls_cert and http.tls_key, or http.allow_plaintext = true, or a loopback address"));
    /// ```
    #[must_use]
    pub fn describe(&self, name: impl Fn(&str) -> String) -> String {
        self.told(name, |_| String::new())
    }

    /// Returns the message; `by` says how a program sets something.
    fn told(&self, name: impl Fn(&str) -> String, by: impl Fn(&str) -> String) -> String {
        match self {
            ServeError::Bind { address, cause } => {
                format!("{} = \"{address}\": cannot be listened on: {cause}", name("address"))
            }
            ServeError::Plaintext { address } => format!(
                "{} = \"{address}\": other machines can reach it, and there is no TLS; set {} and {}{}, or {} = true{}, or a loopback address",
                name("address"),
                name("tls_cert"),
                name("tls_key"),
                by(" (`Frame::tls`)"),
                name("allow_plaintext"),
                by(" (`Frame::allow_plaintext`)")
            ),
            ServeError::Anonymous { address } => format!(
                "{} = \"{address}\": other machines can reach it, and there are no tokens; set {} or {}{}, or {} = true{}, or a loopback address",
                name("address"),
                name("tokens"),
                name("tokens_file"),
                by(" (`Frame::tokens`, `Frame::tokens_file`)"),
                name("allow_anonymous"),
                by(" (`Frame::allow_anonymous`)")
            ),
            ServeError::Setting { setting, why } => format!("{}{why}", name(setting)),
            ServeError::Route { service, path } => {
                format!("the service {service} has a route {path:?} that is no path, or that is served already")
            }
            ServeError::Thread(cause) => {
                format!("the system gives no thread, or no descriptors, to serve with: {cause}")
            }
        }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(str::to_owned, str::to_owned))
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Bind { cause, .. } | ServeError::Thread(cause) => Some(cause),
            _ => None,
        }
    }
}
