//! Generations on disk, for other processes, and for after the end of this one, `kill -9` included.
//!
//! A cache is a directory. It holds segments, files named by a number that counts up; each begins with a header, and each
//! generation is one frame behind it, written at once, with a checksum. A segment can be read without the others: it begins with
//! all names, and with an empty [`Coder`](crate::coding::Coder). So a generation is either whole or not there, the oldest are
//! deleted a segment at a time, and readers need no lock.
//!
//! | what | module |
//! |---|---|
//! | the bytes of a segment: its header and checksums, its `version`; its frames out and in | `segment`, `version`; `frame_writer`, `frame_reader`, with the columns' names in `names`, over `bytes` |
//! | parts of a file that are not as they were written | `damage` |
//! | looking segments through, believing nothing | `survey`; how they are called is in `paths` |
//! | reading a directory from anywhere | `read` |
//! | what was there before the writer: tidied and read beside it | `past` |
//! | writing: segments come and go | `writer` |
//! | how a file is made, and whether it is still there | `create` |
//! | who may write: one process, and in it the newest backend | `lock`, `writer_lease` |

mod bytes;
mod create;
mod damage;
mod frame_reader;
mod frame_writer;
mod lock;
mod names;
mod past;
mod paths;
mod read;
mod segment;
mod survey;
mod version;
mod writer;
mod writer_lease;

pub use damage::{Damage, DamageKind};
#[doc(hidden)]
pub use frame_reader::walk;
pub(crate) use past::{Found, Past, Step};
pub use read::{PersistedHistory, ReadError, read};
pub use writer::OpenError;
pub use writer_lease::Persistence;
pub(crate) use writer_lease::WriterLease;

#[cfg(test)]
mod tests;
