//! The cache over HTTP: what is asked, and what is answered.
//!
//! | route | answer |
//! |---|---|
//! | `GET /v1/metrics` | the newest generation as JSON; `history=1` for all, `start-time=<seconds>` for what is strictly newer |
//! | `GET /metrics` | totals for Prometheus, in the format `Accept` asks for; `name[]=<name>` for one family, any number of times |
//! | `GET /healthz` | 200: the process answers |
//! | `GET /readyz` | 200 when the newest generation is there and not old, else 503 |
//! | `GET /v1/instruments` | kinds, units and descriptions; how often and how many generations are made |
//! | `GET /v1/nodes` | this node and the others; `/v1/nodes/<node>/metrics` and `…/instruments`, what another one says |
//! | `GET /` | an index of the routes; with the feature `page`, for a browser, a page that shows everything |
//!
//! The modules in the order in which a request passes them:
//!
//! | step | module |
//! |---|---|
//! | what is to be served, where, to whom | `endpoint`, with `limits`; `error` when that cannot be |
//! | connections | `server`, over `tls`; `counts` |
//! | may this request pass? | `guard`, with `hosts`, `tokens` and `privileges`; `watch` reads files again |
//! | what is asked | `query`, with `glob` and `cursor`; `accept` |
//! | what is answered | `records` and `stream`, made in steps by `stepped`; `metrics`, `instruments`, `nodes`, `health`, `page`; `answer`; `heavy` for what takes long |
//! | … to a client of Proxmox | `proxmox` |
//! | how it travels | `compress`; `held` keeps the place of an answer in progress |

mod accept;
mod answer;
#[cfg(feature = "compression")]
mod compress;
mod counts;
mod cursor;
mod endpoint;
mod error;
mod glob;
mod guard;
mod health;
mod heavy;
mod held;
mod hosts;
mod instruments;
mod limits;
mod metrics;
mod nodes;
#[cfg(feature = "page")]
mod page;
mod privileges;
#[cfg(feature = "proxmox")]
mod proxmox;
mod query;
mod records;
mod server;
mod stepped;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod tokens;
mod watch;

pub use counts::ServerCounts;
pub use endpoint::Endpoint;
pub use error::ServeError;
pub use limits::Limits;
#[cfg(feature = "proxmox")]
pub use proxmox::{Peer, Proxmox};
pub use server::{DEFAULT_ADDRESS, Server, serve};

use crate::handle::PullCacheHandle;
use answer::{error, plain};
use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use counts::Counts;
use std::sync::Arc;
use tokio::sync::Semaphore;

const INDEX: &str = "\
ferrometer pull cache

GET /v1/metrics                        the newest generation as JSON, or as lines with Accept: application/x-ndjson
GET /v1/metrics?history=1              every generation kept
GET /v1/metrics?start-time=<seconds>   only what is strictly newer; with or without history
GET /v1/metrics?name=<name>            only these records; * stands for any text; id likewise; both repeatable
GET /v1/metrics?label=<key>=<value>    only records with this label; * likewise; repeatable
GET /v1/metrics?limit=<number>         so many records; `next` in the answer, given as after=<next>, gets the following ones
GET /v1/instruments                    what the names stand for: kinds, units, descriptions
GET /v1/nodes                          this node and its peers; what they record is at /v1/nodes/<node>/metrics
GET /metrics                           totals for Prometheus: text, OpenMetrics or protobuf, as Accept says
GET /metrics?name[]=<name>             only these families; any number of times
GET /healthz                           the process answers
GET /readyz                            the newest generation is there and not old
";

/// What the routes share.
#[derive(Debug)]
struct App {
    handle: PullCacheHandle,
    tags: records::Tags,
    tokens: Option<tokens::Tokens>,
    hosts: Option<hosts::Hosts>,
    limits: Limits,
    #[cfg(feature = "page")]
    page: bool,
    #[cfg(feature = "proxmox")]
    proxmox: Option<proxmox::Service>,
    /// For answers in progress.
    places: Arc<Semaphore>,
    counts: Arc<Counts>,
}

impl FromRef<Arc<App>> for PullCacheHandle {
    fn from_ref(app: &Arc<App>) -> PullCacheHandle {
        app.handle.clone()
    }
}

/// The routes, to be mounted in a server of your own, with `nest`: the short form of [`Endpoint::router`], without tokens. Limits of
/// time and connections are that server's; so is the authentication, if there is to be one.
///
/// ```
/// use ferrometer_pull_cache::{PullCacheBackend, Settings, router};
///
/// let backend = PullCacheBackend::new(Settings::default());
/// let app: axum::Router = axum::Router::new().nest("/internal", router(backend.handle()));
/// ```
pub fn router(handle: PullCacheHandle) -> Router {
    let plain = Endpoint::new(handle);
    // Without files, and with limits that are in their ranges, nothing can be wrong.
    plain.router().unwrap_or_default()
}

fn routes(app: Arc<App>) -> Router {
    let shown = Router::new()
        .route("/v1/instruments", get(instruments::instruments))
        .route("/v1/metrics", get(records::records))
        .route("/v1/nodes", get(nodes::nodes))
        .route("/metrics", get(metrics::get))
        .merge(others(&app))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), guard::everything))
        .fallback(not_found);
    let page = for_browsers(&app);
    let shown = if page.is_none() { shown.route("/", get(index)) } else { shown };
    #[cfg(feature = "proxmox")]
    let shown = if app.proxmox.is_some() { shown.merge(proxmox::routes()) } else { shown };
    let shown = shown.method_not_allowed_fallback(not_allowed);
    #[cfg(feature = "compression")]
    let shown = shown.layer(middleware::from_fn(compress::compress));
    let shown = shown.layer(middleware::from_fn_with_state(Arc::clone(&app), guard::guard));
    let all = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(not_allowed)
        .merge(shown)
        .merge(page.unwrap_or_default())
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::shape));
    #[cfg(feature = "proxmox")]
    let all = if app.proxmox.is_some() { all.layer(middleware::from_fn(proxmox::translate)) } else { all };
    all.with_state(app)
}

/// The page, where it is wanted.
fn for_browsers(app: &Arc<App>) -> Option<Router<Arc<App>>> {
    #[cfg(feature = "page")]
    if app.page {
        return Some(page::routes(app));
    }
    let _ = app;
    None
}

/// What other nodes say, where there may be some.
fn others(app: &App) -> Router<Arc<App>> {
    #[cfg(feature = "proxmox")]
    if app.proxmox.is_some() {
        return proxmox::nodes::routes();
    }
    let _ = app;
    Router::new()
}

async fn index() -> Response {
    plain(INDEX, "text/plain; charset=utf-8")
}

async fn not_found(request: Request) -> Response {
    let path = query::shorten(request.uri().path());
    error(StatusCode::NOT_FOUND, &format!("there is nothing at {path:?}; GET / lists what there is"))
}

async fn not_allowed(request: Request) -> Response {
    let message = format!("{} is not allowed; GET and HEAD are", query::shorten(request.method().as_str()));
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, &message);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
