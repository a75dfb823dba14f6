//! A service: routes that are mounted into the frame, and answers to the questions that the frame asks about them.

use crate::access::{Access, Credentials, Privilege, bearer};
use crate::refusal::Refusal;
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use std::borrow::Cow;
use std::sync::Arc;

/// A group of routes with one state, mounted with [`Frame::mount`](crate::Frame::mount). See the [crate](crate) for an example.
///
/// The frame checks everything before a handler runs: the host, the token, the privilege, the sizes, and whether there is room for one
/// more answer. The service keeps no connection and no token of its own.
pub trait Service: Send + Sync + 'static {
    /// Returns a short name, for messages: `cache-api`.
    fn name(&self) -> &'static str;

    /// Returns the routes, which may share `self` as their state. Called once for each frame that is started.
    fn routes(self: Arc<Self>) -> Vec<Route>;

    /// Returns the privileges that the routes ask for, so that tokens can be given them. Tokens with others are refused at the start.
    fn privileges(&self) -> &'static [Privilege] {
        &[]
    }

    /// Returns `Ok` when the service can do its work, and otherwise why not, in a sentence for `/readyz`.
    ///
    /// # Errors
    /// The reason.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns the condition of [`ready`](Service::ready) in one line, for the index.
    fn readiness(&self) -> Option<&'static str> {
        None
    }

    /// Reads who asks from the headers of a request; `None` when they bring nothing that this service knows. The frame asks the service
    /// of the route first, then the other mounted ones.
    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        bearer(headers)
    }

    /// Renders a refusal of the frame, for a request to one of the service's routes or below its mount point. Headers that the refusal
    /// needs are added by the frame.
    fn refuse(&self, refusal: &Refusal) -> Response {
        refusal.json()
    }

    /// Returns a page for browsers, which they get at `/` in place of the index. It is sent without a token, so it must hold no data.
    fn front(&self) -> Option<Front> {
        None
    }
}

/// Makes the page at `/` for a request: its whole address as the client asked for it, and its headers.
pub type Front = Arc<dyn Fn(&Uri, &HeaderMap) -> Response + Send + Sync>;

/// A path, what is done there, and who may ask for it.
///
/// Unless told otherwise, a route takes no body, and is open to tokens without a list of privileges (and to everyone when the frame
/// has no tokens).
///
/// ```
/// use ferrometer_http::{Bytes, Privilege, Route, StatusCode};
///
/// const WRITE: Privilege = Privilege::new("Measures.Write");
///
/// let route = Route::post("/measures", |body: Bytes| async move { (StatusCode::ACCEPTED, body.len().to_string()) })
///     .require(WRITE, "/")
///     .max_body_bytes(64 << 10)
///     .about("POST /measures", "takes measures as JSON");
/// ```
#[must_use = "a route is served when a service returns it"]
pub struct Route {
    pub(crate) path: &'static str,
    pub(crate) methods: Vec<Method>,
    pub(crate) handlers: MethodRouter,
    pub(crate) access: Access,
    pub(crate) max_body_bytes: usize,
    pub(crate) open_options: bool,
    pub(crate) about: Vec<(Cow<'static, str>, &'static str)>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("path", &self.path)
            .field("methods", &self.methods)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Route {
    /// Answers GET, and HEAD without the body. `path` is relative to the mount point, in the syntax of axum: `/nodes/{node}/metrics`.
    /// The handler is one of axum without state; it usually holds the service in an [`Arc`].
    pub fn get<H: Handler<T, ()>, T: 'static>(path: &'static str, handler: H) -> Route {
        Route::on(path, Method::GET, handler)
    }

    /// Answers POST.
    pub fn post<H: Handler<T, ()>, T: 'static>(path: &'static str, handler: H) -> Route {
        Route::on(path, Method::POST, handler)
    }

    /// Answers another method. One that HTTP does not define is never asked for.
    pub fn on<H: Handler<T, ()>, T: 'static>(path: &'static str, method: Method, handler: H) -> Route {
        let route = Route {
            path,
            methods: Vec::new(),
            handlers: MethodRouter::new(),
            access: Access::Unlisted,
            max_body_bytes: 0,
            open_options: false,
            about: Vec::new(),
        };
        route.also(method, handler)
    }

    /// Answers one more method at the same path; of two handlers for one method the first stays.
    pub fn also<H: Handler<T, ()>, T: 'static>(mut self, method: Method, handler: H) -> Route {
        if self.methods.contains(&method) {
            return self;
        }
        if let Ok(filter) = MethodFilter::try_from(method.clone()) {
            self.handlers = self.handlers.on(filter, handler);
            self.methods.push(method.clone());
            if method == Method::GET {
                self.methods.push(Method::HEAD);
            }
        }
        self
    }

    /// Opens the route to tokens that have a privilege on a path, and to no others.
    pub fn require(mut self, privilege: Privilege, path: &'static str) -> Route {
        self.access = Access::Listed(privilege, path);
        self
    }

    /// Opens the route to tokens without a list of privileges, and to those whose list has this privilege on this path.
    pub fn readable_with(mut self, privilege: Privilege, path: &'static str) -> Route {
        self.access = Access::Reader(privilege, path);
        self
    }

    /// Opens the route to every token. The handler finds the caller's [`Rights`](crate::Rights) in an `Extension`.
    pub fn any_token(mut self) -> Route {
        self.access = Access::AnyToken;
        self
    }

    /// Opens the route to everyone, with or without a token: for what holds no data.
    pub fn public(mut self) -> Route {
        self.access = Access::Public;
        self
    }

    /// Opens the method OPTIONS of the route to everyone: a browser asks with it, and without a token, before a page of another origin may ask with one.
    pub fn open_options(mut self) -> Route {
        self.open_options = true;
        self
    }

    /// Sets how many bytes a request's body may have; default 0. A larger one gets 413. The frame reads the body before the handler runs, so
    /// as many times this many bytes may be in memory as there may be answers in progress.
    pub fn max_body_bytes(mut self, most: usize) -> Route {
        self.max_body_bytes = most;
        self
    }

    /// Adds a line to the index: how the route is used, with the mount point, and what it answers.
    pub fn about(mut self, usage: impl Into<Cow<'static, str>>, answer: &'static str) -> Route {
        self.about.push((usage.into(), answer));
        self
    }
}
