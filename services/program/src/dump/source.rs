//! Where generations come from: the files of a cache, or a program that serves one.

use super::Command;
use crate::outcome::{Failure, Result};
use crate::records::{Line, Record};
use crate::remote::Remote;
use crate::text::visible;
use ferrometer_pull_cache::{DamageKind, PersistedHistory, ReadError};
use std::path::Path;

/// See the [module](self).
pub(crate) enum Source {
    Files { history: PersistedHistory, is_newest: bool },
    Program { remote: Remote, path: String },
}

/// Damage that was met.
#[derive(Default)]
pub(crate) struct Damage {
    /// In words.
    pub(crate) told: Vec<String>,
    /// True if it is more than the mark of a program that was killed.
    pub(crate) is_wrong: bool,
}

impl Source {
    /// Opens a folder, or prepares to ask a program.
    pub(crate) fn open(command: &Command) -> Result<Source> {
        let from = command.from.as_str();
        let path = Path::new(from);
        // A folder that is not there is more probable than a host without a port.
        let is_address = from.contains("://") || (!path.exists() && !from.contains('/') && from.contains(':'));
        if is_address {
            let mut query = vec!["history=1".to_owned()];
            if command.newest {
                query.clear();
            }
            query.extend(command.since.map(|since| format!("start-time={since}")));
            let parameters = [("name", &command.wanted.name), ("id", &command.wanted.id)];
            for (name, values) in parameters {
                query.extend(values.iter().map(|value| format!("{name}={}", encoded(value))));
            }
            query.extend(
                command.wanted.label.iter().map(|(key, value)| format!("label={}", encoded(&format!("{key}={value}")))),
            );
            let mark = if query.is_empty() { "" } else { "?" };
            let path = format!("/v1/metrics{mark}{}", query.join("&"));
            return Ok(Source::Program { remote: command.access.open(from)?, path });
        }
        let history = ferrometer_pull_cache::read(path).map_err(|error| match error {
            ReadError::Damaged { .. } => Failure::Found(visible(&error.to_string()).into_owned()),
            ReadError::NotACache { .. } => {
                let hint = "; to ask a program, give its address as http://HOST:PORT";
                Failure::Io(format!("{}{hint}", visible(&error.to_string())))
            }
            error => Failure::Io(visible(&error.to_string()).into_owned()),
        })?;
        Ok(Source::Files { history, is_newest: command.newest })
    }

    /// Hands out every record, the oldest generation first.
    pub(crate) fn each(self, each: &mut dyn FnMut(Record) -> Result) -> Result<Damage> {
        match self {
            Source::Files { history, is_newest } => {
                let mut damage = Damage::default();
                for one in history.damage() {
                    damage.told.push(visible(&one.to_string()).into_owned());
                    damage.is_wrong |= one.kind != DamageKind::Torn;
                }
                let newest = history.window().map(|(_, newest)| newest).filter(|_| is_newest);
                for generation in history {
                    if newest.is_some_and(|newest| generation.timestamp() != newest) {
                        continue;
                    }
                    for record in generation.records() {
                        each(record.into())?;
                    }
                }
                Ok(damage)
            }
            Source::Program { remote, path } => {
                let answer = remote.get(&path, &[("Accept", "application/x-ndjson")])?;
                let mut has_ended = false;
                for line in answer.lines() {
                    match Line::parse(&line?, remote.base())? {
                        Line::Record(record) => each(record)?,
                        Line::End { window } => {
                            has_ended = true;
                            if window.to.is_none() {
                                eprintln!("note: the program has made no generation yet");
                            }
                        }
                    }
                }
                match has_ended {
                    true => Ok(Damage::default()),
                    false => Err(Failure::Unreachable(format!("{}: the answer ended early", visible(remote.base())))),
                }
            }
        }
    }
}

/// Writes a text as a part of a query.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write;

    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~*".contains(&byte) {
            true => out.push(char::from(byte)),
            false => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
