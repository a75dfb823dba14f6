//! A body that is made in steps, while the client takes it.
//!
//! Each step is bounded in what it writes and in how much it looks at. Between two steps the thread is handed back, so that one large
//! answer, or one of which a filter leaves nothing, holds up nobody.

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A piece is sent when it has so many bytes; it has at most one record more.
pub(super) const PIECE: usize = 16 << 10;
/// How many records one step looks at.
pub(super) const WORK: usize = 1024;

/// What makes the text of a body.
pub(super) trait Steps: Unpin {
    /// Whether there is nothing more.
    fn is_done(&self) -> bool;

    /// One step's worth of text, which may be none.
    fn step(&mut self) -> Vec<u8>;
}

/// The body that steps make.
pub(super) struct Stepped<S> {
    steps: S,
    /// Whether the thread was handed back since the last step.
    rested: bool,
}

impl<S: Steps> Stepped<S> {
    pub(super) fn new(steps: S) -> Stepped<S> {
        Stepped { steps, rested: true }
    }
}

impl<S: Steps> HttpBody for Stepped<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.steps.is_done() {
            return Poll::Ready(None);
        }
        if std::mem::replace(&mut self.rested, false) {
            let piece = self.steps.step();
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
            }
        }
        self.rested = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
