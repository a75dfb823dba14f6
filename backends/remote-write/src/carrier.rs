//! Requests, as 1.0 or 2.0 of remote write, by what the server takes; snappy makes them a body.
//!
//! A request without series asks the server, before anything is written for it. A receiver of 2.0 answers with the number of samples that it wrote; one of
//! 1.0 refuses the type, or takes it for a request without series, and has no such header. A body that was written for a server of the other version becomes
//! one of this.

use crate::convert::{self, MOST_KEPT};
use crate::families::{Families, Form};
use crate::request_v2;
use crate::settings::Version;
use crate::symbols::Room;
use ferrometer_push::{Carrier, Extent, Http, Packed, Reply, Verdict, moment};
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// How long it is believed that a server takes nothing newer than 1.0.
const BELIEVED: Duration = Duration::from_secs(3600);

const FIRST: [(&str, &str); 3] = [
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];
const SECOND: [(&str, &str); 3] = [
    ("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "2.0.0"),
];

/// Versions that the server takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Unknown,
    /// 1.0; asked again then.
    First(Instant),
    Second,
    /// 1.0, by the settings.
    Told,
}

/// The way to the server.
pub(crate) struct Requests {
    http: Http,
    encoder: snap::raw::Encoder,
    families: Families,
    takes: Takes,
    /// The answer to a question, where it is one to the next body, too.
    asked: Option<Verdict>,
    /// Room for the series of a request of 2.0, and for its symbols.
    series: Vec<u8>,
    symbols: Room,
    /// Room to compress into, which is never cleared: that took as long as compressing.
    room: Vec<u8>,
}

impl Requests {
    pub(crate) fn new(http: Http, version: Version, families: Families) -> Requests {
        let takes = if version == Version::Auto { Takes::Unknown } else { Takes::Told };
        let (encoder, series, room) = (snap::raw::Encoder::new(), Vec::new(), Vec::new());
        Requests { http, encoder, families, takes, asked: None, series, symbols: Room::default(), room }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Asks the server what it takes, if that is not known; the fate of a body, if it cannot be sent now.
    fn ask(&mut self, until: Instant) -> Option<Verdict> {
        match self.takes {
            Takes::First(asked_again) if Instant::now() < asked_again => return None,
            Takes::Second | Takes::Told => return None,
            Takes::First(_) | Takes::Unknown => {}
        }
        let mut wire = Vec::new();
        self.compress(&request_v2::EMPTY, &mut wire);
        let reply = match self.http.post(&SECOND, &wire, until) {
            Ok(reply) => reply,
            Err(reason) => return Some(Verdict::Later { reason, after: None }),
        };
        match reply.status {
            200..=299 if written(&reply).is_some() => self.takes = Takes::Second,
            200..=299 | 400 | 404..=406 | 415 | 422 | 501 => self.is_first(),
            // Who asks, or when, is what the server does not like: the answer for a body would be the same.
            _ => return Some(self.http.verdict(&reply)),
        }
        None
    }

    /// Sends a request without series, of the version that the server takes.
    pub(crate) fn try_empty(&mut self, until: Instant) -> Verdict {
        if let Some(verdict) = self.ask(until) {
            return verdict;
        }
        // The question was such a request.
        if self.takes == Takes::Second {
            return Verdict::Accepted;
        }
        let mut wire = Vec::new();
        self.compress(&[], &mut wire);
        self.send(&wire, true, 0, until)
    }

    fn is_first(&mut self) {
        self.takes = Takes::First(Instant::now() + BELIEVED);
    }

    /// Judges the answer to a request of 2.0 with this many series.
    fn judge(&mut self, reply: &Reply, count: usize) -> Verdict {
        let written = written(reply);
        let url = self.http.url();
        let is_good = (200..300).contains(&reply.status);
        if reply.status == 415 || (is_good && written.is_none()) {
            let reason = format!("{url} no longer takes remote write 2.0, and gets 1.0");
            self.is_first();
            return Verdict::Later { reason, after: None };
        }
        let told = written.map(|written| format!("; {written} of {count} samples were written"));
        match self.http.verdict(reply) {
            // The halves tell which ones were not; what is written a second time is the same.
            Verdict::Accepted if written.is_some_and(|written| written < count as u64) => {
                let reason = format!("{url} answers {}{}", reply.status, told.unwrap_or_default());
                Verdict::Refused { reason, extent: Extent::Part }
            }
            Verdict::Refused { reason, extent } => {
                Verdict::Refused { reason: reason + &told.unwrap_or_default(), extent }
            }
            other => other,
        }
    }

    fn send_second(&mut self, body: &[u8], points: usize, until: Instant) -> Verdict {
        let Some((second, count)) = self.as_taken(body, points) else { return damaged() };
        // 2.0 tells what families are with their series: a body of nothing else is nothing to send.
        if count == 0 {
            return Verdict::Accepted;
        }
        match self.http.post(&SECOND, &second, until) {
            Ok(reply) => self.judge(&reply, count),
            Err(reason) => Verdict::Later { reason, after: None },
        }
    }

    /// Returns a body as one of the version that the server takes, and how many series are in it; `None` where it is damaged.
    fn as_taken<'b>(&mut self, body: &'b [u8], points: usize) -> Option<(Cow<'b, [u8]>, usize)> {
        let is_second = request_v2::is_second(body);
        if is_second == (self.takes == Takes::Second) {
            return Some((Cow::Borrowed(body), points));
        }
        let is_small = snap::raw::decompress_len(body).is_ok_and(|len| len <= MOST_KEPT);
        let plain = is_small.then(|| snap::raw::Decoder::new().decompress_vec(body))?.ok()?;
        let (plain, count) = match is_second {
            true => (convert::to_first(&plain)?, points),
            false => convert::to_second(&plain)?,
        };
        let mut wire = Vec::new();
        self.compress(&plain, &mut wire);
        Some((Cow::Owned(wire), count))
    }
}

