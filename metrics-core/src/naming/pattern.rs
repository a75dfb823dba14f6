//! Patterns: plain text in which each `*` stands for any text, the empty one included.
//!
//! A match takes time proportional to pattern and text together, whatever the pattern: pieces between stars are searched for
//! once each, from left to right, by the linear search of the standard library.

/// A text in which each `*` stands for any text, the empty one included.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::name::Pattern;
/// assert!(Pattern::new("shop.*.p99").matches("shop.checkout.p99"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Text before the first star, or the whole text where there is none.
    first: String,
    /// Texts between two stars, empty ones too; then the text behind the last. `None`: there is no star.
    rest: Option<(Vec<String>, String)>,
}

impl Pattern {
    /// Takes a pattern apart.
    #[must_use]
    pub fn new(text: &str) -> Pattern {
        let mut pieces = text.split('*');
        let first = pieces.next().unwrap_or_default().to_owned();
        let mut between = Vec::new();
        for piece in pieces {
            between.push(piece.to_owned());
        }
        let rest = between.pop().map(|last| (between, last));
        Pattern { first, rest }
    }

    /// Returns `true` when the whole text fits. Takes time proportional to pattern and text together.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.fit(text, |_| {})
    }

    /// Returns the texts that the stars stand for, from left to right, each as short as it can be but for the last; `None` when the text does not fit.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// use ferrometer::name::Pattern;
    /// assert_eq!(Pattern::new("old.*.*").stars("old.api.v1.hits").as_deref(), Some(&["api", "v1.hits"][..]));
    /// assert_eq!(Pattern::new("old.*").stars("new.api"), None);
    /// ```
    #[must_use]
    pub fn stars<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut stars = Vec::new();
        self.fit(text, |star| stars.push(star)).then_some(stars)
    }

    /// Returns the number of stars.
    #[must_use]
    pub fn star_count(&self) -> usize {
        self.rest.as_ref().map_or(0, |(between, _)| between.len() + 1)
    }

    /// Returns `true` when the whole text fits. Hands the text of each star to `take`, as far as it came.
    fn fit<'t>(&self, text: &'t str, mut take: impl FnMut(&'t str)) -> bool {
        let Some((between, last)) = &self.rest else { return text == self.first };
        let inner = text.strip_prefix(self.first.as_str()).and_then(|inner| inner.strip_suffix(last.as_str()));
        let Some(mut inner) = inner else { return false };
        for piece in between {
            let Some((star, behind)) = inner.split_once(piece.as_str()) else { return false };
            take(star);
            inner = behind;
        }
        take(inner);
        true
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
        fn what_stars_stand_for_makes_the_text(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            if let Some(stars) = Pattern::new(&pattern).stars(&text) {
                let mut stars = stars.into_iter();
                let made: String = pattern
                    .chars()
                    .map(|c| if c == '*' { stars.next().unwrap().to_owned() } else { c.to_string() })
                    .collect();
                prop_assert_eq!((made.as_str(), stars.next()), (text.as_str(), None));
            }
        }

        #[test]
        fn as_defined(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), by_definition(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
