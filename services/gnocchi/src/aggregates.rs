//! `/v1/aggregates`: operations over metrics that are named, or over those of resources that are searched.
//!
//! A request is read, answered and written here from end to end; hence the length.

use crate::Gnocchi;
use crate::filter;
use crate::measures::{granularity, kept, seconds, write_points};
use crate::operations::{self, Tree};
use crate::reply::{Answer, Refusal, Reply};
use crate::request::{Request, not_allowed};
use crate::resource_json::{names, resource_json};
use crate::schema::{Invalid, dictionary, only, optional, text};
use crate::top::Top;
use ferrometer_archive::across::{Fill, Joining, Operation, Outcome, Values, evaluate, join};
use ferrometer_archive::search::{Page, Sort};
use ferrometer_archive::{Error, Metric, Nanos, Point, Policy, Range, Resource, ResourceQuery, matches};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// A series that operations are over.
pub(crate) struct Reference {
    pub metric: Metric,
    pub policy: Arc<Policy>,
    pub aggregation: String,
    /// The name within the tree: an id, or the pattern that the metric's name matches.
    pub named: String,
    /// The resource whose metric it is, in a search.
    pub resource: Option<Uuid>,
}

impl Reference {
    fn shown(&self) -> String {
        match self.resource {
            Some(_) => self.metric.name.clone().unwrap_or_default(),
            None => self.metric.id.to_string(),
        }
    }
}

/// Everything that says which points, and how they are brought together.
#[derive(Clone, Copy)]
pub(crate) struct Question {
    pub range: Range,
    pub granularity: Option<Nanos>,
    pub needed_overlap: f64,
    pub fill: Option<Fill>,
}

/// Reads the question of a request; `fill_default` fills where neither filling nor overlap is asked for.
pub(crate) fn question(request: &Request<'_>, fill_default: Option<Fill>) -> Result<Question, Refusal> {
    let overlap = request.parameter("needed_overlap").map(|text| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .ok_or_else(|| Refusal::argument("needed_overlap", "Must be a number"))
    });
    let overlap = overlap.transpose()?;
    let range = Range { start: request.time("start")?, stop: request.time("stop")? };
    let granularity = granularity(request)?;
    let fill = match request.parameter("fill") {
        None if overlap.is_none() => fill_default,
        None => None,
        Some("null") => Some(Fill::Null),
        Some("dropna") => Some(Fill::Drop),
        Some("ffill") => Some(Fill::Forward),
        Some("bfill") => Some(Fill::Backward),
        Some("full_ffill") => Some(Fill::FullForward),
        Some("full_bfill") => Some(Fill::FullBackward),
        Some(text) => match text.trim().parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => Some(Fill::Value(number)),
            None => {
                let reason = "Must be a float, 'dropna', 'null', 'ffill', 'bfill', 'full_ffill' or 'full_bfill'";
                return Err(Refusal::argument("fill", reason));
            }
        },
    };
    Ok(Question { range, granularity, needed_overlap: overlap.unwrap_or(100.0), fill })
}

/// Refuses series that cannot be aggregated.
pub(crate) fn not_aggregable(reason: impl std::fmt::Display, detail: Value) -> Refusal {
    Refusal::bad(json!({"cause": "Metrics cannot be aggregated", "reason": reason.to_string(), "detail": detail}))
}

/// Refuses metrics that no resource has.
fn unknown_metrics(tree: &Tree) -> Refusal {
    Refusal::missing(Error::NoSuchMetric(listed(tree.references.iter().map(|(name, _)| name.clone()).collect())))
}

/// A list of texts as Python prints it.
fn listed(mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    format!("[{}]", names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", "))
}

/// A series in an answer: by resource and name, or by id, and by method.
type Placed = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

