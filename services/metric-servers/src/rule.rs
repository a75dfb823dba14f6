//! Rules of single values: what is allowed, the form in which it is kept, and the words in which Proxmox VE or Proxmox Backup Server refuses it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ferrometer_http::{Uri, shorten};
use serde_json::Value;
use std::net::Ipv6Addr;

/// Whose route, and whose section, it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Proxmox VE.
    Pve,
    /// Proxmox Backup Server.
    Pbs,
}

/// Allowed values of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Boolean,
    /// From, to.
    Integer(u64, u64),
    /// From a least to a greatest number of characters, none of them a control character.
    Text(usize, usize),
    Choice(&'static [&'static str]),
    /// A host's name or an IP address.
    Address,
    GraphitePath,
    /// An `http` or `https` address without user and password.
    Url,
    /// `host:port`.
    HostPort,
    /// Printable ASCII; kept apart and never shown.
    Secret,
    /// Base64 of a JSON object of headers; kept apart and never shown.
    Headers,
    /// Base64 of a JSON object of attributes.
    Attributes,
}

/// The longest base64 of an object, as upstream.
const MOST_BASE64: usize = 1024;
const MOST_SECRET: usize = 4096;

impl Rule {
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Rule::Secret | Rule::Headers)
    }

    /// Returns the value in the form in which it is kept.
    ///
    /// # Errors
    /// Why it is not allowed, in upstream's words; never with a secret in them.
    pub(crate) fn check(self, value: &str, words: Words) -> Result<String, String> {
        let format = |why: &str| match words {
            Words::Pve => format!("invalid format - {why}\n"),
            Words::Pbs => why.to_owned(),
        };
        if value.chars().any(char::is_control) {
            return Err(format("value contains a line feed or another control character"));
        }
        let kept = || Ok(value.to_owned());
        match self {
            Rule::Boolean => boolean(value, words),
            Rule::Integer(from, to) => integer(value, from, to, words),
            Rule::Text(from, to) => text(value, from, to, words),
            Rule::Choice(all) if all.contains(&value) => kept(),
            Rule::Choice(all) => {
                let all = all.join(", ");
                Err(format!("value '{}' does not have a value in the enumeration '{all}'", shorten(value)))
            }
            Rule::Address if is_address(value) => kept(),
            Rule::Address => Err(format(&format!("value does not look like a valid address: {}", shorten(value)))),
            Rule::GraphitePath if value.split('.').all(is_label) => kept(),
            Rule::GraphitePath => Err(format("value does not look like a valid graphite path")),
            Rule::Url => url(value).map(|_| value.to_owned()).map_err(|why| format(&why)),
            Rule::HostPort => host_port(value)
                .map(|_| value.to_owned())
                .ok_or_else(|| format(&format!("value is not of the form host:port: {}", shorten(value)))),
            Rule::Secret => {
                let is_whole = !value.is_empty() && value.len() <= MOST_SECRET && value.bytes().all(is_printable);
                if is_whole {
                    kept()
                } else {
                    Err(format("value is no token: expected 1 to 4096 printable ASCII characters"))
                }
            }
            Rule::Headers => {
                let pairs = object(value).map_err(|why| format(&why))?;
                let is_header = |(name, value): &(String, String)| {
                    !name.is_empty()
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                        && value.bytes().all(is_printable)
                };
                match pairs.iter().all(is_header) {
                    true => kept(),
                    false => Err(format("value has a header with a name or value that headers cannot have")),
                }
            }
            Rule::Attributes => {
                let pairs = object(value).map_err(|why| format(&why))?;
                if pairs.iter().any(|(name, _)| name.is_empty()) {
                    return Err(format("value has an attribute without a name"));
                }
                kept()
            }
        }
    }

    /// Returns a kept value as the answers of the two have it: numbers as numbers, flags as 0 and 1 or as `false` and `true`.
    pub(crate) fn json(self, kept: &str) -> Value {
        match self {
            Rule::Integer(..) => kept.parse::<u64>().map_or_else(|_| kept.into(), Value::from),
            Rule::Boolean => match kept {
                "1" => 1.into(),
                "0" => 0.into(),
                _ => Value::Bool(kept == "true"),
            },
            _ => kept.into(),
        }
    }
}

/// Returns whether a kept flag is set.
pub(crate) fn is_set(kept: &str) -> bool {
    matches!(kept, "1" | "true")
}

