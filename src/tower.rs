//! A [`tower`](https://docs.rs/tower) layer that counts and times HTTP requests by method, route and status class.
//!
//! | metric | kind | labels | what it says |
//! |---|---|---|---|
//! | `requests` | counter | `method`, `route`, `status` | requests that have ended |
//! | `time` | timer | the same | from the call until the response's head is ready; the body is not in it |
//! | `in_flight` | in-flight count | | requests that have been taken and have not ended |
//!
//! Labels come from small closed sets, whatever a client sends, because each combination is a series that stays:
//!
//! - `method`: one of the nine standard methods, else `other`.
//! - `route`: what the function given to [`MetricsLayer::route`] answers, else `unmatched`. The path itself is never a label:
//!   whoever can reach the service could otherwise fill the memory with series. [`Limits`](crate::Limits) hold all the same.
//! - `status`: `1xx` to `5xx` (`other` outside 100 to 599); `error` when the inner service failed; `cancelled` when the
//!   request's future was dropped before it was ready, as it is when a client disconnects; `panic`.
//!
//! While recording is off, a request is passed through: the route is not asked for, and no clock is read.
//!
//! # With axum
//! [`Router::layer`](https://docs.rs/axum/latest/axum/struct.Router.html#method.layer) puts the layer around each route, where
//! the pattern that matched is known:
//!
//! ```
//! use axum::{Router, extract::MatchedPath, routing::get};
//! use ferrometer::{get_logger, tower::MetricsLayer};
//!
//! let metrics = MetricsLayer::new(get_logger("shop.http"))
//!     .route(|request: &http::Request<_>| request.extensions().get().map(MatchedPath::as_str));
//! let app: Router = Router::new().route("/orders/{id}", get(|| async { "an order" })).layer(metrics);
//! ```
//!
//! # With any tower service
//! ```
//! use ferrometer::{testing::Capture, tower::MetricsLayer};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let metrics = MetricsLayer::default().route(|request: &Request<_>| match request.uri().path() {
//!     "/health" => Some("/health"),
//!     path if path.starts_with("/orders/") => Some("/orders/{id}"),
//!     _ => None,
//! });
//! let service = ServiceBuilder::new()
//!     .layer(metrics)
//!     .service(service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new("an order")) }));
//!
//! let capture = Capture::start();
//! service.oneshot(Request::get("/orders/17").body(()).unwrap()).await.unwrap();
//! capture.assert_counter("http.requests method=GET route=/orders/{id} status=2xx", 1);
//! capture.assert_timer_count("http.time method=GET route=/orders/{id} status=2xx", 1);
//! # }
//! ```

use ferrometer_core::{InFlightGuard, Logger, get_logger, is_on};
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Value of `status` for a request that did not end with a response.
const ERROR: &str = "error";
const CANCELLED: &str = "cancelled";
const PANIC: &str = "panic";

/// Wraps services so that their requests are counted and timed; see the [module](self).
#[derive(Clone)]
pub struct MetricsLayer<R = Unmatched> {
    logger: Logger,
    route: R,
}

impl MetricsLayer {
    /// A layer that records through this logger, with every `route` `unmatched` until [`route`](MetricsLayer::route) says
    /// how routes are told. The logger's own labels stay; `default()` takes the logger `http`.
    ///
    /// ```
    /// use ferrometer::{get_logger, tower::MetricsLayer};
    ///
    /// let public = MetricsLayer::new(get_logger("http").with("listener", "public"));
    /// ```
    #[must_use]
    pub fn new(logger: Logger) -> MetricsLayer {
        MetricsLayer { logger, route: Unmatched }
    }
}

impl Default for MetricsLayer {
    fn default() -> MetricsLayer {
        MetricsLayer::new(get_logger("http"))
    }
}

impl<R> MetricsLayer<R> {
    /// Tells the route of a request: the pattern that matched, never the path a client sent. `None` is recorded as `unmatched`.
    ///
    /// The text may be borrowed from the request, where routers leave it in an extension. What a client could choose freely
    /// must not be in it. In a closure the parameter's type is written out, `|request: &http::Request<_>|`.
    ///
    /// ```
    /// use ferrometer::tower::MetricsLayer;
    ///
    /// /// What this program's router leaves in each request.
    /// #[derive(Clone)]
    /// struct Pattern(&'static str);
    ///
    /// fn route<B>(request: &http::Request<B>) -> Option<&str> {
    ///     request.extensions().get::<Pattern>().map(|pattern| pattern.0)
    /// }
    ///
    /// let layer = MetricsLayer::default().route(route::<String>);
    /// ```
    #[must_use]
    pub fn route<B, F>(self, route: F) -> MetricsLayer<F>
    where
        F: for<'r> Fn(&'r Request<B>) -> Option<&'r str>,
    {
        MetricsLayer { logger: self.logger, route }
    }
}

