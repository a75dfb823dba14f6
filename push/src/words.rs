//! A server's own words in a line of the log: cut, on one line, without the secrets that it may have repeated.

use crate::secret::{HIDDEN, Secret};

/// The most characters of a server's words that are shown.
pub const MOST: usize = 240;

/// Makes one short line of what a server answered: every run of white space and control characters becomes one space, each of the secrets
/// becomes `[hidden]`, and what is beyond [`MOST`] characters is cut.
///
/// ```
/// use ferrometer_push::{Secret, words};
///
/// let said = words::shown(b"{\"error\":\n  \"no token abc123\"}", &[Secret::new("abc123")]);
/// assert_eq!(said, "{\"error\": \"no token [hidden]\"}");
/// ```
#[must_use]
pub fn shown(body: &[u8], secrets: &[Secret]) -> String {
    // Far more than is shown, so that a secret on the edge is found whole.
    let text = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]).into_owned();
    let mut text = secrets.iter().filter(|secret| !secret.is_empty()).fold(text, |text, secret| {
        let text = text.replace(secret.reveal(), HIDDEN);
        // A value such as `Bearer abc` is repeated without its scheme, too.
        match secret.reveal().split_once(' ') {
            Some((_, bare)) if !bare.is_empty() => text.replace(bare, HIDDEN),
            _ => text,
        }
    });
    let is_gap = |c: char| c.is_whitespace() || c.is_control();
    text = text.split(is_gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_has_neither_secrets_nor_ends_of_lines() {
        let secrets = [Secret::new("Token topsecret"), Secret::new("")];
        let said = shown("a\r\nb\u{1b}[31m topsecret and Token topsecret".as_bytes(), &secrets);
        assert_eq!(said, "a b [31m [hidden] and [hidden]");
        let long = shown("é".repeat(5000).as_bytes(), &secrets);
        assert_eq!(long.chars().count(), MOST + 1);
        assert_eq!(shown(&[0xff, 0xfe, b'x'], &[]), "\u{fffd}\u{fffd}x");
        assert_eq!(shown(b"", &[]), "");
    }
}
