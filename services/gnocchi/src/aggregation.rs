//! `/v1/aggregation/…`, the older way: one aggregation over several metrics, or over a metric of many resources.

use crate::Gnocchi;
use crate::aggregates::{Question, grouped, not_aggregable, question};
use crate::filter;
use crate::measures::{kept, no_aggregation, sampling, seconds, write_measures, write_points};
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, not_allowed, not_found};
use crate::resource_json::resource_json;
use crate::schema::{Checked, Invalid, list};
use ferrometer_archive::across::{Aggregator, Fill, Joining, Operation, Sampling, Values, evaluate, join, resample};
use ferrometer_archive::search::{Page, Sort};
use ferrometer_archive::{Error, Metric, Nanos, Point, Resource, ResourceQuery};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

fn ids(body: &Value) -> Checked<Vec<Uuid>> {
    let id = |(at, value): (usize, &Value)| {
        let id = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
        id.ok_or_else(|| Invalid::new("badly formed hexadecimal UUID string").in_item(at))
    };
    list(body)?.iter().enumerate().map(id).collect()
}

impl Gnocchi {
    pub(crate) fn aggregation(&self, request: &Request<'_>, rest: &[String]) -> Answer {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        match (&request.method, &rest[..]) {
            (&Method::GET, ["metric"]) => {
                let body = request.parameters("metric").into_iter().map(Value::from).collect();
                let ids = ids(&body).map_err(|invalid| Refusal::bad(format!("Invalid input: {}", invalid.text())))?;
                self.aggregation_of_metrics(request, &ids)
            }
            (&Method::POST, ["metric"]) => {
                let ids = ids(&request.json()?)?;
                self.aggregation_of_metrics(request, &ids)
            }
            (_, ["metric"]) => not_allowed("GET, POST"),
            (_, ["resource", _, "metric"]) => not_allowed("POST"),
            (&Method::POST, ["resource", kind, "metric", name]) => self.aggregation_of_resources(request, kind, name),
            (_, ["resource", kind, "metric", _]) => {
                self.archive.index().resource_type(kind)?;
                not_allowed("POST")
            }
            _ => Err(not_found()),
        }
    }

    fn aggregation_of_metrics(&self, request: &Request<'_>, ids: &[Uuid]) -> Answer {
        request.user()?;
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let metrics = self.archive.index().metrics_by_id(&wanted)?;
        if let Some(missing) = wanted.iter().find(|id| !metrics.iter().any(|metric| metric.id == **id)) {
            return Err(Error::NoSuchMetric(missing.to_string()).into());
        }
        Ok(Reply::raw(StatusCode::OK, self.across(request, &metrics)?))
    }

    fn aggregation_of_resources(&self, request: &Request<'_>, kind: &str, name: &str) -> Answer {
        let kind = self.archive.index().resource_type(kind)?;
        let user = request.user()?;
        let mut groups: Vec<&str> = request.parameters("groupby");
        groups.sort_unstable();
        groups.dedup();
        let filter = filter::of_request(request, &user)?;
        let page = Page { sort: groups.iter().map(|name| Sort::by(name)).collect(), ..Page::default() };
        let query = ResourceQuery { kind: kind.name.clone(), filter, history: false, page };
        let resources = self.archive.resources(&query).map_err(|error| match error {
            Error::Pagination(_) => Refusal::bad("Invalid groupby attribute"),
            other => other.into(),
        })?;
        let metrics = self.metrics_by_resource(&resources)?;
        let of = |resource: &Resource| {
            metrics.get(&resource.id).into_iter().flatten().find(|metric| metric.name.as_deref() == Some(name)).cloned()
        };
        if groups.is_empty() {
            let all: Vec<Metric> = resources.iter().filter_map(of).collect();
            return Ok(Reply::raw(StatusCode::OK, self.across(request, &all)?));
        }
        let group_of = |resource: &Resource| -> Map<String, Value> {
            let json = resource_json(resource, Some(&kind), None);
            groups.iter().map(|name| ((*name).to_owned(), json.get(*name).cloned().unwrap_or(Value::Null))).collect()
        };
        let mut parts = Vec::new();
        for (group, members) in grouped(&resources, &group_of) {
            let metrics: Vec<Metric> = members.into_iter().filter_map(of).collect();
            parts.push(format!(
                "{{\"group\":{},\"measures\":{}}}",
                Value::from(group),
                self.across(request, &metrics)?
            ));
        }
        Ok(Reply::raw(StatusCode::OK, format!("[{}]", parts.join(","))))
    }

    /// Returns the JSON of one aggregation over several metrics.
    fn across(&self, request: &Request<'_>, metrics: &[Metric]) -> Result<String, Refusal> {
        let question = question(request, None)?;
        let aggregation = request.parameter("aggregation").unwrap_or("mean");
        let again = request.parameter("reaggregation").unwrap_or(aggregation);
        metrics.iter().try_for_each(|metric| request.owner(&metric.creator))?;
        if metrics.is_empty() {
            return Ok("[]".into());
        }
        let to = sampling(request)?;
        request.truth("refresh", false)?;
        let granularities = self.granularities(metrics, question, aggregation)?;
        let mut out = String::from("[");
        if let [metric] = metrics {
            let policy = self.archive.policy(&metric.policy)?;
            let method = kept(&policy, aggregation).ok_or_else(|| {
                let detail = json!({"metric": metric.id.to_string(), "aggregation_method": aggregation});
                Refusal::new(
                    StatusCode::NOT_FOUND,
                    json!({"cause": "Aggregation method does not exist for this metric", "detail": detail}),
                )
            })?;
            for granularity in granularities {
                let points = self.archive.measures(metric.id, method, granularity, question.range)?;
                write_measures(&mut out, &points, granularity, method, to);
            }
            out.push(']');
            return Ok(out);
        }
        for metric in metrics {
            let policy = self.archive.policy(&metric.policy)?;
            if kept(&policy, aggregation).is_none() {
                let first = policy.definitions().first().map_or(0, |definition| definition.granularity);
                return Err(Refusal::missing(no_aggregation(aggregation, first, metric)));
            }
        }
        let (with, rate) = Aggregator::from_name(again).ok_or_else(|| {
            let known = "mean, median, std, min, max, sum, var, count, and each with `rate:` before it";
            Refusal::argument("reaggregation", format!("series cannot be aggregated by '{again}'; known are {known}"))
        })?;
        let keys: Vec<(String, String)> =
            metrics.iter().map(|metric| (metric.id.to_string(), aggregation.to_owned())).collect();
        // Series are joined and filled before they are resampled, where an operation can do it.
        let mut inner = Operation::Metric(keys.clone());
        let mut before = to;
        if let (Some(Sampling::Span(span)), Some((with, false))) = (to, Aggregator::from_name(aggregation)) {
            inner = Operation::Resample(with, span, Box::new(inner));
            before = None;
        }
        let tree = Operation::Aggregate(with, rate, Box::new(inner));
        for granularity in granularities {
            let mut series: Vec<Vec<Point>> = Vec::with_capacity(metrics.len());
            for metric in metrics {
                let policy = self.archive.policy(&metric.policy)?;
                let Some(method) = kept(&policy, aggregation) else { continue };
                let points = self.archive.measures(metric.id, method, granularity, question.range)?;
                series.push(before.map_or_else(|| points.clone(), |to| resample(&points, method.kind, to)));
            }
            let how = Joining {
                fill: question.fill,
                needed_overlap: question.needed_overlap,
                has_start: question.range.start.is_some(),
                has_stop: question.range.stop.is_some(),
            };
            let refuse = |error: Error| not_aggregable(error, json!(keys));
            let outcome =
                join(&series, how).and_then(|grid| evaluate(&tree, &grid, &keys, granularity)).map_err(refuse)?;
            let Values::Columns(columns) = outcome.values else { continue };
            let points =
                outcome.times.iter().zip(columns.into_iter().flatten()).map(|(at, value)| Point { at: *at, value });
            let drops = question.fill.is_some_and(Fill::drops);
            let points: Vec<Point> = points.filter(|point| !drops || point.value.is_finite()).collect();
            let label = match to {
                None => seconds(granularity),
                Some(Sampling::Span(span)) => seconds(span),
                Some(Sampling::Calendar(unit)) => format!("\"{}\"", unit.letter()),
            };
            write_points(&mut out, &points, &label);
        }
        out.push(']');
        Ok(out)
    }

    fn granularities(&self, metrics: &[Metric], question: Question, aggregation: &str) -> Result<Vec<Nanos>, Refusal> {
        let policies =
            metrics.iter().map(|metric| self.archive.policy(&metric.policy)).collect::<Result<Vec<_>, _>>()?;
        if let Some(granularity) = question.granularity {
            let without = metrics.iter().zip(&policies).find(|(_, policy)| policy.definition(granularity).is_none());
            return match without {
                Some((metric, _)) => Err(Refusal::missing(no_aggregation(aggregation, granularity, metric))),
                None => Ok(vec![granularity]),
            };
        }
        let mut all: Vec<Nanos> =
            policies.iter().flat_map(|policy| policy.definitions()).map(|definition| definition.granularity).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.dedup();
        all.retain(|granularity| policies.iter().all(|policy| policy.definition(*granularity).is_some()));
        if all.is_empty() {
            let pairs: Vec<_> = metrics.iter().map(|metric| (metric.id.to_string(), aggregation)).collect();
            return Err(not_aggregable("No granularity match", json!(pairs)));
        }
        Ok(all)
    }
}
