//! Forms in which sinks take points. Threads that collect encode them, so that the one that writes only copies.

use super::rows;
use crate::point::DataPoint;
use std::io;

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
            Form::Csv => rows::push(&points, &mut bytes)?,
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
