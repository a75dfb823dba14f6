//! A sink that hands points to a function: for programs that keep them elsewhere.

use super::Sink;
use super::form::{Encoded, Form};
use crate::point::DataPoint;
use std::io;

/// Calls a function with the points of each commit. Nothing can be taken back, so after a crash the last commit may come again.
pub struct MemorySink<F> {
    take: F,
    pending: Vec<DataPoint>,
}

impl<F> std::fmt::Debug for MemorySink<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemorySink").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl<F: FnMut(Vec<DataPoint>) -> io::Result<()> + Send> MemorySink<F> {
    /// Makes a sink of a function.
    pub fn new(take: F) -> Self {
        MemorySink { take, pending: Vec::new() }
    }
}

impl<F: FnMut(Vec<DataPoint>) -> io::Result<()> + Send> Sink for MemorySink<F> {
    fn form(&self) -> Form {
        Form::Points
    }

    fn write(&mut self, encoded: Encoded) -> io::Result<()> {
        if let Encoded::Points(points) = encoded {
            self.pending.extend(points);
        }
        Ok(())
    }

    fn commit(&mut self) -> io::Result<u64> {
        (self.take)(std::mem::take(&mut self.pending)).map(|()| 0)
    }

    fn rewind(&mut self, _: u64) -> io::Result<()> {
        self.pending.clear();
        Ok(())
    }

    fn position(&mut self) -> io::Result<u64> {
        Ok(0)
    }

    fn identity(&self) -> Option<String> {
        None
    }
}
