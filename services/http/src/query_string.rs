//! Texts of a request's address: decoded, and shortened for messages.

use percent_encoding::percent_decode;

/// Undoes the encoding of a form: `+` and `%20`. Text that is no valid encoding stays as it is, and bytes that are no UTF-8 become `�`.
///
/// ```
/// use ferrometer_http::decode;
/// assert_eq!(decode("a+b%2Bc%zz"), "a b+c%zz");
/// ```
#[must_use]
pub fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}

/// Returns the first 64 characters of a client's text, for a message.
#[must_use]
pub fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded_once() {
        for (text, expected) in
            [("%00%ff%zz", "\0\u{fffd}%zz"), ("%252B", "%2B"), ("%e2%82%ac", "€"), ("%", "%"), ("a%4", "a%4")]
        {
            assert_eq!(decode(text), expected);
        }
        assert_eq!(shorten(&"é".repeat(100)).chars().count(), 64);
    }
}
