//! Names: the one gate every name, label key, prefix and host passes before it reaches a wire.
//!
//! A rendered name is `[global_prefix.][host.][uuid.]logger.metric`. Its parts hold `[A-Za-z0-9_-]` alone and
//! are joined with `.`; every other character becomes one `_`; empty parts are skipped. What comes out can
//! add no line, type, tag or rate to any of the formats a backend writes.

pub use super::uuid::{NoUuid, UUID_FORM, uuid};
use std::fmt;
use std::net::IpAddr;

/// The longest rendered name, in bytes. Longer ones are rejected and counted.
pub const MAX_NAME_BYTES: usize = 512;

/// The longest name, label key or label value that is kept as given, in bytes. Longer ones go to the
/// overflow series of their kind, so that no input can make the registry large.
pub const MAX_RAW_BYTES: usize = 2048;

/// The most labels a logger can have.
pub const MAX_LABELS: usize = 32;

/// Returns whether a character may be in a part of a rendered name.
#[must_use]
pub const fn is_name_char(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-')
}

/// Appends `text` as one part: every character outside `[A-Za-z0-9_-]`, a dot too, becomes one `_`.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// let mut out = String::from("x");
/// ferrometer::name::push_part(&mut out, "GET /a.b");
/// assert_eq!(out, "x.GET__a_b");
/// ```
pub fn push_part(out: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push('.');
    }
    if text.bytes().all(|b| is_name_char(b as char)) {
        return out.push_str(text);
    }
    for c in text.chars() {
        out.push(if is_name_char(c) { c } else { '_' });
    }
}

/// Appends a dotted name part by part; empty parts are skipped, so no double dot can arise.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// let mut out = String::new();
/// ferrometer::name::push_dotted(&mut out, ".nova..compute.");
/// ferrometer::name::push_dotted(&mut out, "a:1|c\nb");
/// assert_eq!(out, "nova.compute.a_1_c_b");
/// ```
pub fn push_dotted(out: &mut String, text: &str) {
    for part in text.split('.') {
        push_part(out, part);
    }
}

/// Appends labels folded into the name, in the order given: `.key.value`.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// let mut out = String::from("http.requests");
/// ferrometer::name::push_labels(&mut out, [("method", "GET"), ("status", "2xx")]);
/// assert_eq!(out, "http.requests.method.GET.status.2xx");
/// ```
pub fn push_labels<'a>(out: &mut String, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (key, value) in labels {
        push_part(out, key);
        push_part(out, value);
    }
}

/// How full names begin: the part of the configuration that naming needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Naming {
    /// Put before every name, dots in it make parts. Empty: nothing.
    pub global_prefix: String,
    /// Puts the host's name after the global prefix.
    pub prepend_host: bool,
    /// Writes the host's parts in reverse order, `host.example.com` as `com.example.host`.
    /// An IP address is never reversed.
    pub prepend_host_reverse: bool,
    /// The host's name; used only with `prepend_host`.
    pub host: String,
    /// Labels of the whole process, which a backend shows with every series that has none of that key itself.
    pub labels: Vec<(String, String)>,
    /// The UUID of the node that the program runs on, one part behind the host. Empty: nothing.
    pub uuid: String,
}

impl Naming {
    /// Everything before the logger's name, gated, without a trailing dot.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use ferrometer::name::Naming;
    /// let naming = Naming::default()
    ///     .global_prefix("prod")
    ///     .prepend_host(true)
    ///     .prepend_host_reverse(true)
    ///     .host("host.example.com.")
    ///     .uuid("1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
    /// assert_eq!(naming.prefix(), "prod.com.example.host.1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
    /// ```
    #[must_use]
    pub fn prefix(&self) -> String {
        let mut out = String::new();
        push_dotted(&mut out, &self.global_prefix);
        if self.prepend_host {
            let mut host = self.host.as_str();
            while let Some(shorter) = host.strip_suffix('.') {
                host = shorter;
            }
            let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
            let is_address = bare.split_once('%').map_or(bare, |(h, _)| h).parse::<IpAddr>().is_ok();
            if self.prepend_host_reverse && !is_address {
                while let Some((rest, last)) = host.rsplit_once('.') {
                    push_part(&mut out, last);
                    host = rest;
                }
                push_part(&mut out, host);
            } else {
                push_dotted(&mut out, bare);
            }
        }
        push_part(&mut out, &self.uuid);
        out
    }

    /// Puts a prefix before every name; see [the field](Naming::global_prefix).
    #[must_use]
    pub fn global_prefix(mut self, global_prefix: impl Into<String>) -> Naming {
        self.global_prefix = global_prefix.into();
        self
    }

    /// Puts the host's name behind the prefix, or not; see [the field](Naming::prepend_host).
    #[must_use]
    pub fn prepend_host(mut self, prepend_host: bool) -> Naming {
        self.prepend_host = prepend_host;
        self
    }

    /// Writes the host's parts in reverse order, or not; see [the field](Naming::prepend_host_reverse).
    #[must_use]
    pub fn prepend_host_reverse(mut self, prepend_host_reverse: bool) -> Naming {
        self.prepend_host_reverse = prepend_host_reverse;
        self
    }

    /// Sets the host's name; see [the field](Naming::host).
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Naming {
        self.host = host.into();
        self
    }

