//! Recordings: datagrams with their times, one a line, as JSON. What is no UTF-8 is kept as base64.
//!
//! ```text
//! {"ferrometer":"statsd recording","version":1}
//! {"at":0.0021,"data":"shop.sales:1|c\nshop.depth:3|g"}
//! {"at":1.0034,"base64":"/zoxfGM="}
//! ```
//!
//! A file that does not begin so is taken as plain lines, each of which is sent as a datagram.

use crate::address::Address;
use crate::outcome::{Failure, Result};
use crate::text::visible;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const HEAD: &str = r#"{"ferrometer":"statsd recording","version":1}"#;
/// Bytes of the longest line: a datagram as base64, or with every byte escaped.
const LONGEST: u64 = 512 << 10;

#[derive(Serialize, Deserialize)]
struct Entry {
    /// Seconds since the recording began.
    at: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// A recording in the making.
pub(crate) struct Recorder {
    path: PathBuf,
    out: BufWriter<File>,
    since: Instant,
    left: u64,
}

impl Recorder {
    /// Begins a file; one that is there is not replaced.
    pub(crate) fn create(path: &Path, most: u64) -> Result<Recorder> {
        let file =
            File::options().write(true).create_new(true).open(path).map_err(|error| Failure::file(path, &error))?;
        let mut recorder =
            Recorder { path: path.to_owned(), out: BufWriter::new(file), since: Instant::now(), left: most };
        recorder.line(HEAD)?;
        Ok(recorder)
    }

    fn line(&mut self, text: &str) -> Result {
        self.left = self.left.saturating_sub(text.len() as u64 + 1);
        writeln!(self.out, "{text}").map_err(|error| Failure::file(&self.path, &error))
    }

    /// Adds a datagram. Returns `false` when the file is full.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        let at = self.since.elapsed().as_secs_f64();
        let entry = match std::str::from_utf8(bytes) {
            Ok(text) => Entry { at, data: Some(text.to_owned()), base64: None },
            Err(_) => Entry { at, data: None, base64: Some(BASE64_STANDARD.encode(bytes)) },
        };
        let text = serde_json::to_string(&entry).map_err(|error| Failure::file(&self.path, &error))?;
        self.line(&text)?;
        Ok(true)
    }

    pub(crate) fn end(mut self) -> Result {
        self.out.flush().map_err(|error| Failure::file(&self.path, &error))
    }
}

/// How fast a file is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many times faster than it was recorded; 0 for as fast as possible.
    pub(crate) speed: f64,
    /// Lines a second, of plain lines.
    pub(crate) rate: f64,
}

/// Opens a file that is to be sent.
pub(crate) fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Failure::file(path, &error))
}

/// Sends a file. Returns datagrams and bytes.
pub(crate) fn replay((path, file): (&Path, File), to: &Address, pace: Pace, stop: &AtomicBool) -> Result<(u64, u64)> {
    let length = file.metadata().map(|meta| meta.len()).unwrap_or(0);
    let mut reader = BufReader::new(file);
    let unreachable = |error: io::Error| Failure::Unreachable(format!("{}: {error}", visible(&to.to_string())));
    let mut sender = to.connect().map_err(unreachable)?;
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(4));
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let begun = Instant::now();
    let (mut is_recording, mut number) = (false, 0_u64);
    let (mut datagrams, mut bytes, mut read) = (0_u64, 0_u64, 0_u64);
    let mut line = Vec::new();
    while !stop.load(Relaxed) {
        line.clear();
        let more = reader
            .by_ref()
            .take(LONGEST + 1)
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::file(path, &error))?;
        if more == 0 {
            break;
        }
        number += 1;
        read += more as u64;
        bar.set_position(read);
        let wrong = |why: &str| Failure::file(path, &format!("line {number} {why}"));
        if line.len() as u64 > LONGEST {
            return Err(wrong("is too long for any datagram"));
        }
        let text = line.trim_ascii_end();
        if number == 1 && text == HEAD.as_bytes() {
            is_recording = true;
            continue;
        }
        if text.is_empty() {
            continue;
        }
        let (at, data) = match is_recording {
            true => {
                let entry: Entry = serde_json::from_slice(text).map_err(|_| wrong("is none of a recording"))?;
                let seconds = if pace.speed > 0.0 { entry.at / pace.speed } else { 0.0 };
                let data = match (entry.data, entry.base64) {
                    (Some(text), None) => text.into_bytes(),
                    (None, Some(text)) => BASE64_STANDARD.decode(text).map_err(|_| wrong("has no base64"))?,
                    _ => return Err(wrong("has neither data nor base64")),
                };
                (seconds, data)
            }
            false => (datagrams as f64 / pace.rate, text.to_vec()),
        };
        wait(begun, at, stop);
        sender.send(&data).map_err(unreachable)?;
        datagrams += 1;
        bytes += data.len() as u64;
    }
    bar.finish_and_clear();
    Ok((datagrams, bytes))
}

/// Waits until it is so late, or told to stop.
fn wait(begun: Instant, seconds: f64, stop: &AtomicBool) {
    let due = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    while let Some(left) = due.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
        if stop.load(Relaxed) {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}
