//! Names: the one gate every name, label key, prefix and host passes before it reaches a wire.
//!
//! A rendered name is `[global_prefix.][host.][uuid.]logger.metric`. Its parts hold `[A-Za-z0-9_-]` alone and
//! are joined with `.`; every other character becomes one `_`; empty parts are skipped. What comes out can
//! add no line, type, tag or rate to any of the formats a backend writes.

pub use super::pattern::Pattern;
pub use super::uuid::{NoUuid, UUID_FORM, uuid};
use std::fmt;

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

/// Appends labels folded into the name, in the order given: `.key.value`. Values that differ in characters which are replaced come to one name, `a b` and
/// `a_b`: the folding of `ferrometer-export` keeps them apart.
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
    #[inline]
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
