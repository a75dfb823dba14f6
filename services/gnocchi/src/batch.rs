//! `/v1/batch/…`: measures of many metrics in one request, all or none.

use crate::Gnocchi;
use crate::compact;
use crate::measures::{Measures, explain, measures_of};
use crate::metrics::{LONGEST_UNIT, Told};
use crate::references::resource_id;
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, forbidden, not_allowed, not_found};
use crate::schema::{Checked, Invalid, dictionary, only, optional, required, short, text};
use ferrometer_archive::search::{Filter, Page, Value as Wanted};
use ferrometer_archive::{Error, Metric, Point};
use http::{Method, StatusCode};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use uuid::Uuid;

/// Most metrics of one batch. More take longer than a client waits for its answer.
const METRICS: usize = 200_000;
/// Names of metrics that the index is asked for at once: its databases take no more parameters than some ten thousand.
const NAMES: usize = 10_000;

/// Refuses a batch of too many metrics.
fn too_many() -> Refusal {
    let words = format!("a batch may have {METRICS} metrics; send the measures in several requests");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, words)
}

/// Reads `{"uuid": [measures], …}`, up to one metric too many.
struct ByMetric<'a> {
    /// The key that was read last, for the words of an error.
    key: &'a mut String,
    /// Metrics that were read.
    count: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for ByMetric<'_> {
    type Value = HashMap<String, Vec<Point>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ByMetric<'_> {
    type Value = HashMap<String, Vec<Point>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a dictionary")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut batch = HashMap::new();
        while let Some(key) = map.next_key::<String>()? {
            *self.key = key;
            let points = map.next_value_seed(Measures)?;
            batch.insert(self.key.clone(), points);
            if batch.len() > METRICS {
                return Err(A::Error::custom("too many metrics"));
            }
            *self.count = batch.len();
        }
        Ok(batch)
    }
}

/// A metric of a resource, and its measures.
struct Entry {
    told: Told,
    points: Vec<Point>,
}

fn entry(name: &str, value: &Value) -> Checked<Entry> {
    match value {
        Value::Object(map) => {
            only(map, &["archive_policy_name", "unit", "measures"])?;
            let told = Told {
                policy: optional(map, "archive_policy_name", text)?,
                unit: optional(map, "unit", short(LONGEST_UNIT))?,
                name: Some(name.into()),
                resource: None,
                own_policy: None,
            };
            Ok(Entry { told, points: required(map, "measures", measures_of)? })
        }
        list => Ok(Entry { told: Told { name: Some(name.into()), ..Told::default() }, points: measures_of(list)? }),
    }
}

/// Returns names one behind the other, and of very many how many more there are: an answer is not as large as what was asked.
fn listed(names: &[String]) -> String {
    const MOST: usize = 1000;
    match names.len().checked_sub(MOST).filter(|more| *more > 0) {
        None => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..MOST].join(", ")),
    }
}

impl Gnocchi {
    pub(crate) fn batch(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        match (&request.method, &rest[..]) {
            (&Method::POST, ["metrics", "measures"]) => self.batch_by_metric(request),
            (&Method::POST, ["resources", "metrics", "measures"]) => self.batch_by_resource(request),
            (_, ["metrics", "measures"] | ["resources", "metrics", "measures"]) => not_allowed("POST"),
            _ => Err(not_found()),
        }
    }

