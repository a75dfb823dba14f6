//! Measures in other protocols: `/v1/influxdb` (line protocol) and `/v1/prometheus/write` (remote write).
//!
//! A resource or a metric that does not exist yet is made.

use crate::Gnocchi;
use crate::line::{Line, parse};
use crate::metrics::Told;
use crate::references::resource_id;
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, forbidden, not_allowed, not_found};
use crate::schema::name as name_of;
use ferrometer_archive::search::{Filter, Page};
use ferrometer_archive::time::now;
use ferrometer_archive::{Attribute, AttributeKind, Batch, Error, Nanos, NewMetric, Point, Resource, ResourceType};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{Method, StatusCode};
use prost::Message;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The tag of a line that names its resource, unless the request names another.
const TAG: &str = "host";

/// The message of remote write 1.0, as a content type may name it.
const FIRST: &str = "prometheus.WriteRequest";

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    milliseconds: i64,
}

/// Points of the metrics of a resource, by name.
type Named = BTreeMap<String, Vec<Point>>;

impl Gnocchi {
    pub(crate) fn influxdb(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        match (&request.method, rest) {
            (&Method::GET, [what]) if what == "ping" => {
                let version = concat!("ferrometer ", env!("CARGO_PKG_VERSION"));
                Ok(Reply::empty(StatusCode::NO_CONTENT).with(HeaderName::from_static("x-influxdb-version"), version))
            }
            (&Method::POST, [what]) if what == "query" => self.influx_query(request),
            (&Method::POST, [what]) if what == "write" => self.influx_write(request),
            (_, [what]) if what == "ping" => not_allowed("GET, HEAD"),
            (_, [what]) if what == "query" || what == "write" => not_allowed("POST"),
            _ => Err(not_found()),
        }
    }

    /// `CREATE DATABASE x` makes a resource type; other queries are refused.
    fn influx_query(&self, request: &Request<'_>) -> Answer {
        let form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
        let told = request
            .parameter("q")
            .or_else(|| form.iter().find(|(name, _)| name == "q").map(|(_, value)| value.as_str()));
        let Some(query) = told else { return Ok(Reply::empty(StatusCode::NO_CONTENT)) };
        let words: Vec<&str> = query.trim().trim_end_matches(';').split_whitespace().collect();
        let [create, database, name] = words[..] else { return Err(unknown_query()) };
        if !create.eq_ignore_ascii_case("create") || !database.eq_ignore_ascii_case("database") {
            return Err(unknown_query());
        }
        request.admin()?;
        let name = name_of(&name.trim_matches('"').into())?;
        match self.archive.add_resource_type(&ResourceType { name, attributes: BTreeMap::new() }) {
            Ok(()) | Err(Error::ResourceTypeExists(_)) => Ok(Reply::empty(StatusCode::NO_CONTENT)),
            Err(error) => Err(error.into()),
        }
    }

