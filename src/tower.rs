//! A [`tower`](https://docs.rs/tower) layer that counts and times HTTP requests by method, route and status class.
//!
//! | metric | kind | labels | what it says |
//! |---|---|---|---|
//! | `requests` | counter | `method`, `route`, `status` | requests that have ended |
//! | `time` | timer | the same | from the call until the response's head is ready; the body is not in it |
//! | `in_flight` | in-flight count | with [`in_flight_by_route`](MetricsLayer::in_flight_by_route): `method`, `route` | requests that have been taken and have not ended |
//! | `total_time` | timer | those of `time`, and `end` | with [`until_end_of_body`](MetricsLayer::until_end_of_body): from the call until the response's body has ended |
//!
//! Labels come from small closed sets, whatever a client sends, because each combination is a series that stays:
//!
//! - `method`: one of the nine standard methods, else `other`.
//! - `route`: what the function given to [`MetricsLayer::route`] answers, else `unmatched`. The path itself is never a label:
//!   anyone who can reach the service could otherwise fill the memory with series. [`Limits`](crate::Limits) hold all the same.
//! - `status`: `1xx` to `5xx` (`other` outside 100 to 599), or the number with [`exact_status`](MetricsLayer::exact_status); `error` when the inner service failed; `cancelled` when the
//!   request's future was dropped before it was ready, as it is when a client disconnects; `panic`.
//!
//! - `end`: `complete`, `error` when the body failed, `cancelled` when it was dropped before its end, `panic`.
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

mod body;
mod measured;

use self::measured::{Ended, Measured, Options};
use ferrometer_core::{Logger, get_logger, is_on};
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::MeasuredBody;

/// Measures a request until the head of its response is ready: how a layer begins.
#[derive(Clone, Copy, Debug)]
pub struct HeadAlone;

/// Measures a request until the body of its response has ended; see [`MetricsLayer::until_end_of_body`].
#[derive(Clone, Copy, Debug)]
pub struct WholeBody;

/// Wraps services so that their requests are counted and timed; see the [module](self).
#[derive(Clone)]
pub struct MetricsLayer<R = Unmatched, M = HeadAlone> {
    options: Options,
    route: R,
    measures: PhantomData<M>,
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
        MetricsLayer { options: Options::new(logger), route: Unmatched, measures: PhantomData }
    }
}

impl Default for MetricsLayer {
    fn default() -> MetricsLayer {
        MetricsLayer::new(get_logger("http"))
    }
}

impl<R, M> MetricsLayer<R, M> {
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
    pub fn route<B, F>(self, route: F) -> MetricsLayer<F, M>
    where
        F: for<'r> Fn(&'r Request<B>) -> Option<&'r str>,
    {
        MetricsLayer { options: self.options, route, measures: PhantomData }
    }

    /// Makes the label `status` the number of the status, `404` rather than `4xx`. The service chooses it, so there are as many as it uses.
    ///
    /// ```
    /// use ferrometer::tower::MetricsLayer;
    ///
    /// let layer = MetricsLayer::default().exact_status();     // requests{method="GET",route="…",status="404"}
    /// ```
    #[must_use]
    pub fn exact_status(mut self) -> MetricsLayer<R, M> {
        self.options.exact_status = true;
        self
    }

    /// Leaves out requests of these routes, by the text that [`route`](MetricsLayer::route) says: the probes of an orchestrator would
    /// outweigh everything else.
    ///
    /// ```
    /// use ferrometer::tower::MetricsLayer;
    ///
    /// let layer = MetricsLayer::default()
    ///     .route(|request: &http::Request<()>| Some(request.uri().path()).filter(|path| matches!(*path, "/health" | "/orders")))
    ///     .without_routes(["/health"]);
    /// ```
    #[must_use]
    pub fn without_routes<T: Into<String>>(mut self, routes: impl IntoIterator<Item = T>) -> MetricsLayer<R, M> {
        self.options.left_out = routes.into_iter().map(Into::into).collect();
        self
    }

    /// Gives `in_flight` the labels `method` and `route`.
    #[must_use]
    pub fn in_flight_by_route(mut self) -> MetricsLayer<R, M> {
        self.options.in_flight_by_route = true;
        self
    }

    /// Measures until the body of the response has ended, too: `total_time`, with a label `end` that says how. A request is then in flight until that
    /// moment. For responses that are streamed; what the kernel has not sent yet counts as ended.
    ///
    /// ```
    /// use ferrometer::{get_logger, tower::MetricsLayer};
    ///
    /// let layer = MetricsLayer::new(get_logger("downloads")).until_end_of_body();
    /// ```
    #[must_use]
    pub fn until_end_of_body(self) -> MetricsLayer<R, WholeBody> {
        MetricsLayer { options: self.options, route: self.route, measures: PhantomData }
    }
}

