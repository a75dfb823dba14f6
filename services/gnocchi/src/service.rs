//! The API as a service of the HTTP frame: every path below the prefix, with every method.
//!
//! Who asks is Gnocchi's own affair: unless its settings ask for tokens, its routes are open to requests without a token of the frame.

use crate::feed::Feed;
use crate::reply::Refusal;
use crate::request::{ADMINISTER, Caller, READ, Request, WRITE, basic, not_found};
use crate::routes::{Gnocchi, open_to};
use crate::settings::Auth;
use ferrometer_http::axum::body::Body;
use ferrometer_http::axum::extract::OriginalUri;
use ferrometer_http::{
    self as frame, Bytes, CallerName, Credentials, Extension, Frame, Limits, Privilege, Response, Rights, Route,
    Service, bearer, offload,
};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Methods beside GET and HEAD that the API answers itself, if only to say that a path does not have them.
const METHODS: [Method; 5] = [Method::PUT, Method::POST, Method::DELETE, Method::PATCH, Method::OPTIONS];

impl Gnocchi {
    /// Mounts the API into a frame, below [`Settings::prefix`](crate::Settings::prefix). Without a prefix the path `/` is the API's, and the frame has no index.
    ///
    /// ```
    /// use ferrometer_archive::{Archive, Options};
    /// use ferrometer_gnocchi::{Gnocchi, Settings};
    /// use ferrometer_http::Frame;
    /// use std::sync::Arc;
    ///
    /// let directory = std::env::temp_dir().join(format!("ferrometer-gnocchi-mount-{}", std::process::id()));
    /// let archive = Archive::open(&directory, Options::default())?;
    /// let api = Arc::new(Gnocchi::new(archive.into(), Settings::default()));
    /// let server = api.mount(Frame::new().address("127.0.0.1:0".parse()?).limits(Gnocchi::limits())).serve()?;
    /// println!("http://{}/v1", server.local_addr());
    /// # drop((server, api));
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mount(self: &Arc<Self>, frame: Frame) -> Frame {
        let frame = if self.settings.prefix.is_empty() { frame.without_index() } else { frame };
        frame.mount(&self.settings.prefix, Arc::<Gnocchi>::clone(self))
    }

    /// Returns limits that fit the API: queries that list a thousand metrics, bodies that take a while to arrive, and 16 threads, so that
    /// requests that wait for the disk wait together.
    #[must_use]
    pub fn limits() -> Limits {
        Limits {
            max_query_bytes: 64 << 10,
            offload_threads: 16,
            body_timeout: Some(Duration::from_secs(30)),
            ..Limits::default()
        }
    }
}

impl Gnocchi {
    /// The route of streams, which no answer with a whole body could be.
    fn stream_route(self: &Arc<Self>, tokens: bool) -> Route {
        let api = Arc::clone(self);
        let handle = async move |rights: Option<Extension<Rights>>,
                                 name: Option<Extension<CallerName>>,
                                 OriginalUri(uri): OriginalUri,
                                 headers: HeaderMap| {
            let origin = api.allowed_origin(&headers);
            let name = name.map(|Extension(CallerName(name))| name.to_string());
            let caller = Caller { name, rights: rights.map(|Extension(rights)| rights) };
            let done = offload(move || {
                let none = Bytes::new();
                let request = Request::new(Method::GET, &uri, headers.clone(), none, &api.settings, caller);
                let followed = request.ok_or_else(not_found).and_then(|request| api.follow(&request));
                followed.map_err(|refusal| Box::new(refusal.reply(&headers)))
            });
            done.await.map(|followed| match followed {
                Ok((reply, told)) => {
                    let mut response = open_to(reply, origin).into_response();
                    response.headers_mut().remove(CONTENT_LENGTH);
                    response.map(|_| Body::new(Feed::new(told)))
                }
                Err(reply) => open_to(*reply, origin).into_response().map(Body::from),
            })
        };
        // Everything but GET is as anywhere below.
        let route = Route::get("/v1/metric/{metric}/stream", handle).max_body_bytes(self.settings.max_body);
        let route = if tokens { route.any_token().open_options() } else { route.public() };
        let api = Arc::clone(self);
        let other = async move |method: Method, OriginalUri(uri): OriginalUri, headers: HeaderMap| {
            api.handle(method, &uri, headers, Bytes::new()).map(Body::from)
        };
        METHODS.into_iter().fold(route, |route, method| route.also(method, other.clone()))
    }
}

