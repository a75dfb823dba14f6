//! File names of segments: a number that counts up.

use std::path::{Path, PathBuf};

/// The file name of a segment.
pub(super) fn segment_path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("generations-{sequence:020}.ferro"))
}

/// The number of a segment, if the name is that of one.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    sequence_with(name, ".ferro")
}

/// The number in a name of our form with another extension.
pub(super) fn sequence_with(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_prefix("generations-")?.strip_suffix(extension)?;
    if digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The number in a name that a file of ours may have at any time.
pub(super) fn any_sequence_of(name: &str) -> Option<u64> {
    [".ferro", ".ferro.damaged", ".new", ".repaired"].iter().find_map(|extension| sequence_with(name, extension))
}
