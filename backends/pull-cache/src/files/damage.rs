//! Damage in a cache's files, and its kinds.

use super::version::{OLDEST_VERSION, VERSION};
use std::fmt;
use std::path::PathBuf;

/// Something in a cache's files that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Which file.
    pub file: PathBuf,
    /// Where in it, in bytes. Generations before it are whole, from there on none is believed.
    pub offset: u64,
    /// Kind of the damage.
    pub kind: DamageKind,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}: {}", self.file.display(), self.offset, self.kind)
    }
}

/// Kinds of damage in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// The file ends within a generation: its writer was ended, or is writing just now.
    Torn,
    /// A checksum is wrong.
    Checksum,
    /// It is no file of a pull cache.
    Foreign,
    /// It was written by another version of this library.
    Version(u32),
    /// Its checksums are right and its content makes no sense.
    Content,
    /// It cannot be read at all: why.
    Unreadable(String),
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamageKind::Torn => f.write_str("the file ends within a generation"),
            DamageKind::Checksum => f.write_str("a checksum is wrong"),
            DamageKind::Foreign => f.write_str("this is no file of a pull cache"),
            DamageKind::Version(version) => {
                write!(f, "format version {version}, this program reads {OLDEST_VERSION} to {VERSION}")
            }
            DamageKind::Content => f.write_str("the content makes no sense"),
            DamageKind::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}
