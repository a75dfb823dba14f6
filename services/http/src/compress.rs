//! gzip and zstd, for callers that ask for them (`Accept-Encoding`). Bodies are compressed piece by piece while they are sent; an
//! encoder's memory (about 0.3 MB for gzip, 1 MB for zstd) is all that an answer takes beyond its pieces.

use crate::negotiation;
use crate::refusal::Refusal;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Encodings on offer, in our own order of preference.
const OFFERED: [&str; 3] = ["zstd", "gzip", "identity"];
/// A body known to be shorter is not worth it.
const SHORT: u64 = 512;
/// How many bytes are compressed before the thread is handed back.
const WORK: usize = 16 << 10;
const ZSTD_LEVEL: i32 = 3;
/// 2 to this are the bytes zstd looks back on: a bound for our memory and the client's.
const ZSTD_WINDOW: u32 = 18;
const GZIP_LEVEL: u32 = 6;

/// Compresses what is worth it.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let encoding = negotiation::encoding(request.headers(), &OFFERED);
    let head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if response.status() != StatusCode::OK || head || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let encoder = match encoding {
        Some("identity") => return response,
        // A short body goes as it is to a caller that takes it so.
        Some(_) if response.body().size_hint().upper().is_some_and(|most| most < SHORT) => return response,
        Some(name) => Encoder::new(name).map(|encoder| (name, encoder)),
        None => {
            let message = format!("Accept-Encoding takes none of what there is: {}", OFFERED.join(", "));
            return Refusal::new(StatusCode::NOT_ACCEPTABLE, message).into_response();
        }
    };
    // An encoder that cannot be made has no memory: plain text needs none.
    let Ok((name, encoder)) = encoder else { return response };
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    response.map(|body| Body::new(Compressed { body, encoder: Some(encoder), rest: Bytes::new() }))
}

/// Compresses a whole body.
#[cfg(feature = "client")]
pub(crate) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(bytes)?;
    encoder.finish()
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(name: &str) -> io::Result<Encoder> {
        if name == "gzip" {
            return Ok(Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))));
        }
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
        encoder.window_log(ZSTD_WINDOW)?;
        Ok(Encoder::Zstd(encoder))
    }

    /// Takes bytes and gives what has come of those so far.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Encoder::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

struct Compressed {
    body: Body,
    /// `None` when all is sent.
    encoder: Option<Encoder>,
    /// Rest of the last piece that is not compressed yet.
    rest: Bytes,
}

impl HttpBody for Compressed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.encoder.is_none() {
            return Poll::Ready(None);
        }
        let out = if this.rest.is_empty() {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => {
                    this.rest = frame.into_data().unwrap_or_default();
                    Ok(Vec::new())
                }
                Poll::Ready(None) => this.encoder.take().map_or(Ok(Vec::new()), Encoder::finish),
            }
        } else {
            let piece = this.rest.split_to(this.rest.len().min(WORK));
            this.encoder.as_mut().map_or(Ok(Vec::new()), |encoder| encoder.write(&piece))
        };
        match out {
            Ok(out) if out.is_empty() => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(out) => Poll::Ready(Some(Ok(Frame::data(out.into())))),
            Err(error) => Poll::Ready(Some(Err(axum::Error::new(error)))),
        }
    }
}