impl Gnocchi {
    pub(crate) fn aggregates(&self, request: &Request<'_>) -> Answer {
        if request.method != Method::POST {
            return not_allowed("POST");
        }
        let user = request.user()?;
        let details = request.truth("details", false)?;
        let use_history = request.truth("use_history", false)?;
        let question = question(request, Some(Fill::Drop))?;
        let body = request.json()?;
        let map = dictionary(&body)?;
        only(map, &["operations", "resource_type", "search"])?;
        let operations =
            map.get("operations").ok_or_else(|| Invalid::new("required key not provided").at_key("operations"))?;
        let tree = operations::read(operations)?;
        let Some(kind) = optional(map, "resource_type", text)? else {
            return self.aggregates_of_metrics(request, &tree, question, details);
        };
        self.archive.index().resource_type(&kind).map_err(|error| match error {
            Error::NoSuchResourceType(name) => {
                Refusal::bad(json!({"cause": "Resource type does not exist", "detail": name}))
            }
            other => other.into(),
        })?;
        let filter = match map.get("search") {
            None => return Err(Invalid::new("required key not provided").at_key("search").into()),
            Some(Value::String(text)) => Some(filter::from_text(text, &user)?),
            Some(body) => filter::from_json(body, &user).map_err(|invalid| invalid.in_key("search"))?,
        };
        let mut groups: Vec<&str> = request.parameters("groupby");
        groups.sort_unstable();
        groups.dedup();
        let order = if groups.is_empty() { vec!["revision_start", "started_at"] } else { groups.clone() };
        let top = Top::of(request)?;
        if top.is_some() && (groups.is_empty() || use_history) {
            return Err(Refusal::argument("top", "Must be used with groupby, and without use_history"));
        }
        let page = Page { sort: order.into_iter().map(Sort::by).collect(), ..Page::default() };
        if use_history && !groups.is_empty() {
            let query = ResourceQuery { kind, filter, history: true, page };
            let parts = self.groups_of_history(&tree, question, query, &groups, details)?;
            return if parts.is_empty() {
                Err(unknown_metrics(&tree))
            } else {
                Ok(Reply::raw(StatusCode::OK, format!("[{}]", parts.join(","))))
            };
        }
        let resources = self.archive.resources(&ResourceQuery { kind: kind.clone(), filter, history: false, page })?;
        let metrics = self.metrics_by_resource(&resources)?;
        let kind = self.archive.index().resource_type(&kind)?;
        let found = |resources: &[&Resource]| -> Result<Option<String>, Refusal> {
            let mut references = Vec::new();
            for resource in resources {
                for (pattern, aggregation) in &tree.references {
                    for metric in metrics.get(&resource.id).into_iter().flatten() {
                        if metric.name.as_ref().is_some_and(|name| matches(pattern, name)) {
                            references.push(self.reference(metric, aggregation, pattern, Some(resource.id))?);
                        }
                    }
                }
            }
            if references.is_empty() {
                return Ok(None);
            }
            let measures = self.compute(&references, &tree.operation, question)?;
            let with = details.then(|| {
                let used: HashSet<Option<Uuid>> = references.iter().map(|reference| reference.resource).collect();
                let json = |resource: &&Resource| {
                    let metrics = metrics.get(&resource.id).map(|list| names(list));
                    used.contains(&Some(resource.id)).then(|| resource_json(resource, Some(&kind), metrics))
                };
                resources.iter().filter_map(json).collect::<Value>()
            });
            Ok(Some(answer(&measures, with)))
        };
        if groups.is_empty() {
            let all: Vec<&Resource> = resources.iter().collect();
            return found(&all)?.map(|body| Reply::raw(StatusCode::OK, body)).ok_or_else(|| unknown_metrics(&tree));
        }
        let group_of = |resource: &Resource| -> Map<String, Value> {
            let json = resource_json(resource, Some(&kind), None);
            groups.iter().map(|name| ((*name).to_owned(), json.get(*name).cloned().unwrap_or(Value::Null))).collect()
        };
        let mut of_groups = Vec::new();
        for (group, members) in grouped(&resources, &group_of) {
            of_groups.extend(found(&members)?.map(|body| (group, body)));
        }
        if of_groups.is_empty() {
            return Err(unknown_metrics(&tree));
        }
        if let Some(top) = top {
            return Ok(Reply::raw(StatusCode::OK, top.answer(of_groups)?));
        }
        let part = |(group, body)| format!("{{\"group\":{},\"measures\":{body}}}", Value::from(group));
        let parts: Vec<String> = of_groups.into_iter().map(part).collect();
        Ok(Reply::raw(StatusCode::OK, format!("[{}]", parts.join(","))))
    }

