//! Words as one text. The standard library's `join` is compiled in each crate that joins, and long.

/// Returns the words with a text between each two.
pub(crate) fn joined(words: &mut dyn Iterator<Item = &str>, between: &str) -> String {
    let mut text = String::new();
    for (at, word) in words.enumerate() {
        if at > 0 {
            text.push_str(between);
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn what_is_between_stands_between_each_two() {
        for (words, expected) in [(&[][..], ""), (&["a"], "a"), (&["a", "", "b"], "a, , b")] {
            assert_eq!(joined(&mut words.iter().copied(), ", "), expected);
        }
    }
}
