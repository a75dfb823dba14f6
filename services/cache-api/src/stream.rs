//! The text of records, made in steps while the client takes it: neither the text of a history nor more than one of its generations
//! is in memory at once.

use crate::cursor::{Cursor, mark};
use crate::query::Query;
use crate::unwritable::Unwritable;
use ferrometer_core::name::Pattern;
use ferrometer_http::{CHUNK_BYTES, CHUNK_WORK, Chunks, json};
use ferrometer_pull_cache::{Generation, Record};
use serde::Serialize;
use std::sync::Arc;

/// The generations of an answer, oldest first.
pub type Source = Box<dyn Iterator<Item = Arc<Generation>> + Send>;

/// The first and last timestamp of what the cache holds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Window {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    /// True if older generations are still being read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) loading: bool,
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// `{"data":[…],"window":{…}}`, with `"next":"…"` at the end when there is more.
    Json,
    /// One record a line; the last line is `{"window":{…}}`, with `"next"` when there is more.
    Lines,
}

/// End of an answer, behind the records.
#[derive(Serialize)]
struct Tail<'a> {
    window: &'a Window,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(crate) struct Stream {
    source: Source,
    /// The generation in work, and how many of its records are done with.
    current: Option<(Arc<Generation>, usize)>,
    /// Records of the first generation to skip.
    skip: usize,
    query: Query,
    form: Form,
    window: Window,
    state: State,
    /// True if a record was written already.
    separate: bool,
    /// How many records may still be written.
    left: u64,
    /// Behind the last record written.
    place: Option<Cursor>,
    unwritable: Unwritable,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Records,
    Done,
}

impl Stream {
    pub(crate) fn new(
        source: Source,
        skip: usize,
        query: Query,
        form: Form,
        window: Window,
        unwritable: Unwritable,
    ) -> Stream {
        Stream {
            source,
            current: None,
            skip,
            left: query.limit.unwrap_or(u64::MAX),
            query,
            form,
            window,
            state: State::Head,
            separate: false,
            place: None,
            unwritable,
        }
    }

    fn open(&mut self) -> Option<(Arc<Generation>, usize)> {
        Some((self.source.next()?, std::mem::take(&mut self.skip)))
    }

    /// Writes a record. One that cannot be written is left out, and the rest of the answer is whole.
    fn write(&mut self, out: &mut Vec<u8>, value: f64, record: &impl Serialize) -> bool {
        let before = out.len();
        if self.separate && self.form == Form::Json {
            out.push(b',');
        }
        if !value.is_finite() || serde_json::to_writer(&mut *out, record).is_err() {
            out.truncate(before);
            self.unwritable.add();
            return false;
        }
        if self.form == Form::Lines {
            out.push(b'\n');
        }
        self.separate = true;
        true
    }

    fn end(&mut self, out: &mut Vec<u8>, next: Option<String>) {
        self.state = State::Done;
        self.current = None;
        self.source = Box::new(std::iter::empty());
        let tail = json(&Tail { window: &self.window, next });
        match self.form {
            Form::Json => {
                out.extend(b"],");
                out.extend(tail.get(1..).unwrap_or_default());
            }
            Form::Lines => {
                out.extend(tail);
                out.push(b'\n');
            }
        }
    }
}

impl Chunks for Stream {
    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn next_chunk(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.state == State::Head {
            self.state = State::Records;
            if self.form == Form::Json {
                out.extend(b"{\"data\":[");
            }
        }
        let mut work = CHUNK_WORK;
        while work > 0 && out.len() < CHUNK_BYTES {
            let Some((generation, done)) = self.current.take().or_else(|| self.open()) else {
                self.end(&mut out, None);
                break;
            };
            let mut at = done;
            for record in generation.records().skip(done) {
                if work == 0 || out.len() >= CHUNK_BYTES {
                    break;
                }
                work -= 1;
                if wanted(&self.query, &record) {
                    if self.left == 0 {
                        let next = self.place.map(|place| place.to_string());
                        self.end(&mut out, next);
                        return out;
                    }
                    if self.write(&mut out, record.value, &record) {
                        self.left -= 1;
                        self.place =
                            Some(Cursor { timestamp: generation.timestamp(), index: at + 1, mark: mark(&record) });
                    }
                }
                at += 1;
            }
            // A generation costs something, even an empty one.
            work = work.saturating_sub(1);
            if at < generation.len() {
                self.current = Some((generation, at));
            }
        }
        out
    }
}

fn wanted(query: &Query, record: &Record<'_>) -> bool {
    let one =
        |patterns: &[Pattern], text: &str| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text));
    let labelled = |(key, patterns): &(String, Vec<Pattern>)| record.labels.get(key).is_some_and(|v| one(patterns, v));
    one(&query.ids, record.id) && one(&query.names, record.metric) && query.labels.iter().all(labelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_cannot_be_written_breaks_nothing() {
        #[derive(Serialize)]
        struct One {
            metric: &'static str,
            value: f64,
        }
        let unwritable = Unwritable::default();
        let nothing: Source = Box::new(std::iter::empty());
        let window = Window { from: Some(1), to: Some(1), loading: false };
        let mut stream = Stream::new(nothing, 0, Query::default(), Form::Json, window, unwritable.clone());
        let mut out = b"[".to_vec();
        let written = [("a", 1.0), ("b", f64::NAN), ("c", f64::INFINITY), ("d", 2.0)]
            .map(|(metric, value)| stream.write(&mut out, value, &One { metric, value }));
        assert_eq!(written, [true, false, false, true]);
        out.push(b']');
        let read: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!((&read[0]["metric"], &read[1]["metric"], read.len()), (&"a".into(), &"d".into(), 2));
        assert_eq!(unwritable.get(), 2);
    }

    #[test]
    fn an_answer_says_that_older_generations_are_still_read() {
        let tail = |loading, form| {
            let nothing: Source = Box::new(std::iter::empty());
            let window = Window { from: Some(7), to: Some(9), loading };
            let mut stream = Stream::new(nothing, 0, Query::default(), form, window, Unwritable::default());
            let mut all = Vec::new();
            while !stream.is_done() {
                all.extend(stream.next_chunk());
            }
            all
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(tail(true, Form::Json)), r#"{"data":[],"window":{"from":7,"to":9,"loading":true}}"#);
        assert_eq!(text(tail(true, Form::Lines)), "{\"window\":{\"from\":7,\"to\":9,\"loading\":true}}\n");
        assert_eq!(text(tail(false, Form::Json)), r#"{"data":[],"window":{"from":7,"to":9}}"#);
    }
}
