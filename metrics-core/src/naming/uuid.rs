//! UUIDs, as they stand in names: eight, four, four, four and twelve hexadecimal digits in lower case.

use std::fmt;

/// The form of a UUID, for messages.
pub const UUID_FORM: &str = "of the form 1be26c0b-03f2-4d2e-ae87-c02d7f33c123";

/// The lengths of its parts.
const PARTS: [usize; 5] = [8, 4, 4, 4, 12];

/// Text that is no UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoUuid {
    /// The UUID that it was probably meant to be.
    pub meant: Option<String>,
}

impl NoUuid {
    /// `; did you mean "…"?`, or nothing.
    #[must_use]
    pub fn hint(&self) -> String {
        self.meant.as_ref().map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"))
    }
}

impl fmt::Display for NoUuid {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a UUID {UUID_FORM}{}", self.hint())
    }
}

impl std::error::Error for NoUuid {}

/// Reads a UUID of any version, and returns it in lower case.
///
/// ```
/// use ferrometer_core::name;
///
/// let uuid = name::uuid("1BE26C0B-03F2-4D2E-AE87-C02D7F33C123")?;
/// assert_eq!(uuid, "1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
/// let error = name::uuid("{1be26c0b03f24d2eae87c02d7f33c123}").unwrap_err();
/// assert_eq!(error.meant.as_deref(), Some("1be26c0b-03f2-4d2e-ae87-c02d7f33c123"));
/// # Ok::<(), ferrometer_core::name::NoUuid>(())
/// ```
///
/// # Errors
/// [`NoUuid`], with what was meant where the digits are right: braces, `urn:uuid:`, white space, other places of the hyphens.
pub fn uuid(text: &str) -> Result<String, NoUuid> {
    let mut lengths = PARTS.into_iter();
    let has = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    let right = text.len() == 36 && text.split('-').all(|part| lengths.next().is_some_and(|length| has(part, length)));
    if right {
        return Ok(text.to_ascii_lowercase());
    }
    // Longer than every way to write one: not looked at.
    let bare = text.get(..64).unwrap_or(text).trim();
    let bare = bare.strip_prefix("urn:uuid:").unwrap_or(bare);
    let bare = bare.strip_prefix('{').and_then(|bare| bare.strip_suffix('}')).unwrap_or(bare);
    let mut meant = String::with_capacity(36);
    let mut digits = 0;
    for c in bare.chars().filter(|c| *c != '-' && *c != '_') {
        if matches!(digits, 8 | 12 | 16 | 20) {
            meant.push('-');
        }
        meant.push(c.to_ascii_lowercase());
        digits += usize::from(c.is_ascii_hexdigit());
    }
    let is_one = text.len() <= 64 && digits == 32 && meant.len() == 36;
    Err(NoUuid { meant: is_one.then_some(meant) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ways_to_write_one_are_refused_and_known() {
        const RIGHT: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
        assert_eq!(uuid(RIGHT).as_deref(), Ok(RIGHT));
        for text in [
            "1be26c0b03f24d2eae87c02d7f33c123",
            "{1be26c0b-03f2-4d2e-ae87-c02d7f33c123}",
            "urn:uuid:1be26c0b-03f2-4d2e-ae87-c02d7f33c123",
            " 1be26c0b-03f2-4d2e-ae87-c02d7f33c123\n",
            "1be26c0b_03f2_4d2e_ae87_c02d7f33c123",
            "1be2-6c0b-03f2-4d2e-ae87c02d7f33c123",
        ] {
            assert_eq!(uuid(text), Err(NoUuid { meant: Some(RIGHT.to_owned()) }), "{text:?}");
        }
        let long = format!("{RIGHT}{}", " ".repeat(100));
        for text in
            ["", "node-7", "1be26c0b-03f2-4d2e-ae87-c02d7f33c12", "1be26c0b-03f2-4d2e-ae87-c02d7f33c12g", &long, "é"]
        {
            assert_eq!(uuid(text), Err(NoUuid { meant: None }), "{text:?}");
        }
        for text in ["é".repeat(32), "é".repeat(36), format!("{}é", "a".repeat(63))] {
            assert!(uuid(&text).is_err());
        }
    }
}
