//! A [`tower`](https://docs.rs/tower) layer for HTTP clients: it counts and times requests by peer, method and outcome.
//!
//! | metric | kind | labels | what it says |
//! |---|---|---|---|
//! | `requests` | counter | `peer`, `method`, `status` | requests that have ended |
//! | `time` | timer | the same | from the call until the response's head is there; the body is not in it |
//! | `in_flight` | in-flight count | | requests that have been sent and have not ended |
//!
//! - `peer`: what [`ClientLayer::peer`] answers, else host and port of the request's address; `unknown` where it has none. At most 64 peers are told
//!   apart ([`ClientLayer::max_peers`]), further ones are `other`, so that addresses that come from outside cannot fill the memory with series.
//! - `method`: one of the nine standard methods, else `other`.
//! - `status`: `1xx` to `5xx` (`other` outside 100 to 599); `error` when the request failed: no connection, no answer; `cancelled` when its future was
//!   dropped, as a timeout around it does; `panic`.
//!
//! Every service of `http::Request` can be wrapped: hyper's client, a stack of tower layers, tonic's channel (a gRPC call that fails is an HTTP
//! response with status 200 all the same).
//!
//! ```
//! use ferrometer::{testing::Capture, tower_client::ClientLayer};
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In the place of a client that talks to a network.
//! let client = service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new("stock")) });
//!
//! let capture = Capture::start();
//! let client = ClientLayer::default().layer(client);
//! client.oneshot(Request::get("http://stock.internal:8080/items/17").body(()).unwrap()).await.unwrap();
//! capture.assert_counter("http.client.requests method=GET peer=stock.internal:8080 status=2xx", 1);
//! # }
//! ```
//!
//! With [`ClientLayer::semantic`] the names are those of OpenTelemetry's conventions for HTTP instead:
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `http.client.request.duration` | timer | `http.request.method` (`_OTHER` for others), `server.address`, `server.port`, `http.response.status_code`, `error.type` |
//! | `http.client.active_requests` | in-flight count | `server.address`, `server.port` |
//!
//! `error.type` is the status from 400 on, or `error`, `cancelled`, `panic` where there is no status; a request that succeeds has none.

pub use crate::tower_measured::MeasuredFuture;
use crate::tower_measured::{Measured, Names, method_label};
use ferrometer_core::{Logger, get_logger, is_on};
use http::{Request, Response, Uri};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Most peers that are told apart, unless [`ClientLayer::max_peers`] says otherwise.
const MAX_PEERS: usize = 64;
/// The peers beyond them.
const OTHER: &str = "other";
/// The peer of a request that has no address of its own.
const UNKNOWN: &str = "unknown";

/// Wraps HTTP clients so that their requests are counted and timed; see the [module](self).
#[derive(Clone)]
pub struct ClientLayer<P = Authority> {
    logger: Logger,
    names: Names,
    peer: P,
    peers: Peers,
}

/// The peers that have been seen, shared by all clones of a layer.
#[derive(Clone)]
struct Peers {
    seen: Arc<RwLock<HashSet<String>>>,
    most: usize,
}

impl Peers {
    /// Returns the peer, or [`OTHER`] where there are too many.
    fn bounded<'p>(&self, peer: &'p str) -> &'p str {
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).contains(peer) {
            return peer;
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= self.most && !seen.contains(peer) {
            return OTHER;
        }
        seen.insert(peer.to_owned());
        peer
    }
}

impl ClientLayer {
    /// A layer that records through this logger; `default()` takes the logger `http.client`. The logger's own labels stay.
    #[must_use]
    pub fn new(logger: Logger) -> ClientLayer {
        let peers = Peers { seen: Arc::default(), most: MAX_PEERS };
        ClientLayer { logger, names: Names::Plain, peer: Authority, peers }
    }
}

impl Default for ClientLayer {
    fn default() -> ClientLayer {
        ClientLayer::new(get_logger("http.client"))
    }
}