    /// Sets the labels of the whole process; see [the field](Naming::labels).
    #[must_use]
    pub fn labels(mut self, labels: Vec<(String, String)>) -> Naming {
        self.labels = labels;
        self
    }

    /// Puts the UUID of the node behind the host; see [the field](Naming::uuid).
    #[must_use]
    pub fn uuid(mut self, uuid: impl Into<String>) -> Naming {
        self.uuid = uuid.into();
        self
    }

    /// The full name of a metric: `[global_prefix.][host.][uuid.]logger.metric`, gated. It may be empty or longer
    /// than [`MAX_NAME_BYTES`]; [`check`] tells.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let naming = ferrometer::name::Naming::default().global_prefix("prod");
    /// assert_eq!(naming.render("shop", "sold/a day"), "prod.shop.sold_a_day");
    /// ```
    #[must_use]
    pub fn render(&self, logger: &str, metric: &str) -> String {
        let mut out = self.prefix();
        push_dotted(&mut out, logger);
        push_dotted(&mut out, metric);
        out
    }
}

/// Why a rendered name cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was left after empty parts were skipped.
    Empty,
    /// Longer than [`MAX_NAME_BYTES`].
    TooLong,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("the name is empty: it has no part with a character in it"),
            NameError::TooLong => write!(f, "the name is longer than {MAX_NAME_BYTES} bytes"),
        }
    }
}

impl std::error::Error for NameError {}

/// Checks the length of a rendered name.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::name::{NameError, check};
///
/// assert_eq!(check("prod.shop.sold"), Ok(()));
/// assert_eq!(check(""), Err(NameError::Empty));
/// assert_eq!(check(&"x".repeat(513)).unwrap_err().to_string(), "the name is longer than 512 bytes");
/// ```
///
/// # Errors
/// [`NameError`] when it is empty or longer than [`MAX_NAME_BYTES`].
pub fn check(rendered: &str) -> Result<(), NameError> {
    match rendered.len() {
        0 => Err(NameError::Empty),
        n if n > MAX_NAME_BYTES => Err(NameError::TooLong),
        _ => Ok(()),
    }
}

/// A logger's name as the program gives it: `::` of a module path becomes `.`.
pub(crate) fn logger_name(given: &str) -> String {
    let mut name = String::with_capacity(given.len());
    for c in given.chars() {
        if c == ':' && name.as_bytes().last() == Some(&b':') {
            name.truncate(name.len() - 1);
            name.push('.');
        } else {
            name.push(c);
        }
    }
    name
}

/// The first characters of a text, as many.
pub(crate) fn beginning(text: &str, characters: usize) -> &str {
    for (number, (end, _)) in text.char_indices().enumerate() {
        if number == characters {
            return &text[..end];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(prefix: &str, host: Option<(&str, bool)>) -> Naming {
        Naming {
            global_prefix: prefix.into(),
            prepend_host: host.is_some(),
            prepend_host_reverse: host.is_some_and(|h| h.1),
            host: host.map_or(String::new(), |h| h.0.into()),
            labels: Vec::new(),
            uuid: String::new(),
        }
    }

    #[test]
    fn names_under_each_option() {
        for (n, expected) in [
            (naming("", None), "module.blue.fish"),
            (naming("globalprefix", None), "globalprefix.module.blue.fish"),
            (naming("a.b.", None), "a.b.module.blue.fish"),
            (naming("", Some(("host.example.com", false))), "host.example.com.module.blue.fish"),
            (naming("g", Some(("host.example.com", true))), "g.com.example.host.module.blue.fish"),
            (naming("g", Some(("host.example.com.", true))), "g.com.example.host.module.blue.fish"),
            (naming("", Some(("10.0.0.1", true))), "10.0.0.1.module.blue.fish"),
            (naming("", Some(("fe80::1%eth0", true))), "fe80__1_eth0.module.blue.fish"),
            (naming("", Some(("[::1]", true))), "__1.module.blue.fish"),
            (naming("", Some(("", true))), "module.blue.fish"),
            (naming("", Some(("...", true))), "module.blue.fish"),
            (naming("", Some(("bücher.example", true))), "example.b_cher.module.blue.fish"),
            (naming("x\ny|c", None), "x_y_c.module.blue.fish"),
            (Naming { uuid: "1be2-c1".into(), ..naming("g", Some(("h.e", true))) }, "g.e.h.1be2-c1.module.blue.fish"),
            (Naming { uuid: "a.b\nc".into(), ..naming("", None) }, "a_b_c.module.blue.fish"),
        ] {
            assert_eq!(n.render("module", "blue.fish"), expected, "{n:?}");
        }
    }

    #[test]
    fn empty_parts_are_skipped() {
        let n = naming("", None);
        assert_eq!(n.render("", "x"), "x");
        assert_eq!(n.render("x", ""), "x");
        assert_eq!(n.render("..a..", "..b.."), "a.b");
        assert_eq!(check(&n.render("", "...")), Err(NameError::Empty));
        assert_eq!(check(&n.render("a", &"x".repeat(511))), Err(NameError::TooLong));
        assert_eq!(check(&n.render("a", &"x".repeat(510))), Ok(()));
    }

    #[test]
    fn module_paths_become_dots() {
        assert_eq!(logger_name("nova::compute::manager"), "nova.compute.manager");
        assert_eq!(naming("", None).render("a:b", "c"), "a_b.c");
    }
}
