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
    let found = found.to_ascii_lowercase();
    let length = found.chars().count();
    let near_enough = (length / 3).clamp(2, 3).min(length.saturating_sub(1));
    let (mut nearest, mut least) = (None, (near_enough + 1, false));
    for word in known {
        let lower = word.to_ascii_lowercase();
        // A missing end is the likelier slip where two words are as near.
        let far = (distance(&found, &lower), !lower.starts_with(&found));
        if far < least {
            (nearest, least) = (Some(word), far);
        }
    }
    nearest
}

/// Words that other programs use for a key, each with ours.
const SYNONYMS: [(&str, &str); 10] = [
    ("host", "server"),
    ("hostname", "server"),
    ("addr", "server"),
    ("address", "server"),
    ("address", "url"),
    ("server", "url"),
    ("endpoint", "url"),
    ("database", "bucket"),
    ("db", "bucket"),
    ("tags", "labels"),
];

/// Returns the keys of a table that an unknown one was probably meant for, in the form "`a`", "`a` or `b`".
///
/// A slip of one letter comes first; then keys with the name as a word, or as the beginning of one (`port` for `statsd_port`, `org` for
/// `organization`); then another program's word.
pub(super) fn key(found: &str, known: &[&str]) -> Option<String> {
    let lower = found.to_ascii_lowercase().replace('-', "_");
    let quoted = |key: &str| format!("`{key}`");
    let near = nearest(found, known.iter().copied());
    if let Some(slip) = near.filter(|near| distance(&lower, near) <= 1) {
        return Some(quoted(slip));
    }
    let with = |fits: &dyn Fn(&str) -> bool| {
        let keys: Vec<&str> = known.iter().copied().filter(|key| key.split('_').any(fits)).collect();
        (lower.len() > 2 && (1..=3).contains(&keys.len())).then_some(keys)
    };
    let part = with(&|word| word == lower).or_else(|| with(&|word| word.starts_with(&lower)));
    if let Some(keys) = part {
        let keys: Vec<String> = keys.into_iter().map(quoted).collect();
        return Some(keys.join(" or "));
    }
    let ours = SYNONYMS.iter().find(|(word, ours)| *word == lower && known.contains(ours));
    ours.map(|(_, ours)| quoted(ours))
}

/// The distance of two words; two letters that are swapped, which is the likeliest slip of all, are one step.
pub(super) use strsim::osa_distance as distance;

/// Returns the key of a table that a name beginning with that of the table was meant for (`dialect` for `statsd_dialect`), in the form of [`key`].
pub(super) fn key_behind(table: &str, found: &str, known: &[&str]) -> Option<String> {
    let rest = found.strip_prefix(table)?.strip_prefix('_')?.trim_start_matches('_');
    if known.contains(&rest) {
        return Some(format!("`{rest}`"));
    }
    key(rest, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_a_word_or_its_beginning() {
        let known =
            ["backend", "statsd_host", "statsd_port", "host", "global_prefix", "organization", "tls_cert", "tls_key"];
        for (found, meant) in [
            ("port", Some("`statsd_port`")),
            ("hosts", Some("`host`")),
            ("prefix", Some("`global_prefix`")),
            ("org", Some("`organization`")),
            ("Org", Some("`organization`")),
            ("tls", Some("`tls_cert` or `tls_key`")),
            ("or", None),
            ("colour", None),
        ] {
            assert_eq!(key(found, &known).as_deref(), meant, "{found}");
        }
        assert_eq!(key("endpoint", &["url", "timeout"]).as_deref(), Some("`url`"));
    }

    #[test]
    fn swapped_letters_are_one_slip() {
        let known = ["server", "port", "proto", "path", "api", "gzip", "url", "user"];
        for (found, meant) in
            [("prot", "`proto`"), ("prtoo", "`proto`"), ("paht", "`path`"), ("gzpi", "`gzip`"), ("usre", "`user`")]
        {
            assert_eq!(key(found, &known).as_deref(), Some(meant), "{found}");
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