/// How many samples and histograms the server wrote; `None` when it does not say.
fn written(reply: &Reply) -> Option<u64> {
    let header = |name| reply.header(name).and_then(|value| value.trim().parse::<u64>().ok());
    let samples = header("x-prometheus-remote-write-samples-written");
    let histograms = header("x-prometheus-remote-write-histograms-written");
    let known = samples.is_some() || histograms.is_some();
    known.then(|| samples.unwrap_or(0).saturating_add(histograms.unwrap_or(0)))
}

impl Carrier for Requests {
    fn begin(&mut self, until: Instant) {
        self.asked = self.ask(until);
        self.families.lock().form = if self.takes == Takes::Second { Form::Second } else { Form::First };
    }

    fn frame(&mut self, packed: &Packed<'_>, body: &mut Vec<u8>) -> bool {
        let known = self.families.lock();
        if known.form == Form::First {
            return false;
        }
        let started = i64::try_from(moment::started() / 1_000_000).unwrap_or(0);
        request_v2::request(body, (&mut self.series, &mut self.symbols), packed.grouped(), &known, started);
        true
    }

    fn compress(&mut self, body: &[u8], wire: &mut Vec<u8>) -> bool {
        wire.clear();
        let most = snap::raw::max_compress_len(body.len());
        if self.room.len() < most {
            self.room.resize(most, 0);
        }
        // It fails for bodies of 4 GiB alone.
        if let Ok(len) = self.encoder.compress(body, &mut self.room) {
            wire.extend_from_slice(&self.room[..len]);
        }
        true
    }

    fn send(&mut self, body: &[u8], _: bool, points: usize, until: Instant) -> Verdict {
        if let Some(verdict) = self.asked.take().or_else(|| self.ask(until)) {
            return verdict;
        }
        if self.takes == Takes::Second {
            return self.send_second(body, points, until);
        }
        let Some((first, _)) = self.as_taken(body, points) else { return damaged() };
        let reply = match self.http.post(&FIRST, &first, until) {
            Ok(reply) => reply,
            Err(reason) => return Verdict::Later { reason, after: None },
        };
        // It was told to take another version since it was asked, perhaps.
        if reply.status == 415 && self.takes != Takes::Told {
            self.takes = Takes::Unknown;
            if let Some(verdict) = self.ask(until) {
                return verdict;
            }
            if self.takes == Takes::Second {
                return self.send_second(body, points, until);
            }
        }
        self.http.verdict(&reply)
    }
}

fn damaged() -> Verdict {
    Verdict::Refused { reason: "a body that was kept is damaged".to_owned(), extent: Extent::Body }
}
