//! Files of data points: JSON lines or CSV, and the same to a pipe.

use super::Sink;
use super::form::{Encoded, Form};
use super::rows::HEADER;
use crate::config::Format;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::Path;

/// Appends data points to a file, or writes them to the standard output.
#[derive(Debug)]
pub struct FileSink {
    file: Option<File>,
    identity: Option<String>,
    format: Format,
    position: u64,
}

impl FileSink {
    /// Opens a file, which is created if it is not there.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn open(path: &Path, format: Format) -> io::Result<FileSink> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let position = file.seek(SeekFrom::End(0))?;
        let identity = path.canonicalize()?.to_string_lossy().into_owned();
        Ok(FileSink { file: Some(file), identity: Some(identity), format, position })
    }

    /// Writes to the standard output, from which nothing can be taken back.
    #[must_use]
    pub fn stdout(format: Format) -> FileSink {
        FileSink { file: None, identity: None, format, position: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes)?,
            None => io::stdout().lock().write_all(bytes)?,
        }
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl Sink for FileSink {
    fn form(&self) -> Form {
        match self.format {
            Format::Json => Form::Json,
            Format::Csv => Form::Csv,
        }
    }

    fn write(&mut self, encoded: Encoded) -> io::Result<()> {
        let Encoded::Bytes(bytes) = encoded else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "these points were encoded for another sink"));
        };
        if bytes.is_empty() {
            return Ok(());
        }
        if self.position == 0 && self.format == Format::Csv {
            let mut header = csv::Writer::from_writer(Vec::new());
            header.write_record(HEADER)?;
            self.put(&header.into_inner().map_err(|e| io::Error::other(e.to_string()))?)?;
        }
        self.put(&bytes)
    }

    fn commit(&mut self) -> io::Result<u64> {
        match &mut self.file {
            Some(file) => file.sync_data()?,
            None => io::stdout().lock().flush()?,
        }
        Ok(self.position)
    }

    fn rewind(&mut self, position: u64) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let length = file.metadata()?.len();
        if length < position {
            let message =
                format!("the file has {length} bytes, and {position} were written: it was changed by somebody else");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        file.set_len(position)?;
        file.seek(SeekFrom::Start(position))?;
        file.sync_data()?;
        self.position = position;
        Ok(())
    }

    fn position(&mut self) -> io::Result<u64> {
        Ok(self.position)
    }

    fn identity(&self) -> Option<String> {
        self.identity.clone()
    }
}
