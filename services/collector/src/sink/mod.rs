//! Where data points go.

mod archive;
mod file;
mod form;
#[cfg(feature = "facade")]
mod gauges;
mod memory;
mod rows;

pub use archive::ArchiveSink;
pub use file::FileSink;
pub use form::{Encoded, Form};
#[cfg(feature = "facade")]
pub use gauges::GaugeSink;
pub use memory::MemorySink;

use std::io;

/// A place that takes data points, a commit at a time.
///
/// A sink may take back points that were written and not committed: after a crash the journal gives the last committed position to
/// [`rewind`](Sink::rewind).
pub trait Sink: Send {
    /// Returns the form in which this sink takes points. Threads that collect encode them, so that the one that writes only copies.
    fn form(&self) -> Form;

    /// Writes encoded points behind those written before.
    ///
    /// # Errors
    /// Whatever keeps the points from being written. Nothing of the commit counts then.
    fn write(&mut self, encoded: Encoded) -> io::Result<()>;

    /// Makes everything that was written last, and returns the position behind it.
    ///
    /// # Errors
    /// Whatever keeps it from lasting.
    fn commit(&mut self) -> io::Result<u64>;

    /// Takes back everything behind a committed position.
    ///
    /// # Errors
    /// Whatever keeps it from being taken back, or less being there than was committed.
    fn rewind(&mut self, position: u64) -> io::Result<()>;

    /// Returns the position behind what is there now, no matter who wrote it.
    ///
    /// # Errors
    /// Whatever keeps it from being known.
    fn position(&mut self) -> io::Result<u64>;

    /// Returns a name by which a journal knows this sink again, or `None` if nothing can be taken back from it.
    fn identity(&self) -> Option<String>;
}
