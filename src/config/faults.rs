//! Faults of texts and of lists, in words for a message.

use std::net::Ipv6Addr;

use super::error::clean;
use super::value::Value;
use ferrometer_core::name::{MAX_NAME_BYTES, is_name_char};

/// Schemes that other clients write before the path of a socket.
const SCHEMES: [&str; 6] = ["unix", "unixgram", "unixpacket", "unixstream", "uds", "file"];

/// The path of a URL, such as `unix:///run/statsd.sock`; `None` for what is none.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let is_word = scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_url = is_word && rest.starts_with("//");
    (known || is_url).then(|| rest.strip_prefix("//").unwrap_or(rest))
}

/// Returns the text before and behind the first `separator`. The search for a text in a text is long, and is compiled once with this.
#[inline(never)]
pub(super) fn split_at_first<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    text.split_once(separator)
}

pub(super) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// Returns the fault of a text of at most `max` bytes.
pub(super) fn text_fault(text: &str, max: usize) -> Option<String> {
    if has_control(text) {
        return Some("it holds a control character".to_owned());
    }
    (text.len() > max).then(|| format!("it has {} bytes", text.len()))
}

pub(super) fn host_fault(host: &str) -> Option<&'static str> {
    let (mut is_more, mut has_colon) = (false, false);
    for c in host.chars() {
        if c.is_whitespace() || c.is_control() {
            return Some("it holds a space or a control character");
        }
        is_more |= matches!(c, '/' | '[' | ']');
        has_colon |= c == ':';
    }
    // A zone (`fe80::1%eth0`) is the resolver's business.
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    if is_more || has_colon && address.parse::<Ipv6Addr>().is_err() {
        Some("it is given without scheme, brackets and port")
    } else {
        None
    }
}

/// Returns what is wrong with a destination.
#[cfg_attr(not(feature = "every-key"), allow(dead_code))]
pub(super) fn destination_fault(text: &str) -> Option<&'static str> {
    let Some((network, bits)) = text.split_once('/') else {
        return host_fault(text.strip_prefix("*.").unwrap_or(text)).or_else(|| {
            let is_empty = text.is_empty() || text == "*." || text.contains('*') && !text.starts_with("*.");
            is_empty.then_some("it is no host's name")
        });
    };
    let most = network.parse::<std::net::IpAddr>().map(|ip| if ip.is_ipv4() { 32 } else { 128 });
    match (most, bits.parse::<u8>()) {
        (Ok(most), Ok(bits)) if bits <= most => None,
        _ => Some("it is no network"),
    }
}

/// Returns the fault of a `name=sha256:<64 hex digits>`, without a word that may be secret.
pub(super) fn token_fault(text: &str) -> Option<String> {
    let Some((name, secret)) = text.split_once('=') else {
        return Some("it has no name".to_owned());
    };
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"_-.@!".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(letter) {
        return Some("its name is not 1 to 64 of [A-Za-z0-9_.@!-]".to_owned());
    }
    // Privileges are checked by the endpoint, which knows them.
    let secret = secret.split_once(';').map_or(secret, |(secret, _)| secret);
    // The part before the sign may be a secret that ends in it: it is not shown either.
    match secret.strip_prefix("sha256:") {
        None => Some("no sha256: follows its name; a token itself does not belong here".to_owned()),
        Some(hash) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => None,
        Some(_) => Some(format!("\"{name}\" has a hash that is not 64 hex digits")),
    }
}

/// Returns the fault of a `name=value`, without a word that may be secret.
pub(super) fn pair_fault(text: &str) -> Option<String> {
    let Some((name, value)) = text.split_once('=') else {
        return Some("it is not of the form name=value".to_owned());
    };
    if name.is_empty() || name.len() > 256 || name.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return Some("its name is not 1 to 256 bytes without spaces".to_owned());
    }
    (value.len() > 4096 || has_control(value))
        .then(|| "its value is longer than 4096 bytes or holds a control character".to_owned())
}

/// Returns the fault of a name, in which stars stand for texts, or of a pattern of names.
pub(super) fn name_fault(text: &str, is_pattern: bool) -> Option<String> {
    if text.len() > MAX_NAME_BYTES {
        return Some(format!("it has {} bytes", text.len()));
    }
    if let Some((first, mut rest)) = split_at_first(text, "::") {
        let mut meant = first.to_owned();
        while let Some((part, behind)) = split_at_first(rest, "::") {
            meant.extend([".", part]);
            rest = behind;
        }
        meant.extend([".", rest]);
        return Some(format!("did you mean \"{}\"?", clean(&meant)));
    }
    if let Some(wrong) = text.chars().find(|c| !is_name_char(*c) && !matches!(c, '.' | '*')) {
        let wrong = clean(&wrong.to_string());
        return Some(format!("no name holds `{wrong}`: there it is `_`"));
    }
    let is_empty = !is_pattern && !text.is_empty() && text.split('.').any(str::is_empty);
    is_empty.then(|| "it has an empty part".to_owned())
}

/// Returns the fault of a label's key.
pub(super) fn key_fault(text: &str) -> Option<String> {
    (text.len() > 256 || has_control(text))
        .then(|| "it is longer than 256 bytes or holds a control character".to_owned())
}

/// Returns bounds as floats, or the fault of the list.
pub(super) fn bounds(items: &[Value], above: Option<f64>) -> Result<Value, String> {
    let mut before = above;
    let mut bounds = Vec::with_capacity(items.len().min(200));
    if items.is_empty() || items.len() > 200 {
        return Err(format!("it has {} of them", items.len()));
    }
    for (i, item) in items.iter().enumerate() {
        let bound = match item {
            Value::Float(bound) => *bound,
            // Beyond 2^53 a neighbour is as good: buckets are wider.
            Value::Integer(bound) => *bound as f64,
            other => return Err(format!("item {} is of type {}", i + 1, other.type_name())),
        };
        if !bound.is_finite() || before.is_some_and(|before| bound <= before) {
            return Err(format!("item {} is {}", i + 1, clean(&item.to_string())));
        }
        before = Some(bound);
        bounds.push(Value::Float(bound));
    }
    Ok(Value::List(bounds))
}

/// Labels of the process, and bytes in them: every series carries them, so they are bounded as a series' own are.
const MOST_LABELS: (usize, usize) = (16, 1024);

/// Returns the fault of a list that is longer than every series can carry.
pub(super) fn too_many(items: &[Value]) -> Option<String> {
    let bytes = |item: &Value| if let Value::Text(text) = item { text.len() } else { 0 };
    let (all, (most, most_bytes)) = (items.iter().map(bytes).sum::<usize>(), MOST_LABELS);
    let fault = items.len() > most || all > most_bytes;
    fault.then(|| format!("{} labels of {all} bytes; at most {most} of {most_bytes} bytes in all", items.len()))
}

/// Returns the fault of a pair whose name another pair has too.
pub(super) fn repeated_name(text: &str, items: &[Value]) -> Option<String> {
    let name = |text: &str| text.split_once('=').map(|(name, _)| name.to_owned());
    let same = items.iter().filter(|item| matches!(item, Value::Text(other) if name(other) == name(text)));
    (same.count() > 1).then(|| "its name is there twice".to_owned())
}
