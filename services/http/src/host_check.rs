//! Names under which the server may be asked.
//!
//! A page in a browser on this machine can reach a loopback address under a name of its own (DNS rebinding), and then read the answer as
//! its own. The browser says in `Host` which name it asked; only ours are answered.

use axum::http::{HeaderMap, Uri, Version, header};
use std::net::IpAddr;

#[derive(Debug)]
pub(crate) struct Hosts {
    /// Beside these: `localhost` and loopback addresses.
    more: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// There is no host, or there are two.
    Malformed,
    /// Another one than ours.
    Other(String),
}

impl Hosts {
    /// With the address that is bound, if it is known.
    pub(crate) fn new(more: &[String], bound: Option<IpAddr>) -> Hosts {
        let more = more.iter().map(|host| normal(host)).chain(bound.map(|ip| ip.to_string()));
        Hosts { more: more.collect() }
    }

    pub(crate) fn check(&self, uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), Wrong> {
        let mut lines = headers.get_all(header::HOST).into_iter();
        let host = match (lines.next(), lines.next()) {
            (Some(host), None) => Some(host.to_str().map_err(|_| Wrong::Malformed)?),
            (None, None) if version < Version::HTTP_11 => None,
            _ => return Err(Wrong::Malformed),
        };
        // A request line with a full address must be ours too.
        for given in uri.authority().map(|authority| authority.as_str()).into_iter().chain(host) {
            let name = without_port(given).ok_or(Wrong::Malformed)?;
            if !self.ours(name) {
                return Err(Wrong::Other(given.chars().take(64).collect()));
            }
        }
        Ok(())
    }

    fn ours(&self, host: &str) -> bool {
        let host = normal(host);
        host == "localhost"
            || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
            || self.more.contains(&host)
    }
}

/// Returns whether this can be a host: a name or an address.
pub(crate) fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>().is_ok();
    let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    address || (!text.is_empty() && text.len() <= 253 && text.chars().all(letter))
}

/// In small letters, without the dot of the root and the brackets of IPv6; an address in its one form.
fn normal(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host.parse::<IpAddr>().map_or(host, |ip| ip.to_string())
}

/// The host of `host:port`, `[::1]:port`, or either without port.
fn without_port(text: &str) -> Option<&str> {
    let (host, port) = match text.rfind(']') {
        Some(end) if text.starts_with('[') => (&text[..=end], &text[end + 1..]),
        Some(_) => return None,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    (!host.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn ours_and_others() {
        let hosts = Hosts::new(&["Metrics.example.com".to_owned()], Some("10.0.0.1".parse().unwrap()));
        let check = |uri: &str, host: Option<&str>| {
            let headers = host.map(|host| (header::HOST, HeaderValue::from_str(host).unwrap())).into_iter().collect();
            hosts.check(&uri.parse().unwrap(), Version::HTTP_11, &headers)
        };
        for good in [
            "localhost",
            "LOCALHOST:9620",
            "localhost.",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:9620",
            "[0:0::1]",
            "[::ffff:127.0.0.1]",
            "10.0.0.1:9620",
            "metrics.EXAMPLE.com",
            "metrics.example.com.:80",
        ] {
            assert_eq!(check("/", Some(good)), Ok(()), "{good}");
        }
        for other in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.2", "[::2]:9620", "0.0.0.0"]
        {
            assert_eq!(check("/", Some(other)), Err(Wrong::Other(other.to_owned())));
        }
        for malformed in ["", "::1", "localhost:x", "localhost:1:2", "[::1", "a]b", "[::1]x"] {
            assert!(check("/", Some(malformed)).is_err(), "{malformed}");
        }
        assert_eq!(check("/", None), Err(Wrong::Malformed));
        assert_eq!(check("http://evil.example/", Some("localhost")), Err(Wrong::Other("evil.example".to_owned())));
        assert_eq!(hosts.check(&"/".parse().unwrap(), Version::HTTP_10, &HeaderMap::new()), Ok(()));
        let two = ["localhost", "localhost"].map(|h| (header::HOST, HeaderValue::from_static(h)));
        assert_eq!(
            hosts.check(&"/".parse().unwrap(), Version::HTTP_11, &HeaderMap::from_iter(two)),
            Err(Wrong::Malformed)
        );
        for (text, expected) in
            [("a.b", true), ("::1", true), ("[::1]", true), ("a:80", false), ("http://a", false), ("", false)]
        {
            assert_eq!(is_host(text), expected, "{text}");
        }
    }
}
