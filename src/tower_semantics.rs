//! A [`tower`](https://docs.rs/tower) layer for servers under the names of OpenTelemetry's conventions for HTTP, beside [`tower`](crate::tower), which has names of its own.
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `http.server.request.duration` | timer | `http.request.method` (`_OTHER` for others), `http.route` where one matched, `url.scheme`, `http.response.status_code`, `error.type` |
//! | `http.server.active_requests` | in-flight count | `http.request.method`, `url.scheme` |
//!
//! `error.type` is the status from 500 on, or `error`, `cancelled`, `panic` where there is no status. `url.scheme` is that of the request's address,
//! or what [`SemanticLayer::scheme`] says; a server's requests usually have none. The names for clients are those of [`ClientLayer::semantic`](crate::tower_client::ClientLayer::semantic).
//!
//! A timer is delivered in the unit of its backend: seconds to OTLP and Prometheus (`http_server_request_duration_seconds`), milliseconds to statsd.
//!
//! ```
//! use axum::{Router, extract::MatchedPath, routing::get};
//! use ferrometer::tower_semantics::SemanticLayer;
//!
//! let metrics = SemanticLayer::default()
//!     .scheme("https")
//!     .route(|request: &http::Request<_>| request.extensions().get().map(MatchedPath::as_str));
//! let app: Router = Router::new().route("/orders/{id}", get(|| async { "an order" })).layer(metrics);
//! ```

use crate::tower::{Route, Unmatched};
use crate::tower_measured::{Measured, MeasuredFuture, Names, method_label};
use ferrometer_core::{Logger, get_logger, is_on};
use http::{Request, Response};
use std::fmt;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Wraps services so that their requests are timed under OpenTelemetry's names; see the [module](self).
#[derive(Clone)]
pub struct SemanticLayer<R = Unmatched> {
    logger: Logger,
    scheme: Option<&'static str>,
    route: R,
}

impl SemanticLayer {
    /// A layer that records through this logger; `default()` takes the logger `http.server`, which the conventions ask for. Another one is for a
    /// second server with labels of its own: `get_logger("http.server").with("listener", "public")`.
    #[must_use]
    pub fn new(logger: Logger) -> SemanticLayer {
        SemanticLayer { logger, scheme: None, route: Unmatched }
    }
}

impl Default for SemanticLayer {
    fn default() -> SemanticLayer {
        SemanticLayer::new(get_logger("http.server"))
    }
}

impl<R> SemanticLayer<R> {
    /// Tells the route of a request: the pattern that matched, never the path that a client sent. `None` leaves `http.route` out.
    #[must_use]
    pub fn route<B, F>(self, route: F) -> SemanticLayer<F>
    where
        F: for<'r> Fn(&'r Request<B>) -> Option<&'r str>,
    {
        SemanticLayer { logger: self.logger, scheme: self.scheme, route }
    }

    /// Sets `url.scheme` of requests whose address has none: `http` or `https`.
    #[must_use]
    pub fn scheme(mut self, scheme: &'static str) -> SemanticLayer<R> {
        self.scheme = Some(scheme);
        self
    }
}

impl<S, R: Clone> Layer<S> for SemanticLayer<R> {
    type Service = SemanticService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        SemanticService { inner, layer: self.clone() }
    }
}

/// A service whose requests are timed; made by [`SemanticLayer`].
#[derive(Clone)]
pub struct SemanticService<S, R = Unmatched> {
    inner: S,
    layer: SemanticLayer<R>,
}

impl<S, R> SemanticService<S, R> {
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

impl<R> SemanticLayer<R> {
    fn begin<B>(&self, request: &Request<B>) -> Measured
    where
        R: Route<B>,
    {
        let mut labels = vec![("http.request.method", method_label(request.method(), "_OTHER"))];
        // A client may send any scheme: one that is none of both is none.
        let sent = request.uri().scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        labels.extend(sent.or(self.scheme).map(|scheme| ("url.scheme", scheme)));
        let mut logger = self.logger.with_all(&labels);
        let in_flight = logger.in_flight("active_requests").enter();
        if let Some(route) = self.route.route(request) {
            logger = logger.with("http.route", route);
        }
        Measured::start(in_flight, logger, Names::Semantic { errors_from: 500 })
    }
}

impl<S, R, B, T> Service<Request<B>> for SemanticService<S, R>
where
    S: Service<Request<B>, Response = Response<T>>,
    R: Route<B>,
{
    type Response = Response<T>;
    type Error = S::Error;
    type Future = MeasuredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let measured = is_on().then(|| self.layer.begin(&request));
        MeasuredFuture::new(measured, || self.inner.call(request))
    }
}

impl<R> fmt::Debug for SemanticLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemanticLayer")
            .field("logger", &self.logger)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, R> fmt::Debug for SemanticService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemanticService").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