fn boolean(value: &str, words: Words) -> Result<String, String> {
    let is_on = match value.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => true,
        "0" | "off" | "no" | "false" => false,
        _ => {
            return Err(match words {
                Words::Pve => format!("type check ('boolean') failed - got '{}'", shorten(value)),
                Words::Pbs => "Unable to parse boolean option.".to_owned(),
            });
        }
    };
    Ok(match (words, is_on) {
        (Words::Pve, true) => "1",
        (Words::Pve, false) => "0",
        (Words::Pbs, true) => "true",
        (Words::Pbs, false) => "false",
    }
    .to_owned())
}

fn integer(value: &str, from: u64, to: u64, words: Words) -> Result<String, String> {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(match words {
            Words::Pve => format!("type check ('integer') failed - got '{}'", shorten(value)),
            Words::Pbs => "Expected integer value.".to_owned(),
        });
    }
    let (small, large) = match words {
        Words::Pve => {
            (format!("value must have a minimum value of {from}"), format!("value must have a maximum value of {to}"))
        }
        Words::Pbs => {
            let shown = shorten(value);
            (
                format!("value must have a minimum value of {from} (got {shown})"),
                format!("value must have a maximum value of {to} (got {shown})"),
            )
        }
    };
    let number: u64 = digits.parse().unwrap_or(u64::MAX);
    let number = if value.starts_with('-') && number > 0 { return Err(small) } else { number };
    match number {
        n if n < from => Err(small),
        // More digits than a number has make it as large as the largest.
        n if n > to || digits.len() > 19 => Err(large),
        n => Ok(n.to_string()),
    }
}

fn text(value: &str, from: usize, to: usize, words: Words) -> Result<String, String> {
    let found = value.chars().count();
    match words {
        _ if (from..=to).contains(&found) => Ok(value.to_owned()),
        Words::Pve if found < from => Err(format!("value must be at least {from} characters long")),
        Words::Pve => Err(format!("value may only be {to} characters long")),
        Words::Pbs if found < from => Err(format!("value must be at least {from} characters long")),
        Words::Pbs => Err(format!("value may only be {to} characters long")),
    }
}

fn is_printable(b: u8) -> bool {
    b.is_ascii_graphic() || b == b' '
}

/// A label of a name, without a hyphen at its ends.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// An address of IPv4 or IPv6, or a name of the DNS.
fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.contains(':') {
        return bare.parse::<Ipv6Addr>().is_ok();
    }
    text.len() <= 253 && text.split('.').all(|label| label.len() <= 63 && is_label(label))
}

/// The parts of an address that is posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) is_tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// Takes an address apart. The error shows nothing of one with a password in it.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    let wrong = || format!("value is no address such as https://host:8086: {}", shorten(text));
    if text.contains('@') {
        return Err("value is an address with a user or password in it, which would be shown".to_owned());
    }
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(wrong()),
    };
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let has_port = uri.authority().is_some_and(|authority| authority.as_str().len() > host.len());
    if !is_address(host)
        || port == 0
        || (has_port && uri.port_u16().is_none())
        || uri.query().is_some()
        || text.contains('#')
    {
        return Err(wrong());
    }
    Ok(Url { is_tls, host: host.to_owned(), port, path: uri.path().to_owned() })
}

/// Takes `host:port` and `[address]:port` apart.
pub(crate) fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port =
        port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok()).flatten().filter(|port| *port > 0)?;
    let is_whole = is_address(host) && (!host.contains(':') || host.starts_with('['));
    is_whole.then(|| (host.to_owned(), port))
}

