//! Requests, as 1.0 or 2.0 of remote write, by what the server takes; snappy makes them a body.
//!
//! A request without series asks the server once, before the first one that has some. A receiver of 2.0 answers with the number of samples that it wrote; one of
//! 1.0 refuses the type, or takes it for a request without series, and has no such header.

use crate::exporter::NO_FAMILY;
use crate::families::Families;
use crate::request_v2;
use crate::settings::Version;
use ferrometer_push::{Carrier, Extent, Http, Packed, Reply, Verdict, moment};
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
    /// The largest body.
    most: usize,
    /// Room for the series of a request of 2.0, and how many are in the last one.
    series: Vec<u8>,
    count: usize,
    /// Room to compress into, which is never cleared: that took as long as compressing.
    room: Vec<u8>,
}

impl Requests {
    pub(crate) fn new(http: Http, version: Version, most: usize, families: Families) -> Requests {
        let takes = if version == Version::Auto { Takes::Unknown } else { Takes::Told };
        let (encoder, series, room) = (snap::raw::Encoder::new(), Vec::new(), Vec::new());
        Requests { http, encoder, families, takes, most, series, count: 0, room }
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

    /// Judges the answer to a request of 2.0.
    fn judge(&mut self, reply: &Reply) -> Verdict {
        let written = written(reply);
        let url = self.http.url();
        let is_good = (200..300).contains(&reply.status);
        if reply.status == 415 || (is_good && written.is_none()) {
            let reason = format!("{url} no longer takes remote write 2.0, and gets 1.0");
            self.is_first();
            return Verdict::Later { reason, after: None };
        }
        let told = written.map(|written| format!("; {written} of {} samples were written", self.count));
        match self.http.verdict(reply) {
            // The halves tell which ones were not; what is written a second time is the same.
            Verdict::Accepted if written.is_some_and(|written| written < self.count as u64) => {
                let reason = format!("{url} answers {}{}", reply.status, told.unwrap_or_default());
                Verdict::Refused { reason, extent: Extent::Part }
            }
            Verdict::Refused { reason, extent } => {
                Verdict::Refused { reason: reason + &told.unwrap_or_default(), extent }
            }
            other => other,
        }
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
    fn frame(&mut self, packed: &Packed<'_>, body: &mut Vec<u8>) -> bool {
        if self.takes == Takes::Second {
            // 2.0 tells what families are with their series: there is nothing to send.
            if packed.groups().all(|(number, _, _)| number == NO_FAMILY) {
                self.count = 0;
                body.extend_from_slice(&request_v2::EMPTY);
                return true;
            }
            let families = self.families.lock();
            let started = i64::try_from(moment::started() / 1_000_000).unwrap_or(0);
            if let Some(count) =
                request_v2::request(body, &mut self.series, packed.groups(), &families, started, self.most)
            {
                self.count = count;
                return true;
            }
            // It holds more than may be sent at once. A receiver of 2.0 takes 1.0 too, unless it is told otherwise.
            body.clear();
        }
        false
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

    /// A server may be an older one when it is back: what is kept for it is 1.0.
    fn frame_kept(&mut self, packed: &Packed<'_>, wire: &mut Vec<u8>) {
        if request_v2::is_second(wire) {
            self.compress(packed.bytes(), wire);
        }
    }

    fn send(&mut self, body: &[u8], _: bool, _: usize, until: Instant) -> Verdict {
        if let Some(verdict) = self.ask(until) {
            return verdict;
        }
        let is_second = request_v2::is_second(body);
        match self.http.post(if is_second { &SECOND } else { &FIRST }, body, until) {
            Ok(reply) if is_second => self.judge(&reply),
            Ok(reply) => self.http.verdict(&reply),
            Err(reason) => Verdict::Later { reason, after: None },
        }
    }
}