    fn aggregates_of_metrics(&self, request: &Request<'_>, tree: &Tree, question: Question, details: bool) -> Answer {
        let (mut ids, mut seen) = (Vec::new(), HashSet::new());
        for (name, _) in &tree.references {
            let id = Uuid::parse_str(name).map_err(|_| {
                let reason = "badly formed hexadecimal UUID string";
                Refusal::bad(json!({"cause": "Invalid metric references", "reason": reason, "detail": tree.references}))
            })?;
            if seen.insert(id) {
                ids.push(id);
            }
        }
        let metrics = self.archive.index().metrics_by_id(&ids)?;
        let by_id: HashMap<Uuid, &Metric> = metrics.iter().map(|metric| (metric.id, metric)).collect();
        let mut unknown: Vec<String> =
            ids.iter().filter(|id| !by_id.contains_key(id)).map(ToString::to_string).collect();
        if !unknown.is_empty() {
            unknown.sort();
            let description =
                json!({"cause": "Unknown metrics", "reason": "Provided metrics don't exists", "detail": unknown});
            return Err(Refusal::new(StatusCode::NOT_FOUND, description));
        }
        metrics.iter().try_for_each(|metric| request.owner(&metric.creator))?;
        let mut references = Vec::new();
        for (name, aggregation) in &tree.references {
            if let Some(metric) = Uuid::parse_str(name).ok().and_then(|id| by_id.get(&id)) {
                references.push(self.reference(metric, aggregation, name, None)?);
            }
        }
        let measures = self.compute(&references, &tree.operation, question)?;
        let with = details.then(|| metrics.iter().map(|metric| self.metric_json(metric)).collect());
        Ok(Reply::raw(StatusCode::OK, answer(&measures, with)))
    }

    pub(crate) fn reference(
        &self,
        metric: &Metric,
        aggregation: &str,
        named: &str,
        resource: Option<Uuid>,
    ) -> Result<Reference, Refusal> {
        let policy = self.archive.policy(&metric.policy)?;
        Ok(Reference { metric: metric.clone(), policy, aggregation: aggregation.into(), named: named.into(), resource })
    }

    /// Computes a tree over series, and returns the JSON of the measures.
    pub(crate) fn compute(
        &self,
        references: &[Reference],
        tree: &Operation,
        question: Question,
    ) -> Result<String, Refusal> {
        let mut together = String::from("[");
        let mut apart: Placed = BTreeMap::new();
        let mut aggregated = false;
        for outcome in self.outcomes(references, tree, question)? {
            let label = seconds(outcome.granularity);
            aggregated = outcome.aggregated;
            let columns = points(outcome, question.fill);
            if aggregated {
                write_points(&mut together, columns.first().map_or(&[], Vec::as_slice), &label);
                continue;
            }
            for (reference, column) in references.iter().zip(&columns) {
                let (outer, inner) = match reference.resource {
                    Some(resource) => (resource.to_string(), reference.shown()),
                    None => (reference.named.clone(), String::new()),
                };
                let place = apart.entry(outer).or_default().entry(inner).or_default();
                write_points(place.entry(reference.aggregation.clone()).or_insert_with(|| "[".into()), column, &label);
            }
        }
        if aggregated {
            return Ok(format!("{{\"aggregated\":{together}]}}"));
        }
        Ok(placed(&apart))
    }

    /// Computes a tree over series, for each granularity, longest first.
    pub(crate) fn outcomes(
        &self,
        references: &[Reference],
        tree: &Operation,
        question: Question,
    ) -> Result<Vec<Outcome>, Refusal> {
        let keys: Vec<(String, String)> =
            references.iter().map(|reference| (reference.named.clone(), reference.aggregation.clone())).collect();
        let mut outcomes = Vec::new();
        for granularity in common(references, question)? {
            let mut series = Vec::with_capacity(references.len());
            for reference in references {
                let method =
                    kept(&reference.policy, &reference.aggregation).ok_or_else(|| unknown_aggregation(reference))?;
                series.push(self.archive.measures(reference.metric.id, method, granularity, question.range)?);
            }
            let how = Joining {
                fill: question.fill,
                needed_overlap: question.needed_overlap,
                has_start: question.range.start.is_some(),
                has_stop: question.range.stop.is_some(),
            };
            let outcome = join(&series, how).and_then(|grid| evaluate(tree, &grid, &keys, granularity));
            outcomes.push(outcome.map_err(|error| not_aggregable(error, json!(keys)))?);
        }
        Ok(outcomes)
    }
}

