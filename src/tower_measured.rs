//! One HTTP request on its way, for the layers of clients and of semantic names: the future around it, and what is recorded when it ends.

use ferrometer_core::{InFlightGuard, Logger, is_on};
use http::{Method, Response, StatusCode};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// The names under which a request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// `requests` and `time`, with the status class.
    Plain,
    /// `request.duration`, with the labels of OpenTelemetry's conventions. To a server only statuses from 500 on are errors.
    Semantic {
        /// The lowest status that is an error.
        errors_from: u16,
    },
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Status(StatusCode),
    /// `error`, `cancelled` or `panic`.
    Word(&'static str),
}

/// A request on its way. Dropping it records the request, with the end that holds by then.
pub(crate) struct Measured {
    /// With all labels that are known before the end.
    logger: Logger,
    names: Names,
    start: Instant,
    end: End,
    _in_flight: InFlightGuard,
}

impl Measured {
    /// Begins a request; until the inner service was called, its end is a panic.
    pub(crate) fn start(in_flight: InFlightGuard, logger: Logger, names: Names) -> Measured {
        Measured { logger, names, start: Instant::now(), end: End::Word("panic"), _in_flight: in_flight }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !is_on() {
            return;
        }
        let took = self.start.elapsed();
        match (self.names, self.end) {
            (Names::Plain, end) => {
                let status = match end {
                    End::Status(status) => class(status),
                    End::Word(word) => word,
                };
                let logger = self.logger.with("status", status);
                logger.send_counter("requests", 1);
                logger.send_timer("time", took);
            }
            (Names::Semantic { errors_from }, End::Status(status)) => {
                let code = status.as_str();
                let logger = self.logger.with("http.response.status_code", code);
                let is_error = status.as_u16() >= errors_from;
                let logger = if is_error { logger.with("error.type", code) } else { logger };
                logger.send_timer("request.duration", took);
            }
            (Names::Semantic { .. }, End::Word(word)) => {
                self.logger.with("error.type", word).send_timer("request.duration", took);
            }
        }
    }
}

pin_project! {
    /// The future of a measured service: the inner service's, measured.
    #[must_use = "futures do nothing unless polled"]
    pub struct MeasuredFuture<F> {
        // Dropped before `measured`: a cancelled request is in flight until nothing of it is left.
        #[pin]
        inner: F,
        // `None`: recording was off at the call, or the request is recorded already.
        measured: Option<Measured>,
    }
}

impl<F> MeasuredFuture<F> {
    /// Calls the inner service, within `measured`.
    pub(crate) fn new(measured: Option<Measured>, call: impl FnOnce() -> F) -> MeasuredFuture<F> {
        let inner = call();
        let measured = measured.map(|mut measured| {
            measured.end = End::Word("cancelled");
            measured
        });
        MeasuredFuture { inner, measured }
    }
}

impl<F, T, E> Future for MeasuredFuture<F>
where
    F: Future<Output = Result<Response<T>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(mut measured) = this.measured.take() else { return this.inner.poll(cx) };
        // On the stack while the inner future runs, so that a panic in there is recorded at once, by this being unwound.
        measured.end = End::Word("panic");
        let polled = this.inner.poll(cx);
        match &polled {
            Poll::Ready(Ok(response)) => measured.end = End::Status(response.status()),
            Poll::Ready(Err(_)) => measured.end = End::Word("error"),
            Poll::Pending => {
                measured.end = End::Word("cancelled");
                *this.measured = Some(measured);
            }
        }
        polled
    }
}

impl<F> fmt::Debug for MeasuredFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeasuredFuture").finish_non_exhaustive()
    }
}

/// Returns the method as a label: one of the nine standard ones, or `other`.
pub(crate) fn method_label(method: &Method, other: &'static str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PATCH", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or(other)
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}
