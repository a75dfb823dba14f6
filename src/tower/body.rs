//! The body of a response that is measured until its end.

use super::measured::{Ended, Whole};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The body of a response, measured until its end; see [`MetricsLayer::until_end_of_body`](super::MetricsLayer::until_end_of_body).
    pub struct MeasuredBody<B> {
        // Dropped before `whole`.
        #[pin]
        inner: B,
        // `None`: recording was off at the call, or the end is recorded already.
        whole: Option<Whole>,
    }
}

impl<B: Body> MeasuredBody<B> {
    pub(super) fn new(inner: B, whole: Option<Whole>) -> MeasuredBody<B> {
        // Nobody asks such a body for its first part.
        let whole = if inner.is_end_stream() { ended(whole, Ended::COMPLETE) } else { whole };
        MeasuredBody { inner, whole }
    }
}

/// Records an end. Nothing is left.
fn ended(whole: Option<Whole>, end: Ended) -> Option<Whole> {
    if let Some(mut whole) = whole {
        whole.if_dropped = end;
    }
    None
}

impl<B: Body> Body for MeasuredBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut whole) = this.whole.take() else { return this.inner.poll_frame(cx) };
        let otherwise = std::mem::replace(&mut whole.if_dropped, Ended::PANIC);
        let polled = this.inner.as_mut().poll_frame(cx);
        whole.if_dropped = otherwise;
        *this.whole = match &polled {
            Poll::Ready(None) => ended(Some(whole), Ended::COMPLETE),
            Poll::Ready(Some(Err(_))) => ended(Some(whole), Ended::ERROR),
            // A caller that knows by this that it was the last part asks for no other.
            Poll::Ready(Some(Ok(_))) if this.inner.is_end_stream() => ended(Some(whole), Ended::COMPLETE),
            _ => Some(whole),
        };
        Poll::Ready(ready!(polled))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for MeasuredBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeasuredBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}
