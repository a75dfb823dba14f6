//! What a backend for InfluxDB is made of.

use ferrometer_push::memory_bound::{self, DISTRIBUTION, NAME_AND_LABELS};
use ferrometer_push::{Destinations, HttpSettings, Invalid, Secret, SocketSettings};
use form_urlencoded::Serializer;
use std::path::PathBuf;
use std::time::Duration;

/// How lines travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// In datagrams.
    #[default]
    Udp,
    /// In requests.
    Http,
    /// In requests over TLS.
    Https,
}

/// Which routes the server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Api {
    /// `/api/v2/write` and `/health`: InfluxDB from 1.8 on, VictoriaMetrics, Telegraf.
    #[default]
    V2,
    /// `/write` and `/ping`, where the bucket is the database: InfluxDB before 1.8.
    V1,
}

/// Configuration of the [`InfluxDb`](crate::InfluxDb) backend. The names and defaults are those of Proxmox VE.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The server: a name or an address.
    pub server: String,
    /// Its port, 1 to 65535. Customary are 8089 for UDP and 8086 for HTTP.
    pub port: u16,
    /// How lines travel. Default UDP.
    pub influxdbproto: Protocol,
    /// Which routes the server has. Default v2.
    pub api: Api,
    /// The organization that the bucket belongs to. Default `proxmox`.
    pub organization: String,
    /// Where lines are kept. Default `proxmox`.
    pub bucket: String,
    /// The token that a request shows. Default none.
    pub token: Option<Secret>,
    /// What stands before `/api/v2/write` in the path. Default nothing.
    pub api_path_prefix: String,
    /// How long a request may take. Default 1 s.
    pub timeout: Duration,
    /// The largest packet of the network, in bytes: 512 to 65,536. Datagrams have 50 bytes less. Default 1500.
    pub mtu: usize,
    /// The largest body of a request before it is compressed, in bytes: at least 1. Default 25,000,000.
    pub max_body_size: usize,
    /// Whether bodies are compressed with gzip. Default: yes.
    pub gzip: bool,
    /// Whether the server's certificate must be valid and its own. Default: yes.
    pub verify_certificate: bool,
    /// Certificates, as PEM, of authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// A directory in which bodies are kept that a server missed, for this process or a later one. The server gets them in order, with their own time
    /// stamps, when it is back. It is made where it is missing, and is for one backend of one process at a time. Default none.
    pub spool: Option<PathBuf>,
    /// The most bytes that are kept there; beyond them the oldest go. Default 100,000,000.
    pub spool_max_bytes: u64,
    /// Where metrics may be sent. Default: everywhere.
    pub destinations: Option<Destinations>,
}

impl Settings {
    /// The defaults, for a server.
    #[must_use]
    pub fn new(server: impl Into<String>, port: u16) -> Settings {
        Settings {
            server: server.into(),
            port,
            influxdbproto: Protocol::Udp,
            api: Api::V2,
            organization: "proxmox".to_owned(),
            bucket: "proxmox".to_owned(),
            token: None,
            api_path_prefix: String::new(),
            timeout: Duration::from_secs(1),
            mtu: 1500,
            max_body_size: 25_000_000,
            gzip: true,
            verify_certificate: true,
            ca: None,
            spool: None,
            spool_max_bytes: 100_000_000,
            destinations: None,
        }
    }

