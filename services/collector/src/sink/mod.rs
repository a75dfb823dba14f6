//! Where data points go.

mod file;
#[cfg(feature = "facade")]
mod gauges;
mod memory;

pub use file::FileSink;
#[cfg(feature = "facade")]
pub use gauges::GaugeSink;
pub use memory::MemorySink;

use crate::point::DataPoint;
use std::io;

/// Something that takes data points, a commit at a time.
///
/// What was written and not committed may be taken back: after a crash the journal gives the last committed position to
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

    /// Returns the position behind what is there now, whoever wrote it.
    ///
    /// # Errors
    /// Whatever keeps it from being known.
    fn position(&mut self) -> io::Result<u64>;

    /// Returns a name by which a journal knows this sink again, or `None` if nothing can be taken back from it.
    fn identity(&self) -> Option<String>;
}

/// Forms in which sinks take points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Bytes: a line of JSON for each point.
    Json,
    /// Bytes: a row of CSV for each point, without a header.
    Csv,
    /// Points as they are.
    Points,
}

/// Points in the form of a sink.
#[derive(Debug)]
#[non_exhaustive]
pub enum Encoded {
    /// Bytes of a file.
    Bytes(Vec<u8>),
    /// Points as they are.
    Points(Vec<DataPoint>),
}

impl Form {
    /// Encodes points.
    ///
    /// # Errors
    /// A point that the form cannot hold.
    pub fn encode(self, points: Vec<DataPoint>) -> io::Result<Encoded> {
        let mut bytes = Vec::with_capacity(if self == Form::Points { 0 } else { points.len() * 256 });
        match self {
            Form::Points => return Ok(Encoded::Points(points)),
            Form::Json => points.iter().try_for_each(|point| point.write_json(&mut bytes))?,
            Form::Csv => file::rows(&points, &mut bytes)?,
        }
        Ok(Encoded::Bytes(bytes))
    }
}

impl Encoded {
    /// Returns roughly how many bytes this holds.
    pub(crate) fn size(&self) -> usize {
        match self {
            Encoded::Bytes(bytes) => bytes.len(),
            Encoded::Points(points) => points.len() * 512,
        }
    }
}