    fn influx_write(&self, request: &Request<'_>) -> Answer {
        let user = request.user()?;
        let kind = request.parameter("db").unwrap_or("influxdb");
        let tag = request.header(HeaderName::from_static("x-gnocchi-influxdb-tag-resource-id")).unwrap_or(TAG);
        let refuse = |detail: &str, reason: String| {
            Refusal::bad(json!({"cause": "Value error", "detail": detail, "reason": reason}))
        };
        let arrived = now();
        let mut by_resource: BTreeMap<String, Named> = BTreeMap::new();
        for (number, line) in request.body.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let parsed = std::str::from_utf8(line).ok().and_then(parse);
            let Some(Line { measurement, mut tags, fields, timestamp }) = parsed else {
                return Err(refuse("line", format!("Unable to parse line {}", number + 1)));
            };
            let resource =
                tags.remove(tag).ok_or_else(|| refuse("key", format!("Unable to find key `{tag}' in tags")))?;
            let labels: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("@{}", labels.join(",")) };
            let named = by_resource.entry(resource).or_default();
            for (field, value) in fields {
                let name = format!("{measurement}.{field}{labels}").replace('/', "_");
                named.entry(name).or_default().push(Point { at: timestamp.unwrap_or(arrived), value });
            }
        }
        let mut batch = Batch::new();
        for (original, named) in by_resource {
            self.place(request, &user, kind, &original, Map::new(), None, named, &mut batch)?;
        }
        self.archive.append(batch)?;
        Ok(Reply::empty(StatusCode::NO_CONTENT))
    }

    pub(crate) fn prometheus(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        match (&request.method, rest) {
            (&Method::POST, [what]) if what == "write" => {}
            (_, [what]) if what == "write" => return not_allowed("POST"),
            _ => return Err(not_found()),
        }
        // As a message of 1.0, one of 2.0 would be a request without series: taken, and lost.
        let kind = request.header(CONTENT_TYPE).unwrap_or_default();
        if kind.split(';').skip(1).any(|part| part.trim().strip_prefix("proto=").is_some_and(|name| name != FIRST)) {
            let why = "remote write 1.0 is taken here, and no other message";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let user = request.user()?;
        let length = snap::raw::decompress_len(&request.body).map_err(Refusal::unable_to_decode)?;
        if length > 8 * request.settings.max_body {
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large when it is uncompressed"));
        }
        let bytes = snap::raw::Decoder::new().decompress_vec(&request.body).map_err(Refusal::unable_to_decode)?;
        let written = WriteRequest::decode(&bytes[..]).map_err(Refusal::unable_to_decode)?;
        let mut by_target: BTreeMap<(String, String), Named> = BTreeMap::new();
        for series in written.series {
            let mut labels: BTreeMap<String, String> =
                series.labels.into_iter().map(|label| (label.name, label.value)).collect();
            let name = labels.remove("__name__").ok_or_else(|| Refusal::bad("a series without the label __name__"))?;
            let none = || "none".to_owned();
            let target = (labels.remove("job").unwrap_or_else(none), labels.remove("instance").unwrap_or_else(none));
            // A stale marker and other values that are no number end a series: they are no measure.
            let samples = series.samples.into_iter().filter(|sample| sample.value.is_finite());
            let points = samples.map(|sample| Ok(Point { at: nanos(sample.milliseconds)?, value: sample.value }));
            let points: Vec<Point> = points.collect::<Result<_, Refusal>>()?;
            // Series of one name that differ in other labels are one metric, the last of them counts, as Gnocchi has it.
            by_target.entry(target).or_default().insert(name, points);
        }
        let text = || AttributeKind::String { min_length: 1, max_length: 512 };
        let attributes = ["instance", "job"].map(|name| (name.to_owned(), Attribute { kind: text(), required: true }));
        let kind = ResourceType { name: "prometheus".into(), attributes: attributes.into() };
        let mut batch = Batch::new();
        for ((job, instance), named) in by_target {
            let original = format!("{job}@{instance}");
            let attributes: Map<String, Value> =
                [("job".to_owned(), job.into()), ("instance".to_owned(), instance.into())].into_iter().collect();
            self.place(request, &user, &kind.name, &original, attributes, Some(&kind), named, &mut batch)?;
        }
        self.archive.append(batch)?;
        Ok(Reply::empty(StatusCode::ACCEPTED))
    }

    /// Finds or makes a resource and its metrics, and adds the points to the batch.
    #[expect(clippy::too_many_arguments, reason = "each says something else about the resource")]
    fn place(
        &self,
        request: &Request<'_>,
        user: &str,
        kind: &str,
        original: &str,
        attributes: Map<String, Value>,
        make: Option<&ResourceType>,
        named: Named,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let id = resource_id(original, user)?;
        let known = self.archive.index().resource_type(kind);
        match (known, make) {
            (Err(Error::NoSuchResourceType(_)), Some(make)) => match self.archive.add_resource_type(make) {
                Ok(()) | Err(Error::ResourceTypeExists(_)) => {}
                Err(error) => return Err(error.into()),
            },
            (known, _) => drop(known?),
        }
        let wanted = |missing: Vec<&String>| -> Result<Vec<NewMetric>, Refusal> {
            let told = |name: &String| Told { name: Some(name.clone()), ..Told::default() };
            missing.into_iter().map(|name| self.metric_of(told(name), user, Some(id)).map(NewMetric::Create)).collect()
        };
        match self.archive.index().resource("generic", id)? {
            None => {
                let at = now() / 1000 * 1000;
                let resource = Resource {
                    id,
                    kind: kind.into(),
                    original_id: original.into(),
                    creator: user.into(),
                    user: None,
                    project: None,
                    started_at: at,
                    ended_at: None,
                    revision_start: at,
                    revision_end: None,
                    revision: -1,
                    attributes,
                };
                match self.archive.add_resource(&resource, &wanted(named.keys().collect())?) {
                    Ok(()) | Err(Error::ResourceExists(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Some(resource) if resource.kind != kind => return Err(Error::ResourceExists(id.to_string()).into()),
            Some(resource) => request.owner(&resource.creator)?,
        }
        let metrics = |archive: &ferrometer_archive::Archive| {
            archive.metrics(Some(&Filter::is("resource_id", id.to_string())), &Page::default())
        };
        let mut there: BTreeMap<String, (Uuid, String)> = BTreeMap::new();
        for _ in 0..2 {
            there = metrics(&self.archive)?
                .into_iter()
                .filter_map(|metric| Some((metric.name?, (metric.id, metric.creator))))
                .collect();
            let missing: Vec<&String> = named.keys().filter(|name| !there.contains_key(*name)).collect();
            if missing.is_empty() {
                break;
            }
            match self.archive.change_resource(id, &Default::default(), Some((&wanted(missing)?, true))) {
                // Another request made one meanwhile: it is found in the next round.
                Ok(_) | Err(Error::MetricNameExists(_)) => {}
                Err(error) => return Err(error.into()),
            }
            there = metrics(&self.archive)?
                .into_iter()
                .filter_map(|metric| Some((metric.name?, (metric.id, metric.creator))))
                .collect();
        }
        for (name, points) in named {
            let (metric, creator) = there
                .get(&name)
                .ok_or_else(|| Refusal::from(Error::Busy(format!("the metric {name} is being made"))))?;
            if creator != user && !request.is_admin(user) {
                return Err(forbidden());
            }
            batch.push((*metric, points));
        }
        Ok(())
    }
}

fn unknown_query() -> Refusal {
    let description = json!({"cause": "Not implemented error", "detail": "q", "reason": "Query not implemented"});
    Refusal::new(StatusCode::NOT_IMPLEMENTED, description)
}

fn nanos(milliseconds: i64) -> Result<Nanos, Refusal> {
    let stamp = milliseconds.checked_mul(1_000_000).filter(|stamp| *stamp >= 0);
    stamp.ok_or_else(|| Refusal::bad(format!("the time stamp {milliseconds} ms is before 1970 or after 2262")))
}