impl<S, R: Clone> Layer<S> for MetricsLayer<R> {
    type Service = MetricsService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        MetricsService { inner, logger: self.logger.clone(), route: self.route.clone() }
    }
}

/// How a layer tells the route of a request with a body of type `B`.
///
/// Every `Fn(&Request<B>) -> Option<&str>` does; [`Unmatched`] is what a layer has before it is given one.
pub trait Route<B> {
    /// The pattern that the request matched.
    fn route<'r>(&self, request: &'r Request<B>) -> Option<&'r str>;
}

impl<B, F> Route<B> for F
where
    F: for<'r> Fn(&'r Request<B>) -> Option<&'r str>,
{
    fn route<'r>(&self, request: &'r Request<B>) -> Option<&'r str> {
        self(request)
    }
}

/// Knows no routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmatched;

impl<B> Route<B> for Unmatched {
    fn route<'r>(&self, _: &'r Request<B>) -> Option<&'r str> {
        None
    }
}

/// A service whose requests are counted and timed; made by [`MetricsLayer`].
#[derive(Clone)]
pub struct MetricsService<S, R = Unmatched> {
    inner: S,
    logger: Logger,
    route: R,
}

impl<S, R> MetricsService<S, R> {
    /// The service within.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service within, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service within, and the end of its being measured.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, B, T> Service<Request<B>> for MetricsService<S, R>
where
    S: Service<Request<B>, Response = Response<T>>,
    R: Route<B>,
{
    type Response = Response<T>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that `poll_ready` made ready is the one that is called here: nothing is cloned.
        if !is_on() {
            return ResponseFuture { inner: self.inner.call(request), measured: None };
        }
        let route = self.route.route(&request).unwrap_or("unmatched");
        let mut measured = Measured::start(&self.logger, request.method(), route);
        let inner = self.inner.call(request);
        measured.if_dropped = CANCELLED;
        ResponseFuture { inner, measured: Some(measured) }
    }
}

pin_project! {
    /// The future of a [`MetricsService`]: the inner service's, measured.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // Dropped before `measured`: a cancelled request is in flight until nothing of it is left.
        #[pin]
        inner: F,
        // `None`: recording was off at the call, or the request is recorded already.
        measured: Option<Measured>,
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<T>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(mut measured) = this.measured.take() else { return this.inner.poll(cx) };
        // On the stack while the inner future runs, so that a panic in there is recorded at once, by this being unwound.
        measured.if_dropped = PANIC;
        let polled = this.inner.poll(cx);
        match &polled {
            Poll::Ready(Ok(response)) => measured.if_dropped = class(response.status()),
            Poll::Ready(Err(_)) => measured.if_dropped = ERROR,
            Poll::Pending => {
                measured.if_dropped = CANCELLED;
                *this.measured = Some(measured);
            }
        }
        polled
    }
}

/// A request on its way. Dropping it records the request, with the status that holds by then.
struct Measured {
    /// With `method` and `route`.
    logger: Logger,
    start: Instant,
    if_dropped: &'static str,
    _in_flight: InFlightGuard,
}

impl Measured {
    fn start(logger: &Logger, method: &Method, route: &str) -> Measured {
        Measured {
            _in_flight: logger.in_flight("in_flight").enter(),
            logger: logger.with_all(&[("method", method_label(method)), ("route", route)]),
            start: Instant::now(),
            if_dropped: PANIC,
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !is_on() {
            return;
        }
        let took = self.start.elapsed();
        let logger = self.logger.with("status", self.if_dropped);
        logger.send_counter("requests", 1);
        logger.send_timer("time", took);
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        _ => "other",
    }
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

impl<R> fmt::Debug for MetricsLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer").field("logger", &self.logger).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, R> fmt::Debug for MetricsService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsService")
            .field("inner", &self.inner)
            .field("logger", &self.logger)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
