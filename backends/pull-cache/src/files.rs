//! Generations on disk, for other processes, and for after the end of this one, `kill -9` included.
//!
//! A cache is a directory. It holds segments, files named by a number that counts up; each begins with a header, and each
//! generation is one frame behind it, written at once, with a checksum. A segment can be read without the others: it begins with
//! all names, and with an empty [`Coder`](crate::coding::Coder). So a generation is either whole or not there, the oldest are
//! deleted a segment at a time, and readers need no lock.
//!
//! | what | module |
//! |---|---|
//! | the bytes of a segment, both ways | `segment`, with the columns' names in `names` |
//! | looking segments through, believing nothing | `survey` |
//! | reading a directory from anywhere | `read` |
//! | what was there before the writer: tidied and read beside it | `past` |
//! | writing: segments come and go | `writer` |
//! | who may write: one process, and in it the newest backend | `lock`, `sink` |

mod lock;
mod names;
mod past;
mod read;
mod segment;
mod sink;
mod survey;
mod writer;

pub(crate) use past::{Found, Past};
pub use read::{PersistedHistory, ReadError, read};
#[doc(hidden)]
pub use segment::walk;
pub use segment::{Damage, DamageKind};
pub use sink::Persistence;
pub(crate) use sink::Sink;
pub use writer::OpenError;

use std::path::{Path, PathBuf};

/// The file name of a segment.
fn segment_path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("generations-{sequence:020}.ferro"))
}

/// The number of a segment, if the name is that of one.
fn sequence_of(name: &str) -> Option<u64> {
    sequence_with(name, ".ferro")
}

/// The number in a name of our form with another extension.
fn sequence_with(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_prefix("generations-")?.strip_suffix(extension)?;
    if digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The number in a name that a file of ours may have at any time.
fn any_sequence_of(name: &str) -> Option<u64> {
    [".ferro", ".ferro.damaged", ".new", ".repaired"].iter().find_map(|extension| sequence_with(name, extension))
}

#[cfg(test)]
mod tests;