    fn batch_by_metric(&self, request: &Request<'_>) -> Answer {
        let user = request.user()?;
        if compact::is_compact(request) {
            let batch = compact::batch(&request.body)?;
            return self.append_by_metric(request, &user, batch);
        }
        request.check_content_type("application/json")?;
        if request.body.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::unable_to_decode("Expected object or value"));
        }
        let (mut key, mut count) = (String::new(), 0);
        let mut reader = serde_json::Deserializer::from_slice(&request.body);
        let body = ByMetric { key: &mut key, count: &mut count };
        let body = body.deserialize(&mut reader).and_then(|body| reader.end().map(|()| body));
        if body.is_err() && count == METRICS {
            return Err(too_many());
        }
        let body = body.map_err(|error| match explain(&error) {
            Ok(_) if key.is_empty() => Invalid::new("expected a dictionary").into(),
            Ok(invalid) => invalid.in_key(&key).into(),
            Err(refusal) => refusal,
        })?;
        let mut points: HashMap<Uuid, Vec<Point>> = HashMap::with_capacity(body.len());
        for (id, measures) in body {
            let malformed = |_| Invalid::new("not a valid value").at_key(&id);
            points.insert(Uuid::parse_str(&id).map_err(malformed)?, measures);
        }
        self.append_by_metric(request, &user, points)
    }

    fn append_by_metric(&self, request: &Request<'_>, user: &str, points: HashMap<Uuid, Vec<Point>>) -> Answer {
        if points.len() > METRICS {
            return Err(too_many());
        }
        let ids: Vec<Uuid> = points.keys().copied().collect();
        let metrics = self.archive.index().metrics_by_id(&ids)?;
        if metrics.len() != ids.len() {
            let known: HashSet<Uuid> = metrics.iter().map(|metric| metric.id).collect();
            let mut unknown: Vec<String> =
                ids.iter().filter(|id| !known.contains(id)).map(ToString::to_string).collect();
            unknown.sort();
            return Err(Refusal::bad(format!("Unknown metrics: {}", listed(&unknown))));
        }
        if !request.is_admin(user) && metrics.iter().any(|metric| metric.creator != user) {
            return Err(forbidden());
        }
        self.archive.append(points.into_iter().collect())?;
        Ok(Reply::empty(StatusCode::ACCEPTED))
    }

    fn batch_by_resource(&self, request: &Request<'_>) -> Answer {
        let user = request.user()?;
        let create = request.truth("create_metrics", false)?;
        let body = request.json()?;
        // In the order of ids, so that errors do not depend on the order of the body.
        let mut entries: BTreeMap<(Uuid, String), Vec<(String, Entry)>> = BTreeMap::new();
        for (original, metrics) in dictionary(&body)? {
            let id = resource_id(original, &user).map_err(|invalid| invalid.at_key(original))?;
            let mut list = Vec::new();
            for (name, value) in dictionary(metrics).map_err(|invalid| invalid.in_key(original))? {
                let entry = entry(name, value).map_err(|invalid| invalid.in_key(name).in_key(original))?;
                list.push((name.clone(), entry));
            }
            entries.insert((id, original.clone()), list);
        }
        if entries.values().map(Vec::len).sum::<usize>() > METRICS {
            return Err(too_many());
        }
        let mut unknown_metrics = Vec::new();
        let mut unknown_resources = Vec::new();
        let mut new: Vec<Metric> = Vec::new();
        let mut points = Vec::new();
        for ((id, original), list) in entries {
            if list.is_empty() {
                continue;
            }
            let known = self.metrics_named(id, list.iter().map(|(name, _)| name.clone()).collect())?;
            let resource =
                if known.len() == list.len() { None } else { self.archive.index().resource("generic", id)? };
            let missing = known.len() != list.len() && resource.is_none();
            if create && missing {
                unknown_resources.push(json!({"resource_id": id.to_string(), "original_resource_id": original}));
            }
            for (name, entry) in list {
                match known.get(&name) {
                    Some(metric) if metric.creator != user && !request.is_admin(&user) => {
                        return Err(forbidden());
                    }
                    Some(metric) => points.push((metric.id, entry.points)),
                    None if create && missing => {}
                    None if create => {
                        let metric = self.metric_of(entry.told, &user, Some(id))?;
                        points.push((metric.id, entry.points));
                        new.push(metric);
                    }
                    None => unknown_metrics.push(format!("{id}/{name}")),
                }
            }
        }
        if !unknown_resources.is_empty() {
            return Err(Refusal::bad(json!({"cause": "Unknown resources", "detail": unknown_resources})));
        }
        if !unknown_metrics.is_empty() {
            unknown_metrics.sort();
            return Err(Refusal::bad(format!("Unknown metrics: {}", listed(&unknown_metrics))));
        }
        self.add_or_find(&new, &mut points)?;
        self.archive.append(points)?;
        Ok(Reply::empty(StatusCode::ACCEPTED))
    }

    fn metrics_named(&self, resource: Uuid, names: Vec<String>) -> Result<HashMap<String, Metric>, Error> {
        let mut found = HashMap::new();
        for names in names.chunks(NAMES) {
            let names = names.iter().cloned().map(Wanted::Text).collect();
            let filter =
                Filter::And(vec![Filter::is("resource_id", resource.to_string()), Filter::In("name".into(), names)]);
            let metrics = self.archive.metrics(Some(&filter), &Page::default())?;
            found.extend(metrics.into_iter().filter_map(|metric| Some((metric.name.clone()?, metric))));
        }
        Ok(found)
    }

    /// Adds metrics; those that another request added meanwhile are taken as they are.
    fn add_or_find(&self, new: &[Metric], points: &mut [(Uuid, Vec<Point>)]) -> Result<(), Refusal> {
        let bad = |error: Error| match error {
            Error::NoSuchPolicy(_) => Refusal::bad(error.to_string()),
            other => other.into(),
        };
        match self.archive.add_metrics(new) {
            Err(Error::MetricNameExists(_)) => {}
            other => return other.map_err(bad),
        }
        for metric in new {
            match self.archive.add_metrics(std::slice::from_ref(metric)) {
                Err(Error::MetricNameExists(name)) => {
                    let found =
                        metric.resource.map(|resource| self.metrics_named(resource, vec![name.clone()])).transpose()?;
                    let there = found.and_then(|mut found| found.remove(&name)).ok_or(Error::NoSuchMetric(name))?;
                    points.iter_mut().filter(|(id, _)| *id == metric.id).for_each(|(id, _)| *id = there.id);
                }
                other => other.map_err(bad)?,
            }
        }
        Ok(())
    }
}
