//! Where metrics may be sent, when the destination comes from somebody who must not reach everything that this machine reaches.
//!
//! Addresses are judged after the host's name was looked up, and the connection goes to an address that was judged: a name that resolves
//! elsewhere the next time gains nothing.

use crate::invalid::Invalid;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Services that hand out credentials to any caller from inside a cloud, outside of the link-local networks.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// A policy of destinations. Link-local, multicast and unspecified addresses and those of metadata services are never sent to; with a list,
/// nothing but what is in it.
///
/// ```
/// use ferrometer_push::Destinations;
///
/// let any = Destinations::default();
/// assert!(any.check("influx.example", "10.0.0.7".parse().unwrap()).is_ok());
/// assert!(any.check("influx.example", "169.254.169.254".parse().unwrap()).is_err());
///
/// let few = Destinations::new(["10.0.0.0/8", "*.example.com"])?;
/// assert!(few.check("metrics.example.com", "192.0.2.1".parse().unwrap()).is_ok());
/// assert!(few.check("elsewhere.example", "192.0.2.1".parse().unwrap()).is_err());
/// # Ok::<(), ferrometer_push::Invalid>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    allowed: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// A network: its address and the length of its prefix.
    Network(IpAddr, u8),
    /// A host's name, in lower case.
    Host(String),
    /// The end of a host's name, with its dot, in lower case.
    Below(String),
}

impl Destinations {
    /// Creates a policy with a list of what is allowed: addresses, networks (`10.0.0.0/8`), names of hosts, and all names below one (`*.example.com`). With
    /// an empty list everything is allowed that is not forbidden always.
    ///
    /// # Errors
    /// [`Invalid`], setting `allowed_destinations`: an entry is none of these.
    pub fn new<T: AsRef<str>>(allowed: impl IntoIterator<Item = T>) -> Result<Destinations, Invalid> {
        let entry = |text: T| {
            let text = text.as_ref();
            let allowed = "an address, a network such as 10.0.0.0/8, a host's name, or *. and the end of one";
            parse(text).ok_or_else(|| Invalid::new("allowed_destinations", text, allowed))
        };
        Ok(Destinations { allowed: allowed.into_iter().map(entry).collect::<Result<_, _>>()? })
    }

    /// Judges an address that a host has.
    ///
    /// # Errors
    /// Why nothing is sent there, in a sentence for the log.
    pub fn check(&self, host: &str, ip: IpAddr) -> Result<(), String> {
        let ip = embedded(ip);
        if let Some(kind) = forbidden(ip) {
            return Err(format!("{host} has the address {ip}, {kind}, where metrics are never sent"));
        }
        if self.allowed.is_empty() || self.allowed.iter().any(|entry| entry.covers(host, ip)) {
            return Ok(());
        }
        Err(format!("{host} with the address {ip} is not among the allowed destinations"))
    }
}

impl Entry {
    fn covers(&self, host: &str, ip: IpAddr) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match self {
            Entry::Network(network, bits) => is_in(ip, *network, *bits),
            Entry::Host(name) => host == *name,
            Entry::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
        }
    }
}

fn parse(text: &str) -> Option<Entry> {
    if let Some((network, bits)) = text.split_once('/') {
        let network: IpAddr = network.parse().ok()?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most)?;
        return Some(Entry::Network(network, bits));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        let ip = embedded(ip);
        return Some(Entry::Network(ip, if ip.is_ipv4() { 32 } else { 128 }));
    }
    let (name, is_end) = text.strip_prefix("*.").map_or((text, false), |end| (end, true));
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if name.len() > 253 || !name.split('.').all(is_label) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    Some(if is_end { Entry::Below(format!(".{name}")) } else { Entry::Host(name) })
}

/// Returns the IPv4 address that an IPv6 address carries (mapped, NAT64, 6to4), which is where its packets end.
fn embedded(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = ip else { return ip };
    let parts = six.segments();
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            four(high, low)
        }
        _ => ip,
    }
}

/// Returns the kind of an address that is never sent to.
fn forbidden(ip: IpAddr) -> Option<&'static str> {
    let is_metadata = match ip {
        IpAddr::V4(four) => METADATA_V4.contains(&four),
        IpAddr::V6(six) => METADATA_V6.contains(&six),
    };
    let is_link_local = match ip {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.segments()[0] & 0xffc0 == 0xfe80,
    };
    let is_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    match ip {
        _ if is_link_local => Some("a link-local address"),
        _ if is_metadata => Some("the address of a metadata service"),
        _ if ip.is_unspecified() => Some("an unspecified address"),
        _ if ip.is_multicast() || is_broadcast => Some("an address of many"),
        _ => None,
    }
}

fn is_in(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let shift = |width: u8| u32::from(width - bits);
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let (ip, network) = (u32::from(ip), u32::from(network));
            ip.checked_shr(shift(32)).unwrap_or(0) == network.checked_shr(shift(32)).unwrap_or(0)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let (ip, network) = (u128::from(ip), u128::from(network));
            ip.checked_shr(shift(128)).unwrap_or(0) == network.checked_shr(shift(128)).unwrap_or(0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_addresses_are_never_sent_to_in_whatever_form() {
        // Even where a list has them.
        let all = Destinations::new(["0.0.0.0/0", "::/0", "host"]).unwrap();
        for ip in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            let said = all.check("host", ip.parse().unwrap()).unwrap_err();
            assert!(said.contains("never sent"), "{ip}: {said}");
        }
        for ip in ["127.0.0.1", "::1", "10.1.2.3", "192.0.2.1", "2001:db8::1", "fec0::1"] {
            assert!(all.check("host", ip.parse().unwrap()).is_ok(), "{ip}");
        }
    }

    #[test]
    fn a_list_allows_what_is_in_it_and_nothing_else() {
        let few = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "exact.example", "*.example.com"];
        let few = Destinations::new(few).unwrap();
        for (host, ip, expected) in [
            ("a", "10.255.0.1", true),
            ("a", "11.0.0.1", false),
            ("a", "2001:db8:1::", true),
            ("a", "2001:db9::", false),
            ("a", "192.0.2.7", true),
            ("a", "::ffff:192.0.2.7", true),
            ("a", "192.0.2.8", false),
            ("EXACT.example.", "192.0.2.8", true),
            ("not.exact.example", "192.0.2.8", false),
            ("x.example.com", "192.0.2.8", true),
            ("example.com", "192.0.2.8", false),
            ("evilexample.com", "192.0.2.8", false),
            (".example.com", "192.0.2.8", false),
        ] {
            assert_eq!(few.check(host, ip.parse().unwrap()).is_ok(), expected, "{host} {ip}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "::/129", "a b", "*", "*.", "a..b", "http://a"] {
            let error = Destinations::new([bad]).unwrap_err();
            assert_eq!((error.setting, error.found.as_str()), ("allowed_destinations", bad));
        }
        assert!(Destinations::new(["0.0.0.0/0"]).unwrap().check("a", "203.0.113.9".parse().unwrap()).is_ok());
    }
}
