//! `GET /v1/instruments`: what the names of the records stand for, and how the cache is kept.

use ferrometer_http::{JSON, Response, StatusCode, json, respond};
use ferrometer_pull_cache::{Instrument, PullCacheHandle};
use serde::Serialize;

#[derive(Serialize)]
struct Answer<'a> {
    /// Seconds between two generations.
    interval: f64,
    /// Old generations kept.
    generations: usize,
    /// Seconds that a generation may be older than the newest.
    window: f64,
    /// Instruments that the records do not show.
    left_out: usize,
    instruments: &'a [Instrument],
}

pub(crate) fn instruments(handle: &PullCacheHandle) -> Response {
    let settings = handle.settings();
    let instruments = handle.instruments();
    let answer = Answer {
        interval: settings.interval.as_secs_f64(),
        generations: settings.generations,
        window: settings.window.as_secs_f64(),
        left_out: handle.left_out().records,
        instruments: &instruments,
    };
    respond(StatusCode::OK, JSON, json(&answer))
}
