//! A conductor's side: the routes at which agents ask.

use crate::answer::Answer;
use crate::asked::Asked;
use crate::nodes::Nodes;
use crate::options::Options;
use ferrometer_http::axum::Router;
use ferrometer_http::axum::extract::{DefaultBodyLimit, Path};
use ferrometer_http::axum::routing::{get, post};
use ferrometer_http::{
    Bytes, HeaderValue, JSON, Privilege, RawQuery, Refusal, Response, Route, Service, StatusCode, header, json,
    offload, respond,
};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// The privilege to look a node up. With it on `/`, a token that has a list of privileges may.
pub const LOOKUP: Privilege = Privilege::new("Agent.Lookup");

/// The most bytes that a question's body may have. An inventory of many disks is some kilobytes.
const MOST_BODY: usize = 64 * 1024;

const V1: &str = "/v1/lookup";
const DRIVER: &str = "/drivers/{driver}/vendor_passthru/lookup";
const V1_DRIVER: &str = "/v1/drivers/{driver}/vendor_passthru/lookup";

/// Answers lookups: at `/v1/lookup`, and at `/drivers/<driver>/vendor_passthru/lookup`, where agents asked before, with and without `/v1`.
///
/// Mounted into a frame it is one of its services; [`router`](LookupRoutes::router) is for a program's own axum.
///
/// ```
/// use ferrometer_agent::{AnyNode, LookupRoutes, Options};
/// use ferrometer_http::Frame;
/// use std::sync::Arc;
///
/// let lookup = Arc::new(LookupRoutes::new(Options::new().backend("statsd").statsd("10.0.0.1", 8125), AnyNode));
/// let server = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", Arc::clone(&lookup) as _).serve()?;
/// // Agents that ask from now on are told so.
/// lookup.set_options(Options::new().backend("noop"));
/// # drop(server);
/// # Ok::<(), ferrometer_http::ServeError>(())
/// ```
pub struct LookupRoutes {
    options: RwLock<Arc<Options>>,
    nodes: Arc<dyn Nodes>,
}

impl LookupRoutes {
    /// Tells these options to the agents of these nodes.
    #[must_use]
    pub fn new(options: Options, nodes: impl Nodes) -> LookupRoutes {
        LookupRoutes { options: RwLock::new(Arc::new(options)), nodes: Arc::new(nodes) }
    }

    /// Replaces the options. Agents that run get them with their next lookup.
    pub fn set_options(&self, options: Options) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
    }

    /// Returns the options as they are.
    #[must_use]
    pub fn options(&self) -> Arc<Options> {
        Arc::clone(&self.options.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the routes as a router of axum, to be merged or nested. Who may ask is then the program's to decide: put a layer around it.
    pub fn router(self: Arc<Self>) -> Router {
        let by_query = {
            let lookup = Arc::clone(&self);
            async move |RawQuery(query): RawQuery| lookup.answer(None, query, Bytes::new()).await
        };
        let by_driver = {
            let lookup = Arc::clone(&self);
            async move |Path(driver): Path<String>, RawQuery(query): RawQuery, body: Bytes| {
                lookup.answer(Some(driver), query, body).await
            }
        };
        Router::new()
            .route(V1, get(by_query))
            .route(DRIVER, post(by_driver.clone()).get(by_driver.clone()))
            .route(V1_DRIVER, post(by_driver.clone()).get(by_driver))
            .layer(DefaultBodyLimit::max(MOST_BODY))
    }

    async fn answer(&self, driver: Option<String>, query: Option<String>, body: Bytes) -> Result<Response, Refusal> {
        let asked = Asked::read(driver, query.as_deref().unwrap_or_default(), &body);
        let asked = asked.map_err(|wrong| Refusal::new(StatusCode::BAD_REQUEST, wrong))?;
        let nodes = Arc::clone(&self.nodes);
        let found = offload(move || nodes.find(&asked)).await?;
        let node = found.map_err(|why| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("10"))
        })?;
        let none = || Refusal::new(StatusCode::NOT_FOUND, "no node of this UUID or address may be looked up");
        let answer = Answer::write(node.ok_or_else(none)?.shown(), &self.options());
        Ok(respond(StatusCode::OK, JSON, json(&answer)))
    }
}

impl Service for LookupRoutes {
    fn name(&self) -> &'static str {
        "lookup"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let by_query = {
            let lookup = Arc::clone(&self);
            async move |RawQuery(query): RawQuery| lookup.answer(None, query, Bytes::new()).await
        };
        let by_driver = |path| {
            let lookup = Arc::clone(&self);
            let handler = async move |Path(driver): Path<String>, RawQuery(query): RawQuery, body: Bytes| {
                lookup.answer(Some(driver), query, body).await
            };
            Route::post(path, handler.clone())
                .also(ferrometer_http::Method::GET, handler)
                .readable_with(LOOKUP, "/")
                .max_body_bytes(MOST_BODY)
        };
        vec![
            Route::get(V1, by_query)
                .readable_with(LOOKUP, "/")
                .about("GET /v1/lookup?node_uuid=<uuid>", "what an agent is told: node and config")
                .about("GET /v1/lookup?addresses=<mac>,<mac>", "the same, by addresses of its ports"),
            by_driver(DRIVER),
            by_driver(V1_DRIVER),
        ]
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[LOOKUP]
    }
}

impl fmt::Debug for LookupRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupRoutes").field("options", &self.options()).finish_non_exhaustive()
    }
}
