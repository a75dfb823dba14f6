//! A document to be read: its bytes, its source, and the place of each byte in it.

use std::io;
use std::path::Path;

use super::error::{Error, Place};

/// The most bytes of a file of configuration; one that is longer (a log file) is a mistake in the path.
pub const LONGEST_FILE: u64 = 1 << 20;

/// The bytes of a file; `is_named` says that a variable names it.
pub(super) fn bytes(path: &Path, is_named: bool) -> Result<Vec<u8>, Error> {
    ferrometer_export::read_regular(path, LONGEST_FILE).map_err(|cause| {
        let directory = std::env::current_dir().ok().filter(|_| path.is_relative());
        let cause = match directory {
            Some(directory) => {
                io::Error::new(cause.kind(), format!("{cause}; it was looked for in {}", directory.display()))
            }
            None => cause,
        };
        let cause = match is_named {
            true => io::Error::new(cause.kind(), format!("{cause}; the variable FERROMETER_CONFIG names it")),
            false => cause,
        };
        Error::Read { path: path.to_owned(), cause }
    })
}

/// The source of a document.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// A file, with the name that messages give it.
    File(&'a str),
    /// A value that was written down to be read here: it has no lines.
    #[cfg_attr(not(feature = "serde"), allow(dead_code))]
    Value,
}

/// Finds line and column of a byte without going through the text each time.
pub(super) struct Places<'a> {
    source: Source<'a>,
    bytes: &'a [u8],
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(source: Source<'a>, bytes: &'a [u8]) -> Self {
        let mut line_starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' {
                line_starts.push(at + 1);
            }
        }
        Places { source, bytes, line_starts }
    }

    pub(super) fn name(&self) -> &'a str {
        match self.source {
            Source::File(name) => name,
            Source::Value => "a value of the program",
        }
    }

    /// Lines and characters count from 1.
    pub(super) fn at(&self, at: usize) -> Place {
        let Source::File(name) = self.source else { return Place::Value };
        let at = at.min(self.bytes.len());
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts[line - 1];
        let column = String::from_utf8_lossy(&self.bytes[start..at]).chars().count() + 1;
        Place::File { name: name.to_owned(), line, column }
    }
}
