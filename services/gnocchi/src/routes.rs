//! Paths of the API, and what is the same for all of them: errors, content negotiation, CORS.

use crate::decoding::Decoded;
use crate::reply::{Answer, Refusal, Reply, accepts};
use crate::request::{Caller, Request, not_allowed, not_found};
use crate::settings::Settings;
use crate::statsd::StatsdAccounts;
use ferrometer_archive::{Archive, Method as Aggregation};
use ferrometer_http::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Gnocchi's API over an archive.
pub struct Gnocchi {
    pub(crate) archive: Arc<Archive>,
    pub(crate) settings: Settings,
    decoded: Decoded,
    statsd: StatsdAccounts,
    /// Streams of aggregates that are being told.
    pub(crate) streams: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Gnocchi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gnocchi").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Characters that stand for themselves in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const METHODS: [&str; 6] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"];

impl Gnocchi {
    /// Returns the API of an archive.
    pub fn new(archive: Arc<Archive>, settings: Settings) -> Gnocchi {
        Gnocchi {
            archive,
            settings,
            decoded: Decoded::default(),
            statsd: StatsdAccounts::default(),
            streams: Arc::default(),
        }
    }

    /// Tells the accounts of statsd daemons in the status.
    #[must_use]
    pub fn with_statsd(mut self, daemons: StatsdAccounts) -> Gnocchi {
        self.statsd = daemons;
        self
    }

    /// Answers a request whose body has been read.
    ///
    /// ```
    /// use ferrometer_archive::{Archive, Options};
    /// use ferrometer_gnocchi::{Gnocchi, Settings};
    /// use http::{HeaderMap, Method};
    ///
    /// let directory = std::env::temp_dir().join(format!("ferrometer-gnocchi-doc-{}", std::process::id()));
    /// let archive = Archive::open(&directory, Options::default()).unwrap();
    /// let api = Gnocchi::new(archive.into(), Settings::default());
    /// let answer = api.handle(Method::GET, &"/v1/capabilities".parse().unwrap(), HeaderMap::new(), Default::default());
    /// assert_eq!(answer.status(), 200);
    /// # drop(api);
    /// # std::fs::remove_dir_all(&directory).unwrap();
    /// ```
    pub fn handle(&self, method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Response<Bytes> {
        self.handle_of(Caller::default(), method, uri, headers, body).wait()
    }

    /// Answers a request of somebody whom the frame knows.
    pub(crate) fn handle_of(
        &self,
        caller: Caller,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Prepared {
        let head = method == Method::HEAD;
        let origin = self.allowed_origin(&headers);
        let kept = headers.clone();
        let method = if head { Method::GET } else { method };
        let decoded = self.decoded.body(&headers, body, self.settings.max_body);
        // The share of memory is held as long as the body.
        let request =
            decoded.map(|(body, share)| (Request::new(method, uri, headers, body, &self.settings, caller), share));
        let answer = match &request {
            Err(refusal) => Err(refusal.clone()),
            Ok((None, _)) => Err(not_found()),
            Ok((Some(request), _))
                if request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) =>
            {
                Ok(preflight(request, origin.is_some()))
            }
            Ok((Some(request), _)) => self.route(request),
        };
        let reply = answer.unwrap_or_else(|refusal| refusal.reply(&kept));
        Prepared { reply, headers: kept, origin, head }
    }

    /// Returns the origin of the page that asks, when it may.
    pub(crate) fn allowed_origin(&self, headers: &HeaderMap) -> Option<String> {
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).map(ToOwned::to_owned);
        origin.filter(|origin| self.settings.cors.iter().any(|known| known == origin || known == "*"))
    }

