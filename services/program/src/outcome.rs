//! How a command ends: its exit code, and the message before it.

use crate::text::visible;
use serde_json::json;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;

/// Everything was done, and nothing was found wrong.
pub(crate) const OK: u8 = 0;
/// The thing that was looked at is wrong.
pub(crate) const FOUND: u8 = 1;
/// Arguments, or the configuration file of a command, are wrong.
pub(crate) const USAGE: u8 = 2;
/// A server cannot be reached, or refuses.
pub(crate) const UNREACHABLE: u8 = 3;
/// A file, a socket or a terminal cannot be used.
pub(crate) const IO: u8 = 4;

/// The exit codes, for the help.
pub(crate) const CODES: &str = "\
Exit codes:
  0  everything was done, and nothing was found wrong
  1  what was looked at is wrong: a configuration, a damaged cache, a metric that vanished, something not collected
  2  arguments, or the configuration file of a command, are wrong
  3  a server cannot be reached, or refuses
  4  a file, a socket or the terminal cannot be used";

/// The reason why a command ends with another code than 0.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something is wrong with what was looked at; the command has told.
    Told,
    /// Makes it with a message.
    Found(String),
    /// Arguments or a configuration are wrong.
    Usage(String),
    /// A server cannot be reached, or refuses.
    Unreachable(String),
    /// A file, a socket or the terminal cannot be used.
    Io(String),
    /// The reader of the output has gone.
    Gone,
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    /// A file that cannot be used.
    pub(crate) fn file(path: &Path, error: &dyn Display) -> Failure {
        Failure::Io(format!("{}: {error}", visible(&path.to_string_lossy())))
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Told | Failure::Found(_) => FOUND,
            Failure::Usage(_) => USAGE,
            Failure::Unreachable(_) => UNREACHABLE,
            Failure::Io(_) => IO,
            Failure::Gone => OK,
        }
    }

    fn message(&self) -> Option<&str> {
        match self {
            Failure::Told | Failure::Gone => None,
            Failure::Found(text) | Failure::Usage(text) | Failure::Unreachable(text) | Failure::Io(text) => Some(text),
        }
    }
}

impl From<io::Error> for Failure {
    /// Errors of the output, which alone come without a name.
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::Gone,
            _ => Failure::Io(format!("the output cannot be written: {error}")),
        }
    }
}

/// Prints the message of a failure, as JSON where that was asked for, and returns the exit code.
pub(crate) fn end(result: Result, is_json: bool) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if let Some(message) = failure.message() {
        match is_json {
            true => eprintln!("{}", json!({"error": message, "code": failure.code()})),
            false => eprintln!("error: {message}"),
        }
    }
    ExitCode::from(failure.code())
}
