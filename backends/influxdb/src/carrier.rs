//! The two ways of lines: datagrams and requests.

use ferrometer_push::{Carrier, Http, Socket, Verdict, gzip};
use std::time::Instant;

/// A way to the server.
#[derive(Debug)]
pub(crate) enum Way {
    Udp(Socket),
    Http { http: Box<Http>, gzip: bool },
}

impl Carrier for Way {
    fn compress(&mut self, body: &[u8], wire: &mut Vec<u8>) -> bool {
        match self {
            Way::Udp(_) => false,
            Way::Http { gzip: wanted, .. } => *wanted && gzip(body, wire),
        }
    }

    fn send(&mut self, body: &[u8], is_compressed: bool, points: usize, until: Instant) -> Verdict {
        let http = match self {
            Way::Udp(socket) => return socket.send(body, is_compressed, points, until),
            Way::Http { http, .. } => http,
        };
        let encoding = if is_compressed { "gzip" } else { "identity" };
        let headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Encoding", encoding)];
        match http.post(&headers, body, until) {
            Ok(reply) => http.verdict(&reply),
            Err(reason) => Verdict::Later { reason, after: None },
        }
    }

    fn finish(&mut self) -> Verdict {
        match self {
            Way::Udp(socket) => socket.finish(),
            Way::Http { .. } => Verdict::Accepted,
        }
    }
}
