//! Suggestions: the nearest known word to one that is not known.

/// The nearest of `known`, if it is near enough to be worth a question.
///
/// Upper and lower case are the same here: `STATSD` for `statsd` is the likeliest of all slips.
pub(super) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(found, &mut known.into_iter())
}

// Compiled once for all kinds of lists.
fn nearest_of<'a>(found: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    // The distance costs the product of both lengths, and nothing we know is nearly this long.
    if found.len() > 80 {
        return None;
    }
    let found = found.to_lowercase();
    let length = found.chars().count();
    let near_enough = (length / 3).clamp(2, 3).min(length.saturating_sub(1));
    let (mut nearest, mut least) = (None, near_enough + 1);
    for word in known {
        let distance = distance(&found, &word.to_lowercase());
        if distance < least {
            (nearest, least) = (Some(word), distance);
        }
    }
    nearest
}

/// Levenshtein's: how many characters must be put in, taken out or replaced.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let (mut letters, mut row) = (Vec::new(), vec![0]);
    for letter in b.chars() {
        letters.push(letter);
        row.push(letters.len());
    }
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in letters.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[letters.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("hsot", "host", 2), ("é", "e", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn suggests_slips_and_not_strangers() {
        let known = ["statsd_host", "statsd_port", "backend"];
        assert_eq!(nearest("statsd_hsot", known), Some("statsd_host"));
        assert_eq!(nearest("STATSD-PORT", known), Some("statsd_port"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }
}
