//! Archive policy rules: which policy a metric gets by its name.

use serde::{Deserialize, Serialize};

/// Metrics whose name matches `pattern` get the policy `policy`, unless they name one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The name, unique in an archive.
    pub name: String,
    /// A shell pattern: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`. `*` matches dots as well.
    pub pattern: String,
    /// The name of the archive policy.
    pub policy: String,
}

/// Returns the rule for a metric: of those that match the one with the longest pattern, of several as long the first by name.
pub fn choose<'a>(rules: &'a [Rule], metric: &str) -> Option<&'a Rule> {
    let length = |rule: &Rule| rule.pattern.chars().count();
    rules
        .iter()
        .filter(|rule| matches(&rule.pattern, metric))
        .min_by(|a, b| length(b).cmp(&length(a)).then_with(|| a.name.cmp(&b.name)))
}

/// Returns true when a shell pattern matches the whole text. Time is at most the product of the lengths.
///
/// ```
/// use ferrometer_archive::matches;
/// assert!(matches("disk.*.r[ae]*", "disk.io.rate"));
/// assert!(!matches("disk.?", "disk.io"));
/// ```
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // The last star, and the text that it has eaten so far: a mismatch lets it eat one character more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => class(&pattern[p..], text[t]).and_then(|(hit, length)| hit.then_some(p + length)),
            Some(c) if *c == text[t] => Some(p + 1),
            _ => None,
        };
        // A bracket that is never closed stands for itself.
        let step = step.or_else(|| {
            let open = pattern.get(p) == Some(&'[') && class(&pattern[p..], text[t]).is_none() && text[t] == '[';
            open.then_some(p + 1)
        });
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((at, eaten))) => {
                star = Some((at, eaten + 1));
                p = at + 1;
                t = eaten + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Reads a `[…]` at the start of `pattern`: true when it holds `c`, and its length. `None` when it is not closed.
fn class(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = pattern.get(1) == Some(&'!');
    let first = if negated { 2 } else { 1 };
    let mut at = first;
    let mut hit = false;
    loop {
        match pattern.get(at)? {
            ']' if at > first => return Some((hit != negated, at + 1)),
            low => match (pattern.get(at + 1), pattern.get(at + 2)) {
                (Some('-'), Some(high)) if *high != ']' => {
                    hit |= *low <= c && c <= *high;
                    at += 3;
                }
                _ => {
                    hit |= *low == c;
                    at += 1;
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a.b", true),
            ("disk.*", "disk.io.rate", true),
            ("disk.*", "Disk.io", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("*[0-9]", "cpu12", true),
            ("*a*b*c", "xxaybzc", true),
            ("*a*b*c", "xxaybz", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_longest_pattern_wins_and_then_the_name() {
        let rule =
            |name: &str, pattern: &str| Rule { name: name.into(), pattern: pattern.into(), policy: "low".into() };
        let rules = [
            rule("default", "*"),
            rule("r2", "disk.io.r*"),
            rule("long", "d*k.io.rate.very.long"),
            rule("r1", "disk.io.*e"),
        ];
        let chosen = |name: &str| choose(&rules, name).map(|rule| rule.name.as_str());
        assert_eq!(chosen("disk.io.rate.very.long"), Some("long"));
        assert_eq!(chosen("disk.io.rate"), Some("r1"));
        assert_eq!(chosen("x"), Some("default"));
        assert_eq!(choose(&rules[1..], "x"), None);
    }
}
