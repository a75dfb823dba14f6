//! The place where a limited answer was cut: behind one record of one generation.
//!
//! Records of a generation have an order, so a number says where. The newest generation can be replaced by one made in the same
//! second, with other records; a mark of the record itself tells whether the number still says the same.

use ferrometer_pull_cache::Record;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Written `<timestamp>.<number of records>.<mark>`.
///
/// ```
/// use ferrometer_cache_api::Cursor;
/// let cursor = Cursor { timestamp: 1_700_000_000, index: 250, mark: 7 };
/// assert_eq!(cursor.to_string(), "1700000000.250.00000007");
/// assert_eq!(Cursor::parse("1700000000.250.00000007"), Some(cursor));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The timestamp of the generation.
    pub timestamp: i64,
    /// The number of its records that are done with, at least one.
    pub index: usize,
    /// The mark of the last of them, which tells whether it is still there.
    pub mark: u32,
}

impl Cursor {
    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Cursor> {
        let mut parts = text.split('.');
        let (timestamp, index, mark) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || mark.len() != 8 {
            return None;
        }
        let index = index.parse().ok().filter(|index| *index > 0)?;
        Some(Cursor { timestamp: timestamp.parse().ok()?, index, mark: u32::from_str_radix(mark, 16).ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{:08x}", self.timestamp, self.index, self.mark)
    }
}

/// Tells one record's place from another's: name, kind and labels, not the value.
pub(crate) fn mark(record: &Record<'_>) -> u32 {
    let mut hasher = DefaultHasher::new();
    (record.id, record.metric, record.kind, record.labels).hash(&mut hasher);
    // The lower half is as good as the whole.
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for cursor in [
            Cursor { timestamp: 1_700_000_000, index: 250, mark: 7 },
            Cursor { timestamp: i64::MIN, index: usize::MAX, mark: u32::MAX },
        ] {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for bad in ["", "1", "1.2", "1.2.3", "1.0.00000000", "x.2.00000000", "1.-2.00000000", "1.2.00000000.4"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
