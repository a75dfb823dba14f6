//! `GET /v1/instruments`: what the names of the records stand for, and how the cache is kept. The text is made in steps while the client
//! takes it, over one list that all readers share.

use ferrometer_http::{Body, CHUNK_BYTES, CHUNK_WORK, ChunkedBody, Chunks, JSON, Response, StatusCode, json, respond};
use ferrometer_pull_cache::{Instrument, PullCacheHandle};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Head {
    /// Seconds between two generations.
    interval: f64,
    /// Old generations kept.
    generations: usize,
    /// Seconds that a generation may be older than the newest.
    window: f64,
    /// Instruments that the records do not show.
    left_out: usize,
    /// Empty: the list is written behind it.
    instruments: [(); 0],
}

/// Ends the head, where the list begins.
const LIST_END: &[u8] = b"]}";

pub(crate) fn instruments(handle: &PullCacheHandle) -> Response {
    let settings = handle.settings();
    let head = Head {
        interval: settings.interval.as_secs_f64(),
        generations: settings.generations,
        window: settings.window.as_secs_f64(),
        left_out: handle.left_out().records,
        instruments: [],
    };
    let mut begun = json(&head);
    begun.truncate(begun.len().saturating_sub(LIST_END.len()));
    let list = List { begun, instruments: handle.instruments(), at: 0, is_done: false };
    respond(StatusCode::OK, JSON, Body::new(ChunkedBody::new(list)))
}

struct List {
    /// The beginning of the next chunk.
    begun: Vec<u8>,
    instruments: Arc<Vec<Instrument>>,
    /// How many are written.
    at: usize,
    is_done: bool,
}

impl Chunks for List {
    fn is_done(&self) -> bool {
        self.is_done
    }

    fn next_chunk(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.begun);
        for instrument in self.instruments.iter().skip(self.at).take(CHUNK_WORK) {
            if out.len() >= CHUNK_BYTES {
                return out;
            }
            if self.at > 0 {
                out.push(b',');
            }
            out.extend(json(instrument));
            self.at += 1;
        }
        if self.at == self.instruments.len() {
            out.extend_from_slice(LIST_END);
            self.is_done = true;
        }
        out
    }
}