    /// Sets how lines travel.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Settings {
        self.influxdbproto = protocol;
        self
    }

    /// Sets the organization and the bucket.
    #[must_use]
    pub fn bucket(mut self, organization: impl Into<String>, bucket: impl Into<String>) -> Settings {
        (self.organization, self.bucket) = (organization.into(), bucket.into());
        self
    }

    /// Sets the token.
    #[must_use]
    pub fn token(mut self, token: impl Into<Secret>) -> Settings {
        self.token = Some(token.into());
        self
    }

    /// Returns the most memory that a backend of these settings takes, in bytes, in a program with `series` series.
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        let body = if self.influxdbproto == Protocol::Udp { self.mtu } else { self.max_body_size };
        // Each character may get a backslash.
        let kept = series.saturating_mul(DISTRIBUTION);
        memory_bound::max_bytes(series, body, 2 * NAME_AND_LABELS).saturating_add(kept)
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if self.server.trim().is_empty() || self.server.contains(|c: char| c.is_whitespace() || "/@?#".contains(c)) {
            return Err(Invalid::new("server", &self.server, "a host's name or address"));
        }
        if self.port == 0 {
            return Err(Invalid::new("port", "0", "1 to 65535"));
        }
        if !(512..=65_536).contains(&self.mtu) {
            return Err(Invalid::new("mtu", self.mtu.to_string(), "512 to 65536 bytes"));
        }
        if self.max_body_size == 0 {
            return Err(Invalid::new("max_body_size", "0", "at least 1 byte"));
        }
        for (name, text) in [("organization", &self.organization), ("bucket", &self.bucket)] {
            if text.is_empty() {
                return Err(Invalid::new(name, "", "a text that is not empty"));
            }
        }
        let prefix = &self.api_path_prefix;
        if prefix.contains(|c: char| c.is_whitespace() || c.is_control() || "?#".contains(c)) {
            return Err(Invalid::new("api_path_prefix", prefix, "a path such as `/influx`"));
        }
        Ok(())
    }

    pub(crate) fn socket(&self) -> SocketSettings {
        let mut socket = SocketSettings::new(&self.server, self.port);
        socket.timeout = self.timeout;
        socket.destinations.clone_from(&self.destinations);
        socket
    }

    /// Everything before the route: `http://host:port/prefix/`.
    fn base(&self) -> String {
        let scheme = if self.influxdbproto == Protocol::Https { "https" } else { "http" };
        let bare = self.server.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        let prefix = self.api_path_prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        format!("{scheme}://{host}:{}/{prefix}", self.port)
    }

    pub(crate) fn write_url(&self) -> String {
        let mut query = Serializer::new(String::new());
        let route = match self.api {
            Api::V2 => {
                query.append_pair("org", &self.organization).append_pair("bucket", &self.bucket);
                "api/v2/write"
            }
            Api::V1 => {
                query.append_pair("db", &self.bucket);
                "write"
            }
        };
        format!("{}{route}?{}", self.base(), query.finish())
    }

    pub(crate) fn health_url(&self) -> String {
        format!("{}{}", self.base(), if self.api == Api::V2 { "health" } else { "ping" })
    }

    pub(crate) fn http(&self) -> HttpSettings {
        let mut http = HttpSettings::new(self.write_url());
        if let Some(token) = self.token.as_ref().filter(|token| !token.is_empty()) {
            let value = Secret::new(format!("Token {}", token.reveal()));
            http.headers.push(("Authorization".to_owned(), value));
        }
        http.timeout = self.timeout;
        http.verify_certificate = self.verify_certificate;
        http.ca.clone_from(&self.ca);
        http.destinations.clone_from(&self.destinations);
        http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_encoded() {
        let mut settings = Settings::new("::1", 8086).bucket("c ool/org", "a🔒nother&bu=ck?et");
        settings.influxdbproto = Protocol::Https;
        assert_eq!(
            settings.write_url(),
            "https://[::1]:8086/api/v2/write?org=c+ool%2Forg&bucket=a%F0%9F%94%92nother%26bu%3Dck%3Fet"
        );
        for prefix in ["foo", "/foo", "foo/", "/foo/"] {
            settings.api_path_prefix = prefix.to_owned();
            assert_eq!(settings.health_url(), "https://[::1]:8086/foo/health");
        }
        settings.api = Api::V1;
        assert_eq!(settings.health_url(), "https://[::1]:8086/foo/ping");
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_token_is_shown() {
        let good = Settings::new("localhost", 8086).token("hush");
        assert!(good.check().is_ok());
        assert!(!format!("{good:?}").contains("hush"));
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check().unwrap_err().setting
        };
        assert_eq!(wrong(|s| s.server = "me@host".into()), "server");
        assert_eq!(wrong(|s| s.port = 0), "port");
        assert_eq!(wrong(|s| s.mtu = 100), "mtu");
        assert_eq!(wrong(|s| s.max_body_size = 0), "max_body_size");
        assert_eq!(wrong(|s| s.bucket.clear()), "bucket");
        assert_eq!(wrong(|s| s.api_path_prefix = "a?b".into()), "api_path_prefix");
    }
}
