//! A body that is made in chunks, while the client takes it.
//!
//! Each chunk is bounded in what it writes and in how much it looks at. Between two chunks the thread is handed back, so that one large
//! answer, or one of which a filter leaves nothing, holds up nobody.

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A chunk is sent when it has this many bytes; it should have at most one item more.
pub const CHUNK_BYTES: usize = 16 << 10;
/// The number of items that one chunk should look at, at most.
pub const CHUNK_WORK: usize = 1024;

/// A source of chunks. Each should be bounded by [`CHUNK_BYTES`] and [`CHUNK_WORK`].
pub trait Chunks: Unpin {
    /// Returns `true` when there is no further chunk.
    fn is_done(&self) -> bool;

    /// Makes the next chunk, which may be empty.
    fn next_chunk(&mut self) -> Vec<u8>;
}

/// The body that chunks make, for [`Body::new`](axum::body::Body::new).
pub struct ChunkedBody<S> {
    chunks: S,
    /// True if the thread was handed back since the last chunk.
    rested: bool,
}

impl<S> std::fmt::Debug for ChunkedBody<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkedBody").finish_non_exhaustive()
    }
}

impl<S: Chunks> ChunkedBody<S> {
    /// Wraps a source of chunks.
    pub fn new(chunks: S) -> ChunkedBody<S> {
        ChunkedBody { chunks, rested: true }
    }
}

impl<S: Chunks> HttpBody for ChunkedBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.chunks.is_done() {
            return Poll::Ready(None);
        }
        if std::mem::replace(&mut self.rested, false) {
            let piece = self.chunks.next_chunk();
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
            }
        }
        self.rested = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
