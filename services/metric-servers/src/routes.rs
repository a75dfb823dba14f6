//! The two services: [`Management`] with the routes of Proxmox, and [`Status`] with what a page asks for.

use crate::kind::Kind;
use crate::manage::{Failure, MetricServers};
use crate::params::{MOST_BODY, Params};
use crate::reply::{self, AUDIT, MODIFY};
use crate::rule::Words;
use crate::{params, pbs, pve};
use ferrometer_http::{
    Body, Bytes, Credentials, Extension, HeaderMap, JSON, Method, Path, Privilege, RawQuery, Refusal, Request,
    Response, Rights, Route, Service, StatusCode, api_token, json, offload, respond,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Serves the routes of Proxmox VE and Proxmox Backup Server, to be mounted at `/api2`.
#[derive(Debug)]
pub struct Management {
    servers: Arc<MetricServers>,
    has_index: bool,
}

impl Management {
    /// Serves these servers.
    #[must_use]
    pub fn new(servers: Arc<MetricServers>) -> Management {
        Management { servers, has_index: true }
    }

    /// Leaves out the index at `/json/cluster/metrics`, for a frame in which the exports of Proxmox have it.
    #[must_use]
    pub fn without_index(mut self) -> Management {
        self.has_index = false;
        self
    }
}

/// Serves `/v1/metric-servers`: the state, the account and the last error of each server, and tests of connections. To be mounted at `/`.
#[derive(Debug)]
pub struct Status(Arc<MetricServers>);

impl Status {
    /// Serves these servers.
    #[must_use]
    pub fn new(servers: Arc<MetricServers>) -> Status {
        Status(servers)
    }
}

/// A request that may pass, with its parameters.
struct Asked {
    method: Method,
    params: Params,
}

/// Checks the privilege, and reads the parameters.
async fn asked(rights: &Rights, query: RawQuery, request: Request, words: Words) -> Result<Asked, Box<Response>> {
    let (head, body) = request.into_parts();
    let is_read = head.method == Method::GET || head.method == Method::HEAD;
    let privilege = if is_read { AUDIT } else { MODIFY };
    reply::allowed(rights, privilege, &head.method, &head.uri, &head.headers)?;
    let body =
        whole(body).await.map_err(|()| Box::new(reply::failure(words, &Failure::said("the body broke off\n"))))?;
    let params = params::read(query.0.as_deref(), &head.headers, &body)
        .map_err(|wrong| Box::new(reply::failure(words, &wrong)))?;
    Ok(Asked { method: head.method, params })
}

/// The body, which the frame has read already and holds to its limit.
async fn whole(body: Body) -> Result<Bytes, ()> {
    ferrometer_http::axum::body::to_bytes(body, MOST_BODY).await.map_err(|_| ())
}

/// Does work that waits for files and servers on another thread.
async fn work(
    words: Words,
    servers: &Arc<MetricServers>,
    work: impl FnOnce(&MetricServers) -> Result<(Value, Option<String>), Failure> + Send + 'static,
) -> Response {
    let servers = Arc::clone(servers);
    match offload(move || work(&servers)).await {
        Ok(Ok((value, digest))) => reply::data(value, digest),
        Ok(Err(failure)) => reply::failure(words, &failure),
        Err(refusal) => reply::of_frame(&refusal),
    }
}

type Answer = Result<(Value, Option<String>), Failure>;

fn nothing(done: Result<(), Failure>) -> Answer {
    done.map(|()| (Value::Null, None))
}

fn pve_one(servers: &MetricServers, id: &str, asked: Asked) -> Answer {
    match asked.method {
        Method::POST => nothing(pve::create(servers, id, asked.params)),
        Method::PUT => nothing(pve::update(servers, id, asked.params)),
        Method::DELETE => nothing(pve::delete(servers, id, &asked.params)),
        _ => pve::none(&asked.params).and_then(|()| pve::read(servers, id)).map(|value| (value, None)),
    }
}

fn pbs_all(servers: &MetricServers, kind: Kind, asked: Asked) -> Answer {
    if asked.method == Method::POST {
        return nothing(pbs::create(servers, kind, asked.params));
    }
    pbs::none(&asked.params)?;
    pbs::list_all(servers, kind).map(|(value, digest)| (value, Some(digest)))
}

fn pbs_one(servers: &MetricServers, kind: Kind, name: &str, asked: Asked) -> Answer {
    match asked.method {
        Method::PUT => nothing(pbs::update(servers, kind, name, asked.params)),
        Method::DELETE => nothing(pbs::delete(servers, kind, name, asked.params)),
        _ => {
            pbs::none(&asked.params)?;
            pbs::read(servers, kind, name).map(|(value, digest)| (value, Some(digest)))
        }
    }
}

/// A route without a part in its path, for these methods.
fn whole_route<F>(
    path: &'static str,
    words: Words,
    servers: &Arc<MetricServers>,
    methods: &[Method],
    answer: F,
) -> Route
where
    F: Fn(&MetricServers, Asked) -> Answer + Clone + Send + Sync + 'static,
{
    let servers = Arc::clone(servers);
    let handler = async move |Extension(rights): Extension<Rights>, query: RawQuery, request: Request| {
        let asked = match asked(&rights, query, request, words).await {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        let answer = answer.clone();
        work(words, &servers, move |servers| answer(servers, asked)).await
    };
    on_all(path, methods, handler)
}

/// A route with the id of a server in its path, for these methods.
fn part_route<F>(path: &'static str, words: Words, servers: &Arc<MetricServers>, methods: &[Method], answer: F) -> Route
where
    F: Fn(&MetricServers, &str, Asked) -> Answer + Clone + Send + Sync + 'static,
{
    let servers = Arc::clone(servers);
    let handler =
        async move |Path(id): Path<String>, Extension(rights): Extension<Rights>, query: RawQuery, request: Request| {
            let asked = match asked(&rights, query, request, words).await {
                Ok(asked) => asked,
                Err(response) => return *response,
            };
            let answer = answer.clone();
            work(words, &servers, move |servers| answer(servers, &id, asked)).await
        };
    on_all(path, methods, handler)
}

fn on_all<H, T>(path: &'static str, methods: &[Method], handler: H) -> Route
where
    H: ferrometer_http::axum::handler::Handler<T, ()> + Clone,
    T: 'static,
{
    let mut route = Route::get(path, handler.clone());
    for method in methods {
        route = route.also(method.clone(), handler.clone());
    }
    let most = if methods.is_empty() { 0 } else { MOST_BODY };
    route.any_token().max_body_bytes(most)
}

const ITEM: [Method; 2] = [Method::PUT, Method::DELETE];

impl Service for Management {
    fn name(&self) -> &'static str {
        "metric-servers"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let servers = &self.servers;
        let item = [Method::POST, Method::PUT, Method::DELETE];
        let list = |servers: &MetricServers, asked: Asked| {
            pve::none(&asked.params)?;
            pve::list_all(servers).map(|value| (value, None))
        };
        let admin = |servers: &MetricServers, asked: Asked| {
            pbs::none(&asked.params)?;
            pbs::admin(servers).map(|(value, digest)| (value, Some(digest)))
        };
        let index = |_: &MetricServers, asked: Asked| {
            pbs::none(&asked.params)?;
            Ok((json!([{ "subdir": "influxdb-http" }, { "subdir": "influxdb-udp" }]), None))
        };
        let mut routes = vec![
            whole_route("/json/cluster/metrics/server", Words::Pve, servers, &[], list)
                .about("GET /api2/json/cluster/metrics/server", "the metric servers, as Proxmox VE lists them"),
            part_route("/json/cluster/metrics/server/{id}", Words::Pve, servers, &item, pve_one)
                .about("GET|POST|PUT|DELETE …/server/<id>", "one of them: shown, created, changed, removed"),
            whole_route("/json/config/metrics", Words::Pbs, servers, &[], index),
            whole_route("/json/admin/metrics", Words::Pbs, servers, &[], admin)
                .about("GET /api2/json/admin/metrics", "the metric servers, as Proxmox Backup Server lists them"),
        ];
        for (kind, all, one) in [
            (Kind::InfluxDbHttp, "/json/config/metrics/influxdb-http", "/json/config/metrics/influxdb-http/{name}"),
            (Kind::InfluxDbUdp, "/json/config/metrics/influxdb-udp", "/json/config/metrics/influxdb-udp/{name}"),
        ] {
            routes.push(whole_route(all, Words::Pbs, servers, &[Method::POST], move |servers, asked| {
                pbs_all(servers, kind, asked)
            }));
            routes.push(part_route(one, Words::Pbs, servers, &ITEM, move |servers, name, asked| {
                pbs_one(servers, kind, name, asked)
            }));
        }
        if self.has_index {
            let index = async || respond(StatusCode::OK, reply::JSON, "{\"data\":[{\"name\":\"server\"}]}");
            routes.push(Route::get("/json/cluster/metrics", index).any_token());
        }
        routes
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[AUDIT, MODIFY]
    }

    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        api_token(headers)
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        reply::of_frame(refusal)
    }
}

impl Service for Status {
    fn name(&self) -> &'static str {
        "metric-servers-status"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let shown = Arc::clone(&self.0);
        let status = async move |Extension(rights): Extension<Rights>| {
            let servers = Arc::clone(&shown);
            let may_modify = rights.has(MODIFY, "/");
            match offload(move || pve::status(&servers)).await {
                Ok(Ok(mut value)) => {
                    value["may_modify"] = may_modify.into();
                    respond(StatusCode::OK, JSON, json(&value))
                }
                Ok(Err(failure)) => refused(&failure),
                Err(refusal) => refusal.json(),
            }
        };
        // A test is a change of nothing, but it makes this machine connect to another.
        let new = whole_route("/v1/metric-servers/test", Words::Pve, &self.0, &[Method::POST], |servers, mut asked| {
            if asked.method != Method::POST {
                return Err(Failure::said("tests are asked for with POST\n"));
            }
            let id = asked.params.remove("id").unwrap_or_default();
            let (kind, values) = pve::new(&id, asked.params)?;
            nothing(servers.test_new(kind, &id, values))
        });
        let one =
            part_route("/v1/metric-servers/test/{id}", Words::Pve, &self.0, &[Method::POST], |servers, id, asked| {
                if asked.method != Method::POST {
                    return Err(Failure::said("tests are asked for with POST\n"));
                }
                pve::none(&asked.params)?;
                nothing(servers.test(id))
            });
        vec![
            Route::get("/v1/metric-servers", status)
                .readable_with(AUDIT, "/")
                .about("GET /v1/metric-servers", "the servers that metrics are sent to: state, account, last error"),
            new.about(
                "POST /v1/metric-servers/test[/<id>]",
                "tests a connection; a new one is described as for …/server/<id>",
            ),
            one,
        ]
    }

    fn privileges(&self) -> &'static [Privilege] {
        &[AUDIT, MODIFY]
    }

    fn credentials(&self, headers: &HeaderMap) -> Option<Credentials> {
        api_token(headers)
    }
}

fn refused(failure: &Failure) -> Response {
    let text = match failure {
        Failure::Said(text) => text.trim_end().to_owned(),
        Failure::Parameters(wrong) => format!("{wrong:?}"),
    };
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text).json()
}
