//! Frames points as requests, and reads what the server says of them.

use crate::exporter::Headers;
use crate::settings::{Encoding, Settings, Temporality};
use crate::{json, protobuf, resource};
use ferrometer_core::warn;
use ferrometer_push::{Carrier, Extent, Http, Invalid, Packed, Reply, Verdict, gzip};
use std::sync::PoisonError;
use std::time::Instant;

/// The name of the scope that all metrics stand in.
const SCOPE: (&str, &str) = ("ferrometer", env!("CARGO_PKG_VERSION"));

/// The way to the server.
#[derive(Debug)]
pub(crate) struct Requests {
    http: Http,
    encoding: Encoding,
    /// `true` when a request may be sent twice.
    is_idempotent: bool,
    gzip: bool,
    headers: Headers,
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Requests {
    pub(crate) fn new(settings: &Settings, headers: Headers) -> Result<Requests, Invalid> {
        let http = Http::new(&settings.http()?)?;
        let attributes = resource::unique(&settings.resource_attributes);
        let (resource, scope) = match settings.encoding {
            Encoding::Protobuf => (protobuf::resource(&attributes), protobuf::scope(SCOPE.0, SCOPE.1)),
            Encoding::Json => {
                let mut list = Vec::new();
                json::attributes(&mut list, attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())));
                (list, Vec::new())
            }
        };
        let frame = resource.len() + scope.len() + FRAME;
        if frame + 512 > settings.max_body_size {
            let found = format!("{} bytes", resource.len());
            return Err(Invalid::new("resource_attributes", found, "what leaves room in max_body_size"));
        }
        Ok(Requests {
            http,
            encoding: settings.encoding,
            is_idempotent: settings.temporality == Temporality::Cumulative,
            gzip: settings.gzip,
            headers,
            resource,
            scope,
        })
    }

    /// How many bytes stand around the metrics of a request.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.resource.len() + self.scope.len() + FRAME
    }

    /// Sends a request without metrics, to see whether the server is there and takes the headers.
    pub(crate) fn test(&mut self, until: Instant) -> Result<(), String> {
        let body: &[u8] = if self.encoding == Encoding::Json { b"{\"resourceMetrics\":[]}" } else { b"" };
        let reply = self.post(body, false, until)?;
        if (200..300).contains(&reply.status) {
            return Ok(());
        }
        Err(format!("{} answers {}: {}", self.http.url(), reply.status, self.http.words(&reply.body)))
    }

    fn post(&self, body: &[u8], is_compressed: bool, until: Instant) -> Result<Reply, String> {
        let kind = if self.encoding == Encoding::Json { "application/json" } else { "application/x-protobuf" };
        let headers = [("Content-Type", kind), ("Content-Encoding", "gzip")];
        self.http.post(if is_compressed { &headers } else { &headers[..1] }, body, until)
    }

    /// Judges whether the server took all points of a request that it answers with 2xx.
    fn judge(&self, reply: &Reply, points: usize) -> Verdict {
        let (rejected, said) = match self.encoding {
            Encoding::Protobuf => protobuf::partial_success(&reply.body),
            Encoding::Json => json::partial_success(&reply.body),
        };
        let said = self.http.words(said.as_bytes());
        if rejected == 0 {
            if !said.is_empty() {
                let url = self.http.url();
                warn(&format!("{url} warns"), &format!("{url} took all points, and says: {said}"));
            }
            return Verdict::Accepted;
        }
        let reason = format!("{} rejects {rejected} of {points} points: {said}", self.http.url());
        // Which ones, it does not say. Where a request may be sent again, its halves tell; else all of it counts as refused, which is never too little.
        let extent = if self.is_idempotent { Extent::Part } else { Extent::Body };
        Verdict::Refused { reason, extent }
    }
}

/// Lengths, brackets and names around the metrics, in either encoding.
const FRAME: usize = 160;

impl Carrier for Requests {
    fn frame(&mut self, packed: &Packed<'_>, body: &mut Vec<u8>) -> bool {
        let headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = || {
            let headed = |(group, _, points)| Some((headers.get(group as usize)?.as_ref()?, points));
            packed.groups().filter_map(headed)
        };
        match self.encoding {
            Encoding::Protobuf => protobuf::request(body, &self.resource, &self.scope, metrics),
            Encoding::Json => json::request(body, &self.resource, SCOPE, metrics()),
        }
        true
    }

    fn compress(&mut self, body: &[u8], wire: &mut Vec<u8>) -> bool {
        self.gzip && gzip(body, wire)
    }

    fn send(&mut self, body: &[u8], is_compressed: bool, points: usize, until: Instant) -> Verdict {
        match self.post(body, is_compressed, until) {
            Ok(reply) => match self.http.verdict(&reply) {
                Verdict::Accepted => self.judge(&reply, points),
                other => other,
            },
            Err(reason) => Verdict::Later { reason, after: None },
        }
    }
}
