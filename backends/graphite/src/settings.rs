//! What a backend for Graphite is made of.

use ferrometer_push::memory_bound::{self, DISTRIBUTION, NAME_AND_LABELS};
use ferrometer_push::{Destinations, Invalid, Proto, SocketSettings};
use std::time::Duration;

/// Configuration of the [`Graphite`](crate::Graphite) backend. The names and defaults are those of Proxmox VE.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The server: a name or an address.
    pub server: String,
    /// Its port, 1 to 65535. Default 2003.
    pub port: u16,
    /// UDP or TCP. Default UDP.
    pub proto: Proto,
    /// How long a connection over TCP, or a write to it, may take. Default 1 s.
    pub timeout: Duration,
    /// The largest packet of the network, in bytes: 512 to 65,536. Datagrams have 50 bytes less. Default 1500.
    pub mtu: usize,
    /// What stands before each name: labels of letters, digits and `-`, joined with dots. Empty for nothing. Default `proxmox`.
    pub path: String,
    /// Whether labels travel as Graphite's tags, `name;key=value`. Default: no, they are folded into the name, `name.key.value`.
    pub tags: bool,
    /// Where metrics may be sent. Default: everywhere.
    pub destinations: Option<Destinations>,
}

impl Settings {
    /// The defaults, for a server.
    #[must_use]
    pub fn new(server: impl Into<String>) -> Settings {
        Settings {
            server: server.into(),
            port: 2003,
            proto: Proto::Udp,
            timeout: Duration::from_secs(1),
            mtu: 1500,
            path: "proxmox".to_owned(),
            tags: false,
            destinations: None,
        }
    }

    /// Sets the port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Settings {
        self.port = port;
        self
    }

    /// Sets how lines travel.
    #[must_use]
    pub fn proto(mut self, proto: Proto) -> Settings {
        self.proto = proto;
        self
    }

    /// Sets what stands before each name.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Settings {
        self.path = path.into();
        self
    }

    /// Sets whether labels travel as tags.
    #[must_use]
    pub fn tags(mut self, tags: bool) -> Settings {
        self.tags = tags;
        self
    }

    /// Returns the most memory that a backend of these settings takes, in bytes, in a program with `series` series.
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        let text = NAME_AND_LABELS.saturating_add(self.path.len());
        let kept = series.saturating_mul(DISTRIBUTION);
        memory_bound::max_bytes(series, self.mtu.max(crate::TCP_BYTES), text).saturating_add(kept)
    }

    pub(crate) fn check(&self) -> Result<SocketSettings, Invalid> {
        if self.server.trim().is_empty() || self.server.contains(char::is_whitespace) {
            return Err(Invalid::new("server", &self.server, "a host's name or address"));
        }
        if self.port == 0 {
            return Err(Invalid::new("port", "0", "1 to 65535"));
        }
        if !(512..=65_536).contains(&self.mtu) {
            return Err(Invalid::new("mtu", self.mtu.to_string(), "512 to 65536 bytes"));
        }
        if !self.path.is_empty() && !self.path.split('.').all(is_label) {
            let allowed = "labels of letters, digits and `-` (not first or last), joined with dots";
            return Err(Invalid::new("path", &self.path, allowed));
        }
        let mut socket = SocketSettings::new(&self.server, self.port);
        (socket.proto, socket.timeout) = (self.proto, self.timeout);
        socket.destinations.clone_from(&self.destinations);
        Ok(socket)
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let good = Settings::new("localhost");
        for path in ["", "a", "proxmox", "a-b.c9.D"] {
            assert!(good.clone().path(path).check().is_ok(), "{path}");
        }
        for path in [".", "a..b", "-a", "a-", "a b", "a_b", "é", "a.", "a\nb 1 2"] {
            let error = good.clone().path(path).check().unwrap_err();
            assert_eq!((error.setting, error.found.as_str()), ("path", path));
        }
        assert_eq!(good.clone().port(0).check().unwrap_err().setting, "port");
        assert_eq!(Settings::new("a b").check().unwrap_err().setting, "server");
        for mtu in [511, 65_537] {
            let settings = Settings { mtu, ..good.clone() };
            assert_eq!(
                settings.check().unwrap_err().to_string(),
                format!("mtu is `{mtu}`; allowed: 512 to 65536 bytes")
            );
        }
    }
}