    fn route(&self, request: &Request<'_>) -> Answer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let rest = |from: usize| &request.path[from.min(request.path.len())..];
        if path[..] == ["healthcheck"] {
            return Ok(Reply::raw(StatusCode::OK, "OK").with(http::header::CONTENT_TYPE, "text/plain; charset=UTF-8"));
        }
        if request.method == Method::GET && !accepts(&request.headers, "application/json") {
            return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, ""));
        }
        request.check_privilege()?;
        match path[..] {
            [] if request.method == Method::GET => Ok(Reply::ok(&versions(request))),
            ["v1"] if request.method == Method::GET => Ok(Reply::ok(&version(request))),
            [] | ["v1"] => not_allowed("GET"),
            ["v1", "archive_policy", ..] => self.archive_policies(request, rest(2)),
            ["v1", "archive_policy_rule", ..] => self.archive_policy_rules(request, rest(2)),
            ["v1", "metric", ..] => self.metrics(request, rest(2)),
            ["v1", "batch", ..] => self.batch(request, rest(2)),
            ["v1", "resource", ..] => self.resources(request, rest(2)),
            ["v1", "resource_type", ..] => self.resource_types(request, rest(2)),
            ["v1", "search", "resource", name] => self.search_resources(request, name),
            ["v1", "search", "metric"] => self.search_values(request),
            ["v1", "aggregation", ..] => self.aggregation(request, rest(2)),
            ["v1", "influxdb", ..] => self.influxdb(request, rest(2)),
            ["v1", "prometheus", ..] => self.prometheus(request, rest(2)),
            ["v1", "aggregates"] => self.aggregates(request),
            ["v1", "capabilities"] if request.method == Method::GET => {
                let methods: Vec<String> = Aggregation::all().map(|method| method.to_string()).collect();
                Ok(Reply::ok(&json!({"aggregation_methods": methods})))
            }
            ["v1", "status"] if request.method == Method::GET => self.status(request),
            ["v1", "capabilities" | "status"] => not_allowed("GET"),
            _ => Err(not_found()),
        }
    }

    fn status(&self, request: &Request<'_>) -> Answer {
        request.admin()?;
        let details = request.truth("details", true)?;
        let (metrics, measures) = self.archive.backlog()?;
        let mut storage = json!({"summary": {"metrics": metrics, "measures": measures}});
        if details {
            let waiting = self.archive.waiting()?.into_iter().map(|(id, count)| (id.to_string(), Value::from(count)));
            storage["measures_to_process"] = waiting.collect::<Map<_, _>>().into();
        }
        let mut status = json!({"storage": storage, "metricd": {"processors": null, "statistics": {}}});
        let statsd = self.statsd.json();
        if statsd.as_array().is_some_and(|daemons| !daemons.is_empty()) {
            status["statsd"] = statsd;
        }
        Ok(Reply::ok(&status))
    }

    /// Returns where something is that has been made.
    pub(crate) fn location(&self, request: &Request<'_>, path: &[&str]) -> String {
        let mut location = request.base() + "/v1";
        for part in path {
            location.push('/');
            // Nearly always as it is.
            location.push_str(&Cow::from(utf8_percent_encode(part, PATH)));
        }
        location
    }
}

/// An answer that is made; it is sent when what it tells of is in the index.
pub(crate) struct Prepared {
    reply: Reply,
    /// Those of the request.
    headers: HeaderMap,
    origin: Option<String>,
    head: bool,
}

impl Prepared {
    /// Returns the answer when the index has what it tells of, or refused it.
    pub fn wait(mut self) -> Response<Bytes> {
        let made = self.reply.making.take().map_or(Ok(()), |(making, refused)| making.wait().map_err(refused));
        self.answer(made)
    }

    /// As [`wait`](Prepared::wait), without a thread.
    pub async fn done(mut self) -> Response<Bytes> {
        let made = match self.reply.making.take() {
            Some((making, refused)) => making.await.map_err(refused),
            None => Ok(()),
        };
        self.answer(made)
    }

    fn answer(self, made: Result<(), Refusal>) -> Response<Bytes> {
        let reply = match made {
            Ok(()) => self.reply,
            Err(refusal) => refusal.reply(&self.headers),
        };
        let mut response = open_to(reply, self.origin).into_response();
        if self.head {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

/// Lets a page of an origin read an answer.
pub(crate) fn open_to(reply: Reply, origin: Option<String>) -> Reply {
    let Some(origin) = origin else { return reply };
    let reply = reply.with(ACCESS_CONTROL_ALLOW_ORIGIN, origin).with(VARY, "Origin");
    let reply = reply.with(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    reply.with(ACCESS_CONTROL_EXPOSE_HEADERS, "Link, ETag, Last-Modified, Location")
}

fn preflight(request: &Request<'_>, allowed: bool) -> Reply {
    let reply = Reply::raw(StatusCode::OK, "");
    let method = request.header(ACCESS_CONTROL_REQUEST_METHOD).unwrap_or("");
    if !allowed || !METHODS.contains(&method) {
        return reply;
    }
    let headers = request.header(ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or("");
    let reply = reply.with(ACCESS_CONTROL_ALLOW_METHODS, method).with(ACCESS_CONTROL_MAX_AGE, "3600");
    if headers.is_empty() { reply } else { reply.with(ACCESS_CONTROL_ALLOW_HEADERS, headers) }
}

fn versions(request: &Request<'_>) -> Value {
    let link = json!({"rel": "self", "href": format!("{}/v1/", request.base())});
    json!({
        "build": concat!("ferrometer-", env!("CARGO_PKG_VERSION")),
        "versions": [{"status": "CURRENT", "id": "v1.0", "updated": "2015-03-19", "links": [link]}],
    })
}

fn version(request: &Request<'_>) -> Value {
    const PARTS: [&str; 12] = [
        "aggregates",
        "aggregation",
        "archive_policy",
        "archive_policy_rule",
        "batch",
        "capabilities",
        "influxdb",
        "metric",
        "resource",
        "resource_type",
        "search",
        "status",
    ];
    let base = request.base();
    let mut links = vec![json!({"rel": "self", "href": format!("{base}/v1")})];
    links.extend(PARTS.map(|part| json!({"rel": part, "href": format!("{base}/v1/{part}")})));
    json!({"version": "1.0", "links": links})
}