impl<S, R: Clone, M> Layer<S> for MetricsLayer<R, M> {
    type Service = MetricsService<S, R, M>;

    fn layer(&self, inner: S) -> Self::Service {
        MetricsService { inner, options: self.options.clone(), route: self.route.clone(), measures: PhantomData }
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
pub struct MetricsService<S, R = Unmatched, M = HeadAlone> {
    inner: S,
    options: Options,
    route: R,
    measures: PhantomData<M>,
}

impl<S, R, M> MetricsService<S, R, M> {
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

impl<S, R, M> MetricsService<S, R, M> {
    fn start<B, T>(&mut self, request: Request<B>) -> ResponseFuture<S::Future, M>
    where
        S: Service<Request<B>, Response = Response<T>>,
        R: Route<B>,
    {
        // The service that `poll_ready` made ready is the one that is called here: nothing is cloned.
        let mut measured = if is_on() {
            let route = self.route.route(&request).unwrap_or("unmatched");
            Measured::start(&self.options, request.method(), route)
        } else {
            None
        };
        let inner = self.inner.call(request);
        if let Some(measured) = &mut measured {
            measured.if_dropped = Ended::CANCELLED;
        }
        ResponseFuture { inner, measured, measures: PhantomData }
    }
}

impl<S, R, B, T> Service<Request<B>> for MetricsService<S, R, HeadAlone>
where
    S: Service<Request<B>, Response = Response<T>>,
    R: Route<B>,
{
    type Response = Response<T>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, HeadAlone>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.start(request)
    }
}

impl<S, R, B, T> Service<Request<B>> for MetricsService<S, R, WholeBody>
where
    S: Service<Request<B>, Response = Response<T>>,
    R: Route<B>,
    T: http_body::Body,
{
    type Response = Response<MeasuredBody<T>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, WholeBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.start(request)
    }
}

pin_project! {
    /// The future of a [`MetricsService`]: the inner service's, measured.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, M = HeadAlone> {
        // Dropped before `measured`: a cancelled request is in flight until nothing of it is left.
        #[pin]
        inner: F,
        // `None`: recording was off at the call, or the request is recorded already.
        measured: Option<Measured>,
        measures: PhantomData<M>,
    }
}

impl<F, M> ResponseFuture<F, M> {
    /// Polls the inner future. Where it is ready, what is measured is returned with it, and records when it is dropped.
    fn poll_head<T, E>(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(F::Output, Option<Measured>)>
    where
        F: Future<Output = Result<Response<T>, E>>,
    {
        let this = self.project();
        let Some(mut measured) = this.measured.take() else { return this.inner.poll(cx).map(|output| (output, None)) };
        // On the stack while the inner future runs, so that a panic in there is recorded at once, by this being unwound.
        measured.if_dropped = Ended::PANIC;
        match this.inner.poll(cx) {
            Poll::Ready(output) => {
                measured.if_dropped = match &output {
                    Ok(response) => Ended::Status(response.status()),
                    Err(_) => Ended::ERROR,
                };
                Poll::Ready((output, Some(measured)))
            }
            Poll::Pending => {
                measured.if_dropped = Ended::CANCELLED;
                *this.measured = Some(measured);
                Poll::Pending
            }
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F, HeadAlone>
where
    F: Future<Output = Result<Response<T>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.poll_head(cx).map(|(output, _)| output)
    }
}

impl<F, T, E> Future for ResponseFuture<F, WholeBody>
where
    F: Future<Output = Result<Response<T>, E>>,
    T: http_body::Body,
{
    type Output = Result<Response<MeasuredBody<T>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_head(cx).map(|(output, measured)| {
            // The head is recorded here, also where there is no body because of an error.
            let whole = measured.map(Measured::head_is_ready);
            output.map(|response| response.map(|body| MeasuredBody::new(body, whole)))
        })
    }
}

impl<R, M> fmt::Debug for MetricsLayer<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer").field("logger", &self.options.logger).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, R, M> fmt::Debug for MetricsService<S, R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsService")
            .field("inner", &self.inner)
            .field("logger", &self.options.logger)
            .finish_non_exhaustive()
    }
}

impl<F, M> fmt::Debug for ResponseFuture<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