/// Reads base64 of a JSON object of texts, numbers and flags.
pub(crate) fn object(text: &str) -> Result<Vec<(String, String)>, String> {
    if text.len() > MOST_BASE64 {
        return Err(format!("value may only be {MOST_BASE64} characters long"));
    }
    let bytes = STANDARD.decode(text).map_err(|_| "value is not base64".to_owned())?;
    let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
    let Ok(Value::Object(all)) = parsed else { return Err("value is not base64 of a JSON object".to_owned()) };
    let one = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        Value::Number(number) => Ok((key, number.to_string())),
        Value::Bool(flag) => Ok((key, flag.to_string())),
        _ => Err("value is base64 of a JSON object with something else than texts in it".to_owned()),
    };
    all.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_in_one_form() {
        for (rule, value, words, expected) in [
            (Rule::Boolean, "Yes", Words::Pve, "1"),
            (Rule::Boolean, "off", Words::Pbs, "false"),
            (Rule::Integer(1, 65_535), "+08086", Words::Pve, "8086"),
            (Rule::Address, "fe80::1", Words::Pve, "fe80::1"),
            (Rule::Address, "influx-1.example.com", Words::Pve, "influx-1.example.com"),
            (Rule::GraphitePath, "a-b.c9.D", Words::Pve, "a-b.c9.D"),
            (Rule::HostPort, "[::1]:8089", Words::Pbs, "[::1]:8089"),
            (Rule::Url, "https://h/x", Words::Pbs, "https://h/x"),
            (Rule::Headers, "eyJhIjoiYiIsIm4iOjF9", Words::Pve, "eyJhIjoiYiIsIm4iOjF9"),
        ] {
            assert_eq!(rule.check(value, words).as_deref(), Ok(expected), "{value}");
        }
        assert_eq!(object("eyJhIjoiYiIsIm4iOjF9").unwrap(), [("a".into(), "b".into()), ("n".into(), "1".into())]);
        let whole = Url { is_tls: true, host: "[::1]".into(), port: 8086, path: "/x".into() };
        assert_eq!(url("https://[::1]:8086/x"), Ok(whole));
        assert_eq!(url("http://host").map(|url| (url.port, url.path)), Ok((80, "/".to_owned())));
    }

    #[test]
    fn values_are_refused_in_upstreams_words() {
        for (rule, value, words, expected) in [
            (Rule::Boolean, "maybe", Words::Pve, "type check ('boolean') failed - got 'maybe'"),
            (Rule::Integer(512, 65_536), "511", Words::Pve, "value must have a minimum value of 512"),
            (Rule::Integer(512, 65_536), "65537", Words::Pve, "value must have a maximum value of 65536"),
            (Rule::Integer(1, u64::MAX), "-1", Words::Pve, "value must have a minimum value of 1"),
            (Rule::Integer(1, 9), "99999999999999999999999", Words::Pve, "value must have a maximum value of 9"),
            (Rule::Integer(1, 9), "1.5", Words::Pve, "type check ('integer') failed - got '1.5'"),
            (
                Rule::Choice(&["udp", "tcp"]),
                "icmp",
                Words::Pve,
                "value 'icmp' does not have a value in the enumeration 'udp, tcp'",
            ),
            (
                Rule::GraphitePath,
                "a..b",
                Words::Pve,
                "invalid format - value does not look like a valid graphite path\n",
            ),
            (Rule::Address, "a b", Words::Pve, "invalid format - value does not look like a valid address: a b\n"),
            (Rule::Text(1, 32), "", Words::Pbs, "value must be at least 1 characters long"),
        ] {
            assert_eq!(rule.check(value, words).unwrap_err(), expected, "{value}");
        }
        for (rule, values) in [
            (
                Rule::Url,
                &[
                    "host",
                    "ftp://h/",
                    "http://",
                    "http://h:x/",
                    "http://h/?a",
                    "http://h:0/",
                    "http://h/#a",
                    "https://u:p@h/",
                ][..],
            ),
            (Rule::HostPort, &["host", ":1", "host:", "host:0", "host:65536", "::1:5", "a b:5", "h:+5"][..]),
            (Rule::Address, &["", "-a", "a..b", "a_b", "[::1", "1::2::3", "a/b", "u@h"][..]),
            (Rule::GraphitePath, &["", ".", "-a", "a-", "a_b", "é", "a\nb"][..]),
            (Rule::Secret, &["", "a\r\nb", "é"][..]),
            (
                Rule::Headers,
                &["", "!", "bm9uZQ==", "W10=", "eyJhIjp7fX0=", "eyJhXG4iOiJiIn0=", "eyJhIjoiYlxuYyJ9", "eyI6IjoxfQ=="]
                    [..],
            ),
        ] {
            for value in values {
                let said = rule.check(value, Words::Pve);
                assert!(said.is_err(), "{rule:?} {value:?}");
                assert!(!said.unwrap_err().contains("u:p"), "{value}");
            }
        }
        assert!(Rule::Headers.check(&"A".repeat(1028), Words::Pve).is_err());
    }
}
