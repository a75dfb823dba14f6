//! An export as a body: `{"data":{"data":[…]}}`, made while the client takes it, ordered by time stamp.
//!
//! Of this node's history no more than one generation is in memory at once; the rows of other nodes are there already, and bounded.
//! Each step is bounded in what it writes and in how many rows it looks at, and hands the thread back in between.

use super::reply::ForeignRow;
use super::rows::{Column, Row, Shown};
use crate::generation::Generation;
use crate::http::counts::Counts;
use crate::http::stream::Source;
use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use std::convert::Infallible;
use std::iter::Peekable;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::IntoIter;

/// A piece is sent when it has so many bytes; it has at most one row more.
const PIECE: usize = 16 << 10;
/// How many rows one step looks at.
const WORK: usize = 1024;

pub(super) struct Export {
    own: Peekable<Source>,
    shown: Shown,
    /// The generation in work, and where in it.
    current: Option<(Arc<Generation>, usize)>,
    foreign: Peekable<IntoIter<ForeignRow>>,
    state: State,
    /// Whether a row was written already.
    separate: bool,
    /// Whether the thread was handed back since the last step.
    rested: bool,
    counts: Arc<Counts>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Rows,
    Done,
}

impl Export {
    /// `foreign` is sorted by time stamp.
    pub(super) fn new(own: Source, shown: Shown, foreign: Vec<ForeignRow>, counts: Arc<Counts>) -> Export {
        Export {
            own: own.peekable(),
            shown,
            current: None,
            foreign: foreign.into_iter().peekable(),
            state: State::Head,
            separate: false,
            rested: true,
            counts,
        }
    }

    fn step(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.state == State::Head {
            self.state = State::Rows;
            out.extend(b"{\"data\":{\"data\":[");
        }
        let mut work = WORK;
        while work > 0 && out.len() < PIECE {
            if let Some((generation, at)) = self.current.take() {
                self.own_rows(&mut out, generation, at, &mut work);
                continue;
            }
            let next = self.own.peek().map(|generation| generation.timestamp());
            let earlier = |row: &ForeignRow| next.is_none_or(|next| row.timestamp < next);
            if let Some(row) = self.foreign.next_if(earlier) {
                work -= 1;
                let ForeignRow { id, metric, timestamp, kind, value } = row;
                self.write(&mut out, &Row { id: &id, metric: &metric, timestamp, kind, value });
            } else if let Some(generation) = self.own.next() {
                // A generation costs something, even an empty one.
                work -= 1;
                self.current = Some((generation, 0));
            } else {
                self.state = State::Done;
                out.extend(b"]}}");
                break;
            }
        }
        out
    }

    fn own_rows(&mut self, out: &mut Vec<u8>, generation: Arc<Generation>, from: usize, work: &mut usize) {
        let columns = Arc::clone(generation.columns());
        let shown = std::mem::take(&mut self.shown);
        for (place, column, value) in generation.values_from(from) {
            if *work == 0 || out.len() >= PIECE {
                self.current = Some((Arc::clone(&generation), place));
                break;
            }
            *work -= 1;
            match shown.column(column, &columns.identities()[column]) {
                Column::Row(id, metric) => {
                    let (timestamp, kind) = (generation.timestamp(), columns.identities()[column].kind);
                    self.write(out, &Row { id, metric, timestamp, kind, value });
                }
                Column::Refused => Counts::add(&self.counts.unwritable),
                Column::Hidden => {}
            }
        }
        self.shown = shown;
    }

    /// Writes a row. One that cannot be written is left out, and the rest of the answer is whole.
    fn write(&mut self, out: &mut Vec<u8>, row: &Row<'_>) {
        let before = out.len();
        if self.separate {
            out.push(b',');
        }
        if !row.value.is_finite() || serde_json::to_writer(&mut *out, row).is_err() {
            out.truncate(before);
            return Counts::add(&self.counts.unwritable);
        }
        self.separate = true;
    }
}

impl HttpBody for Export {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.state == State::Done {
            return Poll::Ready(None);
        }
        if std::mem::replace(&mut self.rested, false) {
            let piece = self.step();
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
            }
        }
        self.rested = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
