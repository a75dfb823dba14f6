//! Requests: series one behind the other are a message already; snappy makes them a body.

use ferrometer_push::{Carrier, Http, Verdict};
use std::time::Instant;

/// The way to the server.
pub(crate) struct Requests {
    http: Http,
    encoder: snap::raw::Encoder,
}

impl Requests {
    pub(crate) fn new(http: Http) -> Requests {
        Requests { http, encoder: snap::raw::Encoder::new() }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }
}

impl Carrier for Requests {
    fn compress(&mut self, body: &[u8], wire: &mut Vec<u8>) -> bool {
        wire.resize(snap::raw::max_compress_len(body.len()), 0);
        match self.encoder.compress(body, wire) {
            Ok(len) => wire.truncate(len),
            // Not for bodies below 4 GiB.
            Err(_) => wire.clear(),
        }
        true
    }

    fn send(&mut self, body: &[u8], _: bool, _: usize, until: Instant) -> Verdict {
        let headers = [
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"),
        ];
        match self.http.post(&headers, body, until) {
            Ok(reply) => self.http.verdict(&reply),
            Err(reason) => Verdict::Later { reason, after: None },
        }
    }
}
