//! Patterns: plain text in which each `*` stands for any text, the empty one included.
//!
//! A match takes time proportional to pattern and text together, whatever the pattern: pieces between stars are searched for
//! once each, from left to right, by a linear search.

use memchr::memmem;

/// A text in which each `*` stands for any text, the empty one included.
///
/// ```
/// use ferrometer_http::Pattern;
/// assert!(Pattern::new("shop.*.p99").matches("shop.checkout.p99"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Text before the first star, or the whole text where there is none.
    first: String,
    /// Texts between two stars, without empty pieces; then the text behind the last. `None`: there is no star.
    rest: Option<(Vec<String>, String)>,
}

impl Pattern {
    /// Takes a pattern apart.
    #[must_use]
    pub fn new(text: &str) -> Pattern {
        let mut pieces = text.split('*').map(str::to_owned);
        let first = pieces.next().unwrap_or_default();
        let mut between: Vec<String> = pieces.collect();
        let rest = between.pop().map(|last| {
            between.retain(|piece| !piece.is_empty());
            (between, last)
        });
        Pattern { first, rest }
    }

    /// Returns `true` when the whole text fits. Takes time proportional to pattern and text together.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some((between, last)) = &self.rest else { return text == self.first };
        let inner = text.strip_prefix(self.first.as_str()).and_then(|inner| inner.strip_suffix(last.as_str()));
        let Some(mut inner) = inner.map(str::as_bytes) else { return false };
        between.iter().all(|piece| match memmem::find(inner, piece.as_bytes()) {
            Some(at) => {
                inner = &inner[at + piece.len()..];
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, in exponential time.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| by_definition(rest, &text[skip..])),
            [byte, rest @ ..] => text.first() == Some(byte) && by_definition(rest, &text[1..]),
        }
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("*", "", true),
            ("a*", "a", true),
            ("*.p99", "shop.checkout.p99", true),
            ("shop.*.p99", "shop.p99", false),
            ("a*a", "a", false),
            ("", "", true),
            ("", "a", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn as_defined(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), by_definition(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
