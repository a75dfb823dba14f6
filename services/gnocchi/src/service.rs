//! The API as a service of the HTTP frame: every path below the prefix, with every method.
//!
//! Who asks is Gnocchi's own affair: its routes are open to requests without a token of the frame.

use crate::reply::Refusal;
use crate::routes::Gnocchi;
use ferrometer_http::axum::body::Body;
use ferrometer_http::axum::extract::OriginalUri;
use ferrometer_http::{self as frame, Bytes, Frame, Limits, Response, Route, Service, offload};
use http::header::ACCEPT;
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

impl Service for Gnocchi {
    fn name(&self) -> &'static str {
        "gnocchi"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let paths: &[&str] = if self.settings.prefix.is_empty() { &["/", ALL] } else { &["", "/", ALL] };
        let most = self.settings.max_body;
        let route = |path: &'static str| {
            let api = Arc::clone(&self);
            let handle = async move |method: Method, OriginalUri(uri): OriginalUri, headers: HeaderMap, body: Bytes| {
                let done = offload(move || api.handle(method, &uri, headers, body)).await;
                done.map(|response| response.map(Body::from))
            };
            let route = Route::get(path, handle.clone()).public().max_body_bytes(most);
            METHODS.into_iter().fold(route, |route, method| route.also(method, handle.clone()))
        };
        let mut routes: Vec<Route> = paths.iter().copied().map(route).collect();
        if let Some(first) = routes.pop() {
            routes.push(first.about("GET /v1", "Gnocchi's API over an archive, below its prefix"));
        }
        routes
    }

    fn ready(&self) -> Result<(), String> {
        let read = self.archive.index().metrics_by_id(&[Uuid::nil()]);
        read.map(drop).map_err(|error| format!("the archive's index cannot be read: {error}"))
    }

    fn readiness(&self) -> Option<&'static str> {
        Some("the archive's index can be read")
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
