//! File names of segments: a number that counts up.

use std::path::{Path, PathBuf};

/// The file name of a segment.
pub(super) fn segment_path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("generations-{sequence:020}.ferro"))
}

/// The number of a segment, if the name is that of one.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("generations-")?.strip_suffix(".ferro")?;
    if digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}
