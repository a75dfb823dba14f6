//! Versions of the format of segments.

/// Version 2 has ids of objects; what version 1 wrote reads the same, and is still read.
pub(super) const VERSION: u32 = 2;
pub(super) const OLDEST_VERSION: u32 = 1;