/// Returns the columns of an outcome as points, without those that are no number where they are left out.
pub(crate) fn points(outcome: Outcome, fill: Option<Fill>) -> Vec<Vec<Point>> {
    let drops = fill.is_some_and(Fill::drops);
    let columns = match outcome.values {
        Values::Columns(columns) => columns,
        Values::Number(number) => vec![vec![number; outcome.times.len()]],
    };
    let column = |column: Vec<f64>| -> Vec<Point> {
        let all = outcome.times.iter().zip(column).map(|(at, value)| Point { at: *at, value });
        all.filter(|point| !drops || point.value.is_finite()).collect()
    };
    columns.into_iter().map(column).collect()
}

fn unknown_aggregation(reference: &Reference) -> Refusal {
    let detail = json!([[reference.metric.id.to_string(), reference.aggregation]]);
    Refusal::new(StatusCode::NOT_FOUND, json!({"cause": "Metrics with unknown aggregation", "detail": detail}))
}

/// Returns the granularities that are asked for or that all series have, longest first.
fn common(references: &[Reference], question: Question) -> Result<Vec<Nanos>, Refusal> {
    let Some(granularity) = question.granularity else {
        let mut all: Vec<Nanos> = references
            .iter()
            .flat_map(|reference| reference.policy.definitions())
            .map(|definition| definition.granularity)
            .collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.dedup();
        all.retain(|granularity| {
            references.iter().all(|reference| reference.policy.definition(*granularity).is_some())
        });
        return match all.is_empty() {
            true => {
                let pairs: Vec<_> =
                    references.iter().map(|reference| (reference.shown(), reference.aggregation.clone())).collect();
                Err(not_aggregable("No granularity match", json!(pairs)))
            }
            false => Ok(all),
        };
    };
    if let Some(wrong) = references.iter().find(|reference| kept(&reference.policy, &reference.aggregation).is_none()) {
        return Err(unknown_aggregation(wrong));
    }
    let missing: Vec<_> = references
        .iter()
        .filter(|reference| reference.policy.definition(granularity).is_none())
        .map(|reference| (reference.shown(), reference.aggregation.clone(), granularity as f64 / 1e9))
        .collect();
    if missing.is_empty() {
        Ok(vec![granularity])
    } else {
        Err(not_aggregable("Granularities are missing", json!(missing)))
    }
}

fn object<'a>(pairs: impl Iterator<Item = (&'a String, String)>) -> String {
    let pairs: Vec<String> = pairs.map(|(name, body)| format!("{}:{body}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn placed(apart: &Placed) -> String {
    let methods =
        |methods: &BTreeMap<String, String>| object(methods.iter().map(|(name, list)| (name, format!("{list}]"))));
    object(apart.iter().map(|(outer, inner)| match inner.get("") {
        // A metric by its id has no name above its methods.
        Some(only) if inner.len() == 1 => (outer, methods(only)),
        _ => (outer, object(inner.iter().map(|(name, inner)| (name, methods(inner))))),
    }))
}

fn answer(measures: &str, references: Option<Value>) -> String {
    match references {
        Some(references) => format!("{{\"measures\":{measures},\"references\":{references}}}"),
        None => format!("{{\"measures\":{measures}}}"),
    }
}

/// Returns resources, sorted by their group, in groups.
pub(crate) fn grouped<'a, G: PartialEq>(
    resources: &'a [Resource],
    group_of: &dyn Fn(&Resource) -> G,
) -> Vec<(G, Vec<&'a Resource>)> {
    let mut groups: Vec<(G, Vec<&Resource>)> = Vec::new();
    for resource in resources {
        let group = group_of(resource);
        match groups.last_mut() {
            Some((last, members)) if *last == group => members.push(resource),
            _ => groups.push((group, vec![resource])),
        }
    }
    groups
}
