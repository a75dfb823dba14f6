//! Names of labels.

/// Returns if a text can name a label.
#[must_use]
pub fn is_label_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    text.bytes().next().is_some_and(letter)
        && text.bytes().all(|b| letter(b) || b.is_ascii_digit())
        && text.len() <= 512
}