impl Service for Gnocchi {
    fn name(&self) -> &'static str {
        "gnocchi"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let paths: &[&str] = if self.settings.prefix.is_empty() { &["/", ALL] } else { &["", "/", ALL] };
        let (most, tokens) = (self.settings.max_body, self.settings.auth == Auth::Tokens);
        let route = |path: &'static str| {
            let api = Arc::clone(&self);
            let handle = async move |rights: Option<Extension<Rights>>,
                                     name: Option<Extension<CallerName>>,
                                     method: Method,
                                     OriginalUri(uri): OriginalUri,
                                     headers: HeaderMap,
                                     body: Bytes| {
                let name = name.map(|Extension(CallerName(name))| name.to_string());
                let caller = Caller { name, rights: rights.map(|Extension(rights)| rights) };
                let prepared = offload(move || api.handle_of(caller, method, &uri, headers, body)).await?;
                Ok::<_, frame::Refusal>(prepared.done().await.map(Body::from))
            };
            let route = Route::get(path, handle.clone()).max_body_bytes(most);
            let route = if tokens { route.any_token().open_options() } else { route.public() };
            METHODS.into_iter().fold(route, |route, method| route.also(method, handle.clone()))
        };
        let mut routes: Vec<Route> = paths.iter().copied().map(route).collect();
        routes.insert(0, self.stream_route(tokens));
        if tokens {
            // Balancers show no token.
            let api = Arc::clone(&self);
            let health = async move |OriginalUri(uri): OriginalUri, headers: HeaderMap| {
                api.handle(Method::GET, &uri, headers, Bytes::new()).map(Body::from)
            };
            routes.insert(0, Route::get("/healthcheck", health).public());
        }
        if let Some(first) = routes.pop() {
            let usage = format!("GET {}/v1", self.settings.prefix);
            routes.push(first.about(usage, "Gnocchi's API over an archive"));
        }
        routes
    }

    fn privileges(&self) -> &'static [Privilege] {
        if self.settings.auth == Auth::Tokens { &[READ, WRITE, ADMINISTER] } else { &[] }
    }

    /// A bearer, or basic authentication with the token's name as the user and the token as the password.
    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        bearer(headers).or_else(|| {
            let (user, password) = basic(headers.get(AUTHORIZATION)?.to_str().ok()?)?;
            Some(Credentials::new(password).with_id(user))
        })
    }

    fn ready(&self) -> Result<(), String> {
        let read = self.archive.index().metrics_by_id(&[Uuid::nil()]);
        read.map_err(|error| format!("the archive's index cannot be read: {error}"))?;
        let waits = self.archive.backlog();
        waits.map(drop).map_err(|error| format!("the archive takes no measures: {error}"))
    }

    fn readiness(&self) -> Option<&'static str> {
        Some("the archive's index and incoming can be read")
    }

    fn refuse(&self, refusal: &frame::Refusal) -> Response {
        let most = self.settings.max_body;
        let description = match refusal.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                format!("a body may have {most} bytes; send the measures in several requests")
            }
            _ => refusal.message().to_owned(),
        };
        let headers = refusal.accept().map(|accept| (ACCEPT, accept.clone()));
        let reply = Refusal::new(refusal.status(), description).reply(&headers.into_iter().collect());
        reply.into_response().map(Body::from)
    }
}

/// Everything below.
const ALL: &str = "/{*rest}";