impl<P> ClientLayer<P> {
    /// Tells the peer of a request by a function of the program's own: the name of a service, say. `None` is recorded as `unknown`.
    ///
    /// ```
    /// use ferrometer::tower_client::ClientLayer;
    ///
    /// let layer = ClientLayer::default().peer(|_: &http::Request<String>| Some("stock"));
    /// ```
    #[must_use]
    pub fn peer<B, F>(self, peer: F) -> ClientLayer<F>
    where
        F: for<'r> Fn(&'r Request<B>) -> Option<&'r str>,
    {
        ClientLayer { logger: self.logger, names: self.names, peer, peers: self.peers }
    }

    /// Sets how many peers are told apart, 64 unless set. Further ones are recorded as `other`.
    #[must_use]
    pub fn max_peers(mut self, most: usize) -> ClientLayer<P> {
        self.peers = Peers { seen: Arc::default(), most };
        self
    }

    /// Records under the names of OpenTelemetry's conventions, which the [module](self) lists. `server.address` and `server.port` are those of the peer: what
    /// is behind its last colon is the port if it is a number, and the scheme's port is taken where there is none.
    #[must_use]
    pub fn semantic(mut self) -> ClientLayer<P> {
        self.names = Names::Semantic { errors_from: 400 };
        self
    }
}

/// How a layer tells the peer of a request with a body of type `B`: every `Fn(&Request<B>) -> Option<&str>` does, and [`Authority`].
pub trait Peer<B> {
    /// The peer that the request goes to.
    fn peer<'r>(&self, request: &'r Request<B>) -> Option<Cow<'r, str>>;
}

impl<B, F> Peer<B> for F
where
    F: for<'r> Fn(&'r Request<B>) -> Option<&'r str>,
{
    fn peer<'r>(&self, request: &'r Request<B>) -> Option<Cow<'r, str>> {
        self(request).map(Cow::Borrowed)
    }
}

/// Takes host and port of the request's address, without user and password.
#[derive(Clone, Copy, Debug, Default)]
pub struct Authority;

impl<B> Peer<B> for Authority {
    fn peer<'r>(&self, request: &'r Request<B>) -> Option<Cow<'r, str>> {
        let authority = request.uri().authority()?;
        Some(match authority.port() {
            Some(port) => Cow::Owned(format!("{}:{port}", authority.host())),
            None => Cow::Borrowed(authority.host()),
        })
    }
}

impl<S, P: Clone> Layer<S> for ClientLayer<P> {
    type Service = ClientService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientService { inner, layer: self.clone() }
    }
}

/// A client whose requests are counted and timed; made by [`ClientLayer`].
#[derive(Clone)]
pub struct ClientService<S, P = Authority> {
    inner: S,
    layer: ClientLayer<P>,
}

impl<S, P> ClientService<S, P> {
    /// The client within.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The client within, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The client within, and the end of its being measured.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<P> ClientLayer<P> {
    fn begin<B>(&self, request: &Request<B>) -> Measured
    where
        P: Peer<B>,
    {
        let peer = self.peer.peer(request).unwrap_or(Cow::Borrowed(UNKNOWN));
        let peer = self.peers.bounded(&peer);
        match self.names {
            Names::Plain => {
                let labels = [("peer", peer), ("method", method_label(request.method(), "other"))];
                Measured::start(self.logger.in_flight("in_flight").enter(), self.logger.with_all(&labels), self.names)
            }
            Names::Semantic { .. } => {
                let (address, port) = address_and_port(peer, request.uri());
                let mut labels = vec![("server.address", address)];
                labels.extend(port.map(|port| ("server.port", port)));
                let logger = self.logger.with_all(&labels);
                let in_flight = logger.in_flight("active_requests").enter();
                let logger = logger.with("http.request.method", method_label(request.method(), "_OTHER"));
                Measured::start(in_flight, logger, self.names)
            }
        }
    }
}

/// Takes a peer apart; without a port of its own it has the scheme's.
fn address_and_port<'p>(peer: &'p str, uri: &Uri) -> (&'p str, Option<&'p str>) {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, port)) = peer.rsplit_once(':').filter(|(_, port)| is_port(port)) {
        return (address, Some(port));
    }
    // An address that is no peer has no port.
    let is_one = peer != OTHER && peer != UNKNOWN;
    let port = match uri.scheme_str() {
        Some("http") if is_one => Some("80"),
        Some("https") if is_one => Some("443"),
        _ => None,
    };
    (peer, port)
}

impl<S, P, B, T> Service<Request<B>> for ClientService<S, P>
where
    S: Service<Request<B>, Response = Response<T>>,
    P: Peer<B>,
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

impl<P> fmt::Debug for ClientLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLayer").field("logger", &self.logger).field("names", &self.names).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, P> fmt::Debug for ClientService<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
