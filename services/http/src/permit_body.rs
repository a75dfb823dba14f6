//! A body that holds something until it is sent, or given up.

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

struct Held {
    body: Body,
    _held: Box<dyn Any + Send>,
}

/// Keeps `held`, a permit say, until the body of a response is sent or given up.
pub fn hold<T: Send + Unpin + 'static>(response: Response, held: T) -> Response {
    let held: Box<dyn Any + Send> = Box::new(held);
    response.map(|body| Body::new(Held { body, _held: held }))
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
